"""How well a model reads news: entities, facts, and whether scores are probabilities.

    python -m benchmarks.news
    python -m benchmarks.news --model DIR --part B --relations
    python -m benchmarks.news --relation-thresholds 0.5 0.6 0.7 0.8

The news items of news.yaml are invented, so no model has seen their names. Part A is for choosing
among models, part B for the last figure. A text is read as it is printed.

- Entities: F1 by exact borders and type, and F1 of people, organisations and places where a mention
  is found if one of its type overlaps it.
- Facts: recall over the facts that a text states, and precision over all facts that the model
  states at its thresholds. An argument stands for the annotated entity that it overlaps most. What
  is true without being stated counts neither way (`also` in news.yaml, and what follows from it).
- Calibration: the expected calibration error in ten bins, as `pfn-kg evaluate` prints it, and
  beside it that of a model whose scores are probabilities exactly, on as few items.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.news_items import PARTS, NewsItem, Span, news_items, same, shipped_schema
from pfn_kg import Extractor
from pfn_kg.pfn.calibration import Calibration, calibration_of, reliability
from pfn_kg.pfn.evaluation.annotated_texts import AnnotatedText, said_facts
from pfn_kg.pfn.evaluation.documents import judge_documents, judge_facts
from pfn_kg.pfn.evaluation.predictions import predict_texts
from pfn_kg.pfn.evaluation.scores import f1_of, prf
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.resolution import resolve_heads
from pfn_kg.schemas.choices import DEFAULT_FLOOR
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.records import DocumentHeads, Mention

_NAMED = ("PER", "ORG", "LOC")
_DRAWS = 200


class Calibrated(NamedTuple):
    """How far scores are from probabilities.

    Attributes:
        error: the expected calibration error.
        least: that of exact probabilities, on average over draws of the same scores.
        items: how many scores there are.
    """

    error: float
    least: float
    items: int

    @classmethod
    def of(cls, scores: Sequence[float], right: Sequence[bool]) -> Calibrated:
        """The error of scores, given which items are right."""
        rng = np.random.default_rng(1)
        drawn = rng.random((_DRAWS, len(scores))) < np.array(scores)
        least = np.mean([reliability(scores, row.tolist()).error for row in drawn])
        return cls(reliability(scores, right).error, float(least), len(scores))

    def __str__(self) -> str:
        return f"{self.error:.3f} ({self.least:.3f} at best, {self.items} items)"


class Figures(NamedTuple):
    """What a model reads of news.

    Attributes:
        entities: precision, recall, f1 and support, by exact borders and type.
        named: the same of people, organisations and places, by overlap.
        stated: of each relation, how many facts the texts state.
        found: how many of these the model finds.
        right: of each relation, how many facts the model states that are right.
        wrong: how many that are wrong.
        unasked: how many that are neither.
        calibration: of entities, triples and facts.
    """

    entities: dict[str, float | int]
    named: dict[str, float | int]
    stated: Counter[str]
    found: Counter[str]
    right: Counter[str]
    wrong: Counter[str]
    unasked: Counter[str]
    calibration: dict[str, Calibrated]

    def __str__(self) -> str:
        lines = [
            f"entities, exact: {_percent(self.entities)}",
            f"people, organisations and places, by overlap: {_percent(self.named)}",
            f"facts: {self.of_facts()}",
        ]
        lines += [f"calibration error of {name}: {c}" for name, c in self.calibration.items()]
        return "\n".join(lines)

    def of_facts(self) -> str:
        """Recall and precision of facts."""
        stated, judged = self.stated.total(), self.right + self.wrong
        recall = 100 * self.found.total() / max(stated, 1)
        precision = 100 * self.right.total() / max(judged.total(), 1)
        return (
            f"recall {recall:.1f} % of {stated}, precision {precision:.1f} % of {judged.total()}; "
            f"{self.unasked.total()} more are neither stated nor wrong"
        )

    def by_relation(self) -> str:
        """A line for each relation, the most frequent first."""
        names = sorted(
            self.stated | self.right | self.wrong, key=lambda name: (-self.stated[name], name)
        )
        rows = [
            f"{name:<50} {self.stated[name]:>6} {self.found[name]:>6} {self.right[name]:>6}"
            f" {self.wrong[name]:>6}"
            for name in names
        ]
        head = f"{'relation':<50} {'stated':>6} {'found':>6} {'right':>6} {'wrong':>6}"
        return "\n".join((head, *rows))


def _percent(scores: dict[str, float | int]) -> str:
    precision, recall, f1 = (100 * scores[name] for name in ("precision", "recall", "f1"))
    return f"F1 {f1:.1f} % (precision {precision:.1f} %, recall {recall:.1f} %)"


def annotated_text(item: NewsItem) -> AnnotatedText:
    """An item as evaluation reads it; entities are numbered in the order of their keys."""
    numbers = _numbers(item)
    right, unasked = (
        {(numbers[s], r, numbers[o]) for s, r, o in facts} for facts in (item.right, item.unasked)
    )
    return AnnotatedText(
        item.text,
        split_sentences(item.text),
        {(span.begin, span.end, span.type) for span in item.spans},
        {(span.begin, span.end): [numbers[span.entity]] for span in item.spans},
        right,
        unasked=frozenset(unasked),
    )


def _numbers(item: NewsItem) -> dict[str, int]:
    return {key: n for n, key in enumerate(sorted({span.entity for span in item.spans}))}


def by_overlap(document: AnnotatedText, item: NewsItem, found: Sequence[Mention]) -> AnnotatedText:
    """A document in which each found mention stands for the entity that it overlaps most."""
    entity_at = dict(document.entity_at)
    for mention in found:
        overlap, nearest = max(
            ((min(mention.end, s.end) - max(mention.begin, s.begin), s) for s in item.spans),
            key=lambda pair: pair[0],
        )
        if overlap > 0:
            entity_at.setdefault(
                (mention.begin, mention.end), document.entity_at[nearest.begin, nearest.end]
            )
    return document._replace(entity_at=entity_at)


def _overlapping(found: Sequence[Mention], spans: Sequence[Span]) -> tuple[int, int, int, int]:
    """Found mentions that overlap a gold one of their type, and their number; the same of gold."""
    ours = [m for m in found if m.type in _NAMED]
    gold = [s for s in spans if s.type in _NAMED]

    def is_met(one: Mention | Span, others: Sequence[Mention | Span]) -> bool:
        return any(one.type == o.type and one.begin < o.end and o.begin < one.end for o in others)

    met, found_gold = sum(is_met(m, gold) for m in ours), sum(is_met(s, ours) for s in gold)
    return met, len(ours), found_gold, len(gold)


def measure(
    extractor: Extractor,
    items: Sequence[NewsItem],
    window_tokens: int | None = None,
    relation_thresholds: Sequence[float] = (),
) -> list[Figures]:
    """Reads the items and counts.

    Args:
        extractor: the model.
        items: what it reads.
        window_tokens: as in `Extractor.predict_documents`.
        relation_thresholds: least scores of a triple to count at, besides the model's own.

    Returns:
        The figures at the model's own threshold, then those at the others.
    """
    entity, relation = extractor.thresholds(None, None)
    heads = predict_texts(
        extractor,
        [annotated_text(item) for item in items],
        entity_floor=min(entity, DEFAULT_FLOOR),
        relation_floor=min(relation, DEFAULT_FLOOR, *relation_thresholds),
        window_tokens=window_tokens,
    )
    return [
        figures(
            items,
            heads,
            thresholds=(entity, threshold),
            fact_calibration=calibration_of(extractor.config.calibration, "fact"),
            schema=shipped_schema(),
        )
        for threshold in (relation, *relation_thresholds)
    ]


def figures(
    items: Sequence[NewsItem],
    heads: Sequence[DocumentHeads],
    *,
    thresholds: tuple[float, float],
    fact_calibration: Calibration,
    schema: LabelSchema,
) -> Figures:
    """Counts what was found.

    Args:
        items: the items.
        heads: what was found in each.
        thresholds: least score of a mention and of a triple.
        fact_calibration: of the score of a fact.
        schema: says which relations are inverse or symmetric.
    """
    entity, relation = thresholds
    exact, overlaps = np.zeros(3, dtype=int), np.zeros(4, dtype=int)
    stated, found, right, wrong, unasked = (Counter[str]() for _ in range(5))
    documents = []
    for item, of_item in zip(items, heads, strict=True):
        document = by_overlap(annotated_text(item), item, of_item.mentions)
        documents.append(document)
        mentions, triples = resolve_heads(
            of_item, entity_threshold=entity, relation_threshold=relation
        )
        spans = {(m.begin, m.end, m.type) for m in mentions}
        exact += len(spans & document.entities), len(spans), len(document.entities)
        overlaps += _overlapping(mentions, item.spans)
        said = set(said_facts(document, mentions, triples))
        numbers = _numbers(item)
        for fact in item.facts:
            stated[fact[1]] += 1
            found[fact[1]] += any(
                (numbers[s], r, numbers[o]) in said for s, r, o in same(fact, schema)
            )
        for fact in said:
            kind = right if fact in document.facts else wrong
            (kind if document.is_known(fact) else unasked)[fact[1]] += 1
    judged = judge_documents(heads, documents, entity)
    facts = judge_facts(heads, documents, thresholds=thresholds, calibration=fact_calibration)
    met, ours, found_gold, gold = overlaps.tolist()
    precision, recall = met / max(ours, 1), found_gold / max(gold, 1)
    return Figures(
        prf(*exact.tolist()),
        {"precision": precision, "recall": recall, "f1": f1_of(precision, recall), "support": gold},
        stated,
        found,
        right,
        wrong,
        unasked,
        {
            "entities": Calibrated.of(*judged.mentions),
            "triples": Calibrated.of(*judged.triples[:2]),
            "facts": Calibrated.of(*facts),
        },
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--part", choices=PARTS, default="A", help="default: A")
    parser.add_argument("--window-tokens", type=int, metavar="N", help="default: the model's own")
    parser.add_argument("--relations", action="store_true", help="print each relation's counts")
    parser.add_argument(
        "--relation-thresholds", type=float, nargs="+", default=[], metavar="SCORE",
        help="print recall and precision of facts at these thresholds too",
    )  # fmt: skip
    args = parser.parse_args(argv)
    extractor = Extractor.from_pretrained(*([args.model] if args.model else []), device="cpu")
    items = news_items(args.part, shipped_schema())
    own, *others = measure(extractor, items, args.window_tokens, args.relation_thresholds)
    print(f"part {args.part}, {len(items)} items")
    print(own)
    for threshold, figures in zip(args.relation_thresholds, others, strict=True):
        print(f"facts from {threshold:g} on: {figures.of_facts()}")
    if args.relations:
        print(own.by_relation())


if __name__ == "__main__":
    main()
