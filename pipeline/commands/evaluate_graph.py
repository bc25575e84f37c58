"""`pfn-kg evaluate-graph`: scores the whole pipeline on annotated documents."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from pfn_kg.pipeline.arguments import Call, WorkerOptions
from pfn_kg.pipeline.commands.analyses import evidence_as_text
from pfn_kg.pipeline.commands.build import policies
from pfn_kg.pipeline.interruption import deleted_on_exit
from pfn_kg.schemas.build_options import BuildOptions, PolicyOptions
from pfn_kg.schemas.choices import DEFAULT_FLOOR
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import TextOptions
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True

_DATA = "Data"
_FIGURES = "Figures"


class EvaluateGraphOptions(Options):
    """The annotated documents, and which figures are wanted."""

    gold: str = option(..., "annotated documents", group=_DATA, metavar="FILE", common=True)
    format: Literal["docred"] = option(..., "format of the documents", group=_DATA, common=True)
    links: str | None = option(
        None,
        "JSON file with ids of the documents' entities, such as Wikidata's: scores merging across "
        "documents",
        group=_DATA,
        metavar="FILE",
        common=True,
        default_text="none",
    )
    limit: int | None = option(
        None,
        "the first N documents only",
        group=_DATA,
        metavar="N",
        common=True,
        default_text="all",
        ge=1,
    )
    as_json: bool = option(
        False, "print all figures, as JSON", name="json", group=_FIGURES, common=True
    )
    plots: str | None = option(
        None,
        "draw how reliable confidences are into this folder, as PNG and SVG",
        group=_FIGURES,
        metavar="FOLDER",
        common=True,
    )
    output: str | None = option(
        None,
        "keep the run in this folder; a later call with other options of the build needs no model",
        group=_FIGURES,
        metavar="DIR",
        common=True,
    )


OPTIONS: tuple[type[Options], ...] = (
    EvaluateGraphOptions,
    TextOptions,
    PolicyOptions,
    WorkerOptions,
)


def main(call: Call) -> int:
    """Runs the command."""
    args, model = call.of(EvaluateGraphOptions), call.of(TextOptions)
    # Of a graph that is only scored nothing else is written.
    options = policies(call.given, PolicyOptions, PolicyOptions())
    build = BuildOptions.model_validate({**dict(options), "rdf": None})
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import check_plots_folder

        check_plots_folder(args.plots)
    from pfn_kg.pfn.readers.docred import listed_relations, read_docred_documents
    from pfn_kg.pfn.readers.relation_ids import documents_with_names, names_of_ids

    gold = read_docred_documents(args.gold)[: args.limit]
    if not gold:
        raise ConfigurationError(f"{args.gold} has no document", field="gold")
    from pfn_kg.pfn.readers.entity_links import read_entity_links

    links = None if args.links is None else read_entity_links(args.links, gold)
    from pfn_kg.pipeline.build_phase import check_aliases
    from pfn_kg.pipeline.graph_evaluation import evaluate_graph, prepare_evaluation
    from pfn_kg.pipeline.lineage import untold
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.transforms.plumbing.files import absolute

    pipeline_options(call.beam)
    with ExitStack() as stack:
        directory = args.output and absolute(args.output)
        if not directory:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pfn-kg-"))
            stack.enter_context(deleted_on_exit(directory))
            stack.enter_context(untold())
        extracted: dict[str, Any] = {name: getattr(model, name) for name in model.model_fields_set}
        extracted |= options.lower_floors(DEFAULT_FLOOR, DEFAULT_FLOOR)
        prepared = prepare_evaluation(gold, directory, extracted)
        check_aliases(prepared.options.output, build, prepared.label_schema)
        gold = documents_with_names(gold, names_of_ids(prepared.label_schema))
        relations = listed_relations(args.gold)
        scores = evaluate_graph(gold, prepared, build, call.beam, links=links, relations=relations)
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import write_reliability

        calibration = scores["calibration"]
        for path in write_reliability(
            calibration["bins"],
            calibration["error"],
            folder=Path(args.plots),
            title=Path(args.gold).name,
        ):
            print(path, file=sys.stderr)
    print(json.dumps(scores, ensure_ascii=False) if args.as_json else as_text(scores))
    return 0


def as_text(scores: dict[str, Any]) -> str:
    """The figures in all, in percent, and where facts are lost."""
    lines = [f"{'':24}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>10}"]
    clusters = scores["entity_cluster"]
    for name, row in (
        ("mentions", scores["mention"]),
        ("entities, equal clusters", clusters),
        ("entities, B-cubed", clusters["b_cubed"]),
        ("entities, pairwise", clusters["pairwise"]),
        ("facts", scores["fact"]),
    ):
        figures = "".join(f"{100 * row[m]:10.2f}" for m in ("precision", "recall", "f1"))
        lines.append(f"{name:24}{figures}{row['support']:10}")
    lines += ["", evidence_as_text(scores["fact_evidence"])]
    lines += [
        "",
        f"calibration error of the confidence of facts: {scores['calibration']['error']:.3f}",
    ]
    lines += ["", f"{'missing facts':24}{'share':>10}{'facts':>10}"]
    lines += [
        f"{name.replace('_', ' '):24}{100 * loss['share']:10.2f}{loss['facts']:10}"
        for name, loss in scores["loss_by_stage"].items()
    ]
    for name, links in scores.get("links", {}).items():
        lines += ["", *_links_as_text(name, links)]
    return "\n".join(lines)


def _links_as_text(name: str, links: dict[str, Any]) -> list[str]:
    """How well entities are merged across documents, and what is missed and false by kind."""
    of = "gold mentions" if name == "gold" else "the graph's mentions"
    title = f"across documents, {of}: {links['found']} of {links['mentions']} with an id"
    lines = [title, f"{'':24}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>10}"]
    for measure in ("pairwise", "b_cubed"):
        row = links[measure]
        figures = "".join(f"{100 * row[m]:10.2f}" for m in ("precision", "recall", "f1"))
        lines.append(f"{measure.replace('_', '-'):24}{figures}{row['support']:10}")
    lines.append(f"{'':24}{'missed':>20}{'false':>20}")
    lines.append(f"{'kind':24}" + f"{'pairs':>10}{'names':>10}" * 2)
    none = {"pairs": 0, "names": 0}
    for kind in dict.fromkeys([*links["missed"], *links["false"]]):
        counts = [links[side].get(kind, none)[n] for side in ("missed", "false") for n in none]
        lines.append(f"{kind.replace('_', ' '):24}" + "".join(f"{n:10}" for n in counts))
    return lines
