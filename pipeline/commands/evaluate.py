"""`pfn-kg evaluate`: scores a model on annotated sentences."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pipeline.commands.predict import add_model_arguments, load_extractor
from schemas.errors import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `evaluate`."""
    parser.add_argument("--data", required=True, metavar="FILE", help="annotated sentences")
    parser.add_argument("--format", required=True, help="docred, spert, dygie or triple-list")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N sentences only")
    parser.add_argument("--json", action="store_true", help="all figures, as JSON")
    add_model_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    from pfn.readers import read

    if args.limit is not None and args.limit < 1:
        raise ConfigurationError(f"--limit: {args.limit} is not at least 1")
    reading = read(args.data, args.format)
    sentences = reading[: args.limit]
    if not sentences:
        raise ConfigurationError(f"--data: {args.data} has no sentence")
    extractor = load_extractor(args)

    from pfn.evaluation import evaluate
    from pfn.gold import gold_sentence

    gold = [gold_sentence(sentence) for sentence in sentences]
    config = extractor.config
    labels = {type_ for g in gold for _, _, type_ in g.entities} - set(config.entity_types)
    labels |= {relation for g in gold for _, relation, _ in g.triples} - set(config.relation_types)
    entity_threshold, relation_threshold = extractor.thresholds(
        args.entity_threshold, args.relation_threshold
    )
    found = evaluate(
        extractor,
        gold,
        entity_threshold=entity_threshold,
        relation_threshold=relation_threshold,
        head_policy=args.head_policy,
        token_budget=args.token_budget,
    )
    found |= {
        "sentences": len(gold),
        "entity_threshold": entity_threshold,
        "relation_threshold": relation_threshold,
        "skipped": dict(reading.skipped),
        "unknown_labels": sorted(labels),
    }
    if labels:
        print(
            f"pfn-kg: the model can't say {len(labels)} labels of {args.data}, such as "
            f"{min(labels)!r}; what has them counts as missed",
            file=sys.stderr,
        )
    print(json.dumps(found, ensure_ascii=False) if args.json else as_text(found))
    return 0


def as_text(found: dict[str, Any]) -> str:
    """The figures in all, in percent."""
    lines = [f"{'':24}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>10}"]
    for name, scores in (
        ("entities, strict", found["entity"]),
        ("triples, strict", found["triple"]),
        ("triples, official code", found["official"]["triple"]),
    ):
        figures = "".join(f"{100 * scores[m]:10.2f}" for m in ("precision", "recall", "f1"))
        lines.append(f"{name:24}{figures}{scores['support']:10}")
    return "\n".join(lines)
