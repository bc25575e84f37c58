"""Evaluation: strict scores (section 5.1), and the official code's metric beside them.

Strict: an entity is right if its borders and its type are; a triple is right if its
relation and both arguments, borders and types, are. The official code counts cells
instead: a triple is right if the pair of heads and the relation are and a correct
entity begins at each head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import Any, NamedTuple

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence, Span
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.resolution import HeadPolicy, resolve_heads
from pfn_kg.schemas.records import DocumentHeads, HeadExtraction, Mention

#: Thresholds that are tried on a development set.
THRESHOLD_GRID = tuple(percent / 100 for percent in range(20, 81, 5))


class Counts:
    """True positives, predicted and gold items, by class and in all."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.predicted: Counter[str] = Counter()
        self.gold: Counter[str] = Counter()

    def add(self, predicted: set, gold: set, label: int, right: set | None = None) -> None:
        """Adds one sentence.

        Args:
            predicted: predicted items, tuples.
            gold: gold items.
            label: place of the class in a tuple.
            right: the predicted items that are right; those in `gold` by default.
        """
        self.right.update(item[label] for item in (predicted & gold if right is None else right))
        self.predicted.update(item[label] for item in predicted)
        self.gold.update(item[label] for item in gold)

    def scores(self) -> dict[str, float | int]:
        """Micro-averaged precision, recall and F1 in [0, 1], and the number of gold items."""
        return prf(self.right.total(), self.predicted.total(), self.gold.total())

    def macro(self) -> dict[str, float | int]:
        """Macro-averaged scores: the mean of each figure over the classes, as for ADE."""
        classes = self.by_class().values()
        return {
            metric: sum(scores[metric] for scores in classes) / max(1, len(classes))
            for metric in ("precision", "recall", "f1")
        } | {"support": self.gold.total()}

    def by_class(self) -> dict[str, dict[str, float | int]]:
        """The same for each class."""
        return {
            name: prf(self.right[name], self.predicted[name], self.gold[name])
            for name in sorted(self.gold.keys() | self.predicted.keys())
        }


def prf(right: int, predicted: int, gold: int) -> dict[str, float | int]:
    """Precision, recall and F1 in [0, 1]; 0 where nothing was predicted or is gold."""
    precision = right / predicted if predicted else 0.0
    recall = right / gold if gold else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1_of(precision, recall),
        "support": gold,
    }


def f1_of(precision: float, recall: float) -> float:
    """The harmonic mean of both; 0 where both are."""
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def score(
    predictions: Sequence[HeadExtraction],
    gold: Sequence[GoldSentence],
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> dict[str, Any]:
    """Scores predictions against gold sentences.

    Args:
        predictions: what was found in each sentence, at or below the thresholds.
        gold: the sentences, in the same order.
        entity_threshold: lambda_e of eq. 13.
        relation_threshold: lambda_r of eq. 13.
        head_policy: see `pfn_kg.pfn.resolution.resolve`.

    Returns:
        `entity` and `triple` (strict, micro-averaged), `macro` with both macro-averaged,
        `per_type` with both by class, and `official` with the official code's `entity` and
        `triple`; each precision, recall, f1 and support.
    """
    entity, triple, official = Counts(), Counts(), Counts()
    for found, sentence in zip(predictions, gold, strict=True):
        spans, triples = resolved(found, entity_threshold, relation_threshold, head_policy)
        entity.add(spans, sentence.entities, 2)
        triple.add(triples, sentence.triples, 1)
        correct_heads = {s[0] for s in spans if s in sentence.entities}
        cells = {(s[0], relation, o[0]) for s, relation, o in triples}
        gold_cells = {(s[0], relation, o[0]) for s, relation, o in sentence.triples}
        right = {c for c in cells & gold_cells if c[0] in correct_heads and c[2] in correct_heads}
        official.add(cells, gold_cells, 1, right)
    return {
        "entity": entity.scores(),
        "triple": triple.scores(),
        "macro": {"entity": entity.macro(), "triple": triple.macro()},
        "per_type": {"entity": entity.by_class(), "triple": triple.by_class()},
        "official": {"entity": entity.scores(), "triple": official.scores()},
    }


def resolved(
    found: HeadExtraction,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> tuple[set[Span], set[tuple[Span, str, Span]]]:
    """Entities and triples that a prediction comes to, as `GoldSentence` has them."""
    mentions, triples = resolve_heads(found, entity_threshold, relation_threshold, head_policy)
    spans = [(m.begin, m.end, m.type) for m in mentions]
    return set(spans), {(spans[t.subject], t.relation, spans[t.object]) for t in triples}


class Judged(NamedTuple):
    """Scores of what was found, and whether each is right: of mentions and of triples."""

    mentions: tuple[list[float], list[bool]]
    triples: tuple[list[float], list[bool]]

    def add(
        self,
        found: HeadExtraction | DocumentHeads,
        entities: Set[Span],
        entity_threshold: float,
        is_right: Callable[[Mention, str, Mention], bool],
    ) -> None:
        """Adds all that was found in a text, whatever its score.

        Args:
            found: in the text.
            entities: the gold ones.
            entity_threshold: triples are those between mentions that score at least this.
            is_right: whether a relation between two mentions holds.
        """
        for mention in found.mentions:
            self.mentions[0].append(mention.score)
            self.mentions[1].append((mention.begin, mention.end, mention.type) in entities)
        mentions, triples = resolve_heads(found, entity_threshold, 0.0)
        for triple in triples:
            self.triples[0].append(triple.score)
            subject, object_ = mentions[triple.subject], mentions[triple.object]
            self.triples[1].append(is_right(subject, triple.relation, object_))


def judge(
    predictions: Sequence[HeadExtraction], gold: Sequence[GoldSentence], entity_threshold: float
) -> Judged:
    """Which of all predictions are right, whatever their score.

    Args:
        predictions: what was found in each sentence.
        gold: the sentences, in the same order.
        entity_threshold: triples are those between mentions that score at least this.
    """
    judged = Judged(([], []), ([], []))
    for found, sentence in zip(predictions, gold, strict=True):
        judged.add(found, sentence.entities, entity_threshold, partial(_is_gold, sentence))
    return judged


def _is_gold(sentence: GoldSentence, subject: Mention, relation: str, object_: Mention) -> bool:
    one, other = ((m.begin, m.end, m.type) for m in (subject, object_))
    return (one, relation, other) in sentence.triples


def evaluate(
    extractor: Extractor,
    gold: Sequence[GoldSentence],
    *,
    entity_threshold: float | None = None,
    relation_threshold: float | None = None,
    head_policy: HeadPolicy = "all",
    token_budget: int | None = None,
) -> dict[str, Any]:
    """Runs a model over gold sentences and scores it; see `score`.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    entity, relation = extractor.thresholds(entity_threshold, relation_threshold)
    return score(
        predict(extractor, gold, entity, relation, token_budget),
        gold,
        entity_threshold=entity,
        relation_threshold=relation,
        head_policy=head_policy,
    )


def predict(
    extractor: Extractor,
    gold: Sequence[GoldSentence],
    entity_floor: float,
    relation_floor: float,
    token_budget: int | None = None,
) -> list[HeadExtraction]:
    """What a model finds in gold sentences' texts.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    found = []
    for result in extractor.predict_heads(
        [g.text for g in gold],
        entity_floor=entity_floor,
        relation_floor=relation_floor,
        token_budget=token_budget,
    ):
        if isinstance(result, Exception):
            raise result
        found.append(result)
    return found


def tune_thresholds(
    predictions: Sequence[HeadExtraction],
    gold: Sequence[GoldSentence],
    grid: Sequence[float] = THRESHOLD_GRID,
) -> tuple[float, float]:
    """The thresholds with the best sum of entity and triple F1 on a development set.

    Args:
        predictions: with a floor no higher than the grid's least.
        gold: the sentences.
        grid: thresholds to try.

    Returns:
        Entity threshold and relation threshold; of equals the nearest to 0.5.
    """

    def quality(thresholds: tuple[float, float]) -> tuple[float, float]:
        entity, relation = thresholds
        found = score(predictions, gold, entity_threshold=entity, relation_threshold=relation)
        distance = abs(entity - 0.5) + abs(relation - 0.5)
        return found["entity"]["f1"] + found["triple"]["f1"], -distance

    return max(((e, r) for e in grid for r in grid), key=quality)
