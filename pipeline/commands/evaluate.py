"""`pfn-kg evaluate`: scores a model on annotated sentences."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfn_kg.pipeline.commands.analyses import as_text, robustness_as_text
from pfn_kg.pipeline.commands.predict import (
    add_model_arguments,
    add_window_argument,
    load_extractor,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import DEFAULT_FLOOR

if TYPE_CHECKING:
    from pfn_kg.pfn.evaluation.robustness import Pair
    from pfn_kg.pfn.readers import Reading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `evaluate`."""
    parser.add_argument("--data", metavar="FILE", help="annotated sentences")
    parser.add_argument("--format", required=True, help="docred, spert, dygie or triple-list")
    parser.add_argument(
        "--overlapping-entities",
        default="keep",
        metavar="keep|drop",
        help="drop: leave out sentences with entities that overlap, as the paper does for ADE",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N sentences only")
    parser.add_argument("--json", action="store_true", help="all figures, as JSON")
    parser.add_argument("--plots", metavar="FOLDER", help="draw the analyses, as PNG and SVG")
    parser.add_argument(
        "--paper",
        metavar="DATA_SET",
        help="print the paper's Table 1 beside: nyt, webnlg, ade, ace05, ace04 or scierc",
    )
    parser.add_argument(
        "--robustness",
        nargs="*",
        metavar="FILE",
        help="entities before and after the changes of the paper's Table 4, made of --data; or "
        "of two files, ORIGINAL TRANSFORMED",
    )
    parser.add_argument(
        "--seed", type=int, default=13, metavar="N", help="of the changes of --robustness"
    )
    add_model_arguments(parser)
    add_window_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    from pfn_kg.pfn.readers import read

    if args.limit is not None and args.limit < 1:
        raise ConfigurationError(f"--limit: {args.limit} is not at least 1")
    files = args.robustness or []
    if len(files) not in (0, 2):
        raise ConfigurationError("--robustness: takes two files, ORIGINAL TRANSFORMED, or none")
    if files and args.data:
        raise ConfigurationError("--data: the files of --robustness stand in its place")
    if not files and not args.data:
        raise ConfigurationError("--data: is missing")
    if args.robustness is not None and (args.plots or args.paper):
        raise ConfigurationError("--robustness: goes without --plots and --paper")
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import check_plots_folder

        check_plots_folder(args.plots)
    if args.paper:
        from pfn_kg.pfn.evaluation.paper_results import find_data_set

        find_data_set(args.paper)

    def sentences_of(path: str, option: str) -> Reading:
        reading = read(path, args.format, args.overlapping_entities).first(args.limit)
        if not reading:
            raise ConfigurationError(f"{option}: {path} has no sentence")
        return reading

    if args.robustness is not None:
        return _robustness(
            args, [sentences_of(path, "--robustness") for path in files], sentences_of
        )
    reading = sentences_of(args.data, "--data")
    extractor = load_extractor(args)

    from pfn_kg.pfn.calibration import calibration_of
    from pfn_kg.pfn.evaluation.analyses import analyse
    from pfn_kg.pfn.evaluation.documents import score_reading
    from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
    from pfn_kg.pfn.evaluation.predictions import predict_reading

    gold = [gold_sentence(sentence) for sentence in reading]
    config = extractor.config
    labels = {type_ for g in gold for _, _, type_ in g.entities} - set(config.entity_types)
    labels |= {relation for g in gold for _, relation, _ in g.triples} - set(config.relation_types)
    entity_threshold, relation_threshold = extractor.thresholds(
        args.entity_threshold, args.relation_threshold
    )
    window_tokens = extractor.window_tokens(args.window_tokens)
    if args.window_tokens and not reading.documents:
        raise ConfigurationError(f"--window-tokens: {args.format} has no documents, docred has")
    predictions = predict_reading(
        extractor,
        reading,
        entity_floor=min(entity_threshold, DEFAULT_FLOOR),
        relation_floor=min(relation_threshold, DEFAULT_FLOOR),
        token_budget=args.token_budget,
        window_tokens=window_tokens,
    )
    options = {
        "entity_threshold": entity_threshold,
        "relation_threshold": relation_threshold,
        "head_policy": args.head_policy,
    }
    found = score_reading(
        predictions,
        reading,
        fact_calibration=calibration_of(extractor.config.calibration, "fact"),
        **options,
    )
    found |= {
        "analyses": analyse(predictions.sentences, gold, **options),
        "sentences": len(gold),
        "entity_threshold": entity_threshold,
        "relation_threshold": relation_threshold,
        "window_tokens": window_tokens if predictions.texts else 0,
        "skipped": dict(reading.skipped),
        "unknown_labels": sorted(labels),
    }
    if labels:
        print(
            f"pfn-kg: the model can't say {len(labels)} labels of {args.data}, such as "
            f"{min(labels)!r}; what has them counts as missed",
            file=sys.stderr,
        )
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import write_plots

        for path in write_plots(found["analyses"], Path(args.plots), Path(args.data).name):
            print(path, file=sys.stderr)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    print(as_text(found))
    if args.paper:
        from pfn_kg.pfn.evaluation.paper_results import beside_paper

        encoder = getattr(config.encoder, "model_type", "")
        print("\n" + beside_paper(args.paper, found, method="this model", encoder=str(encoder)))
    return 0


def _robustness(args: argparse.Namespace, files: list[Reading], sentences_of: Any) -> int:
    from pfn_kg.pfn.evaluation.robustness import TRANSFORMATIONS, Pair, robustness, transform

    pairs: dict[str, Pair] = {}
    if files:
        pairs["files"] = Pair(*files)
    else:
        data = sentences_of(args.data, "--data")
        for name in TRANSFORMATIONS:
            pair = transform(name, data, args.seed)
            if pair.original:
                pairs[name] = pair
            else:
                print(f"pfn-kg: {name} can change no sentence of {args.data}", file=sys.stderr)
        if not pairs:
            raise ConfigurationError(f"--robustness: {args.data} has nothing to change")
    extractor = load_extractor(args)
    found = robustness(
        extractor,
        pairs,
        entity_threshold=args.entity_threshold,
        relation_threshold=args.relation_threshold,
        head_policy=args.head_policy,
        token_budget=args.token_budget,
    )
    print(json.dumps(found, ensure_ascii=False) if args.json else robustness_as_text(found))
    return 0
