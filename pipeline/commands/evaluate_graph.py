"""`pfn-kg evaluate-graph`: scores the whole pipeline on annotated documents."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pfn_kg.pipeline.commands.build import add_policy_arguments, build_options
from pfn_kg.pipeline.commands.predict import add_window_argument
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import DEFAULT_FLOOR

TAKES_BEAM_OPTIONS = True

_EXTRACT = ("model", "device", "precision", "token_budget", "window_tokens", "language")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `evaluate-graph`."""
    parser.add_argument("--gold", required=True, metavar="FILE", help="annotated documents")
    parser.add_argument("--format", required=True, help="docred")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N documents only")
    parser.add_argument("--json", action="store_true", help="all figures, as JSON")
    parser.add_argument(
        "--plots", metavar="FOLDER", help="draw how reliable confidences are, as PNG and SVG"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="keep the run there; called again with other options of the build, no model runs",
    )
    group = parser.add_argument_group("extract")
    group.add_argument("--model", metavar="NAME_OR_DIR", help="default: the shipped model")
    group.add_argument("--device", help="auto (default), cpu, cuda ...")
    group.add_argument("--precision", help="auto (default), fp32, fp16 or bf16")
    group.add_argument("--token-budget", type=int, metavar="N", help="word pieces in a batch")
    add_window_argument(group)
    group.add_argument("--language", metavar="CODE", help="of the texts; default: en")
    add_policy_arguments(parser)
    # Of a graph that is only scored nothing else is written.
    parser.set_defaults(
        rdf=False,
        sentences=None,
        neo4j_lexical=None,
        provenance=None,
        relation_iris=None,
        alias_iris=None,
        label_language=None,
    )


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    if args.format != "docred":
        raise ConfigurationError(f"--format: {args.format!r} is not docred, which has documents")
    if args.limit is not None and args.limit < 1:
        raise ConfigurationError(f"--limit: {args.limit} is not at least 1")
    options = build_options(args)
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import check_plots_folder

        check_plots_folder(args.plots)
    from pfn_kg.pfn.readers.docred import read_docred_documents

    gold = read_docred_documents(args.gold)[: args.limit]
    if not gold:
        raise ConfigurationError(f"--gold: {args.gold} has no document")
    from pfn_kg.pipeline.build_phase import check_aliases
    from pfn_kg.pipeline.graph_evaluation import evaluate_graph, prepare_evaluation
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.transforms.plumbing.files import absolute

    pipeline_options(args.beam)
    with ExitStack() as stack:
        directory = args.output and absolute(args.output)
        if not directory:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pfn-kg-"))
        extracted = {n: getattr(args, n) for n in _EXTRACT if getattr(args, n) is not None}
        for name in ("entity", "relation"):
            threshold = getattr(options, f"{name}_threshold")
            if threshold is not None and threshold < DEFAULT_FLOOR:
                extracted[f"{name}_floor"] = threshold
        prepared = prepare_evaluation(gold, directory, extracted)
        check_aliases(prepared.options.output, options, prepared.label_schema)
        found = evaluate_graph(gold, prepared, options, args.beam)
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import write_reliability

        calibration = found["calibration"]
        for path in write_reliability(
            calibration["bins"],
            calibration["error"],
            folder=Path(args.plots),
            title=Path(args.gold).name,
        ):
            print(path, file=sys.stderr)
    print(json.dumps(found, ensure_ascii=False) if args.json else as_text(found))
    return 0


def as_text(found: dict[str, Any]) -> str:
    """The figures in all, in percent, and where facts are lost."""
    lines = [f"{'':24}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>10}"]
    clusters = found["entity_cluster"]
    for name, scores in (
        ("mentions", found["mention"]),
        ("entities, equal clusters", clusters),
        ("entities, B-cubed", clusters["b_cubed"]),
        ("entities, pairwise", clusters["pairwise"]),
        ("facts", found["fact"]),
    ):
        figures = "".join(f"{100 * scores[m]:10.2f}" for m in ("precision", "recall", "f1"))
        lines.append(f"{name:24}{figures}{scores['support']:10}")
    lines += [
        "",
        f"calibration error of the confidence of facts: {found['calibration']['error']:.3f}",
    ]
    lines += ["", f"{'missing facts':24}{'share':>10}{'facts':>10}"]
    lines += [
        f"{name.replace('_', ' '):24}{100 * loss['share']:10.2f}{loss['facts']:10}"
        for name, loss in found["loss_by_stage"].items()
    ]
    return "\n".join(lines)
