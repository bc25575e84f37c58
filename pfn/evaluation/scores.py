"""Evaluation: strict scores (section 5.1), and the official code's metric beside them.

Strict: an entity is right if its borders and its type are; a triple is right if its
relation and both arguments, borders and types, are. The official code counts cells
instead: a triple is right if the pair of heads and the relation are and a correct
entity begins at each head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
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
    for prediction, sentence in zip(predictions, gold, strict=True):
        spans, triples = resolved(
            prediction,
            entity_threshold=entity_threshold,
            relation_threshold=relation_threshold,
            head_policy=head_policy,
        )
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
    prediction: HeadExtraction,
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> tuple[set[Span], set[tuple[Span, str, Span]]]:
    """Entities and triples that a prediction comes to, as `GoldSentence` has them."""
    mentions, triples = resolve_heads(
        prediction,
        entity_threshold=entity_threshold,
        relation_threshold=relation_threshold,
        head_policy=head_policy,
    )
    spans = [(m.begin, m.end, m.type) for m in mentions]
    return set(spans), {(spans[t.subject], t.relation, spans[t.object]) for t in triples}


class JudgedMentions(NamedTuple):
    """Scores of mentions that were found, and whether each is right."""

    scores: list[float]
    right: list[bool]


class JudgedTriples(NamedTuple):
    """Scores of triples that were found, and whether each is right.

    Attributes:
        scores: of each.
        right: whether each holds.
        relations: of each.
        across: whether the arguments of each are in two sentences.
    """

    scores: list[float]
    right: list[bool]
    relations: list[str]
    across: list[bool]

    def extend(self, others: JudgedTriples) -> None:
        """Adds triples that were judged elsewhere."""
        self.scores.extend(others.scores)
        self.right.extend(others.right)
        self.relations.extend(others.relations)
        self.across.extend(others.across)


class Judged(NamedTuple):
    """Mentions and triples that were found, with their scores, and whether each is right."""

    mentions: JudgedMentions
    triples: JudgedTriples

    @classmethod
    def empty(cls) -> Judged:
        """Nothing was found yet."""
        return cls(JudgedMentions([], []), JudgedTriples([], [], [], []))

    def add(
        self,
        prediction: HeadExtraction | DocumentHeads,
        is_mention: Callable[[Mention], bool | None],
        is_triple: Callable[[Mention, str, Mention], bool | None],
        *,
        entity_threshold: float,
        sentence_of: Callable[[Mention], int] = lambda mention: 0,
    ) -> None:
        """Adds all that was found in a text, whatever its score.

        Args:
            prediction: in the text.
            is_mention: whether a mention is right; None: the annotation does not say.
            is_triple: whether a relation between two mentions holds; likewise.
            entity_threshold: triples are those between mentions that score at least this.
            sentence_of: the number of a mention's sentence.
        """
        for mention in prediction.mentions:
            is_right = is_mention(mention)
            if is_right is not None:
                self.mentions.scores.append(mention.score)
                self.mentions.right.append(is_right)
        mentions, triples = resolve_heads(
            prediction, entity_threshold=entity_threshold, relation_threshold=0.0
        )
        for triple in triples:
            subject, object_ = mentions[triple.subject], mentions[triple.object]
            is_right = is_triple(subject, triple.relation, object_)
            if is_right is not None:
                self.triples.scores.append(triple.score)
                self.triples.right.append(is_right)
                self.triples.relations.append(triple.relation)
                self.triples.across.append(sentence_of(subject) != sentence_of(object_))


def judge(
    predictions: Sequence[HeadExtraction], gold: Sequence[GoldSentence], entity_threshold: float
) -> Judged:
    """Which of all predictions are right, whatever their score.

    Args:
        predictions: what was found in each sentence.
        gold: the sentences, in the same order.
        entity_threshold: triples are those between mentions that score at least this.
    """
    judged = Judged.empty()
    for prediction, sentence in zip(predictions, gold, strict=True):
        entities = sentence.entities
        judged.add(
            prediction,
            lambda m, entities=entities: (m.begin, m.end, m.type) in entities,  # type: ignore[misc]
            partial(_is_gold, sentence),
            entity_threshold=entity_threshold,
        )
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
        predict(
            extractor, gold, entity_floor=entity, relation_floor=relation, token_budget=token_budget
        ),
        gold,
        entity_threshold=entity,
        relation_threshold=relation,
        head_policy=head_policy,
    )


def predict(
    extractor: Extractor,
    gold: Sequence[GoldSentence],
    *,
    entity_floor: float,
    relation_floor: float,
    token_budget: int | None = None,
) -> list[HeadExtraction]:
    """What a model finds in gold sentences' texts.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    results = []
    for result in extractor.predict_heads(
        [g.text for g in gold],
        token_budget=token_budget,
        entity_floor=entity_floor,
        relation_floor=relation_floor,
    ):
        if isinstance(result, Exception):
            raise result
        results.append(result)
    return results


def tune_thresholds(
    predictions: Sequence[HeadExtraction],
    gold: Sequence[GoldSentence],
    grid: Sequence[float] = THRESHOLD_GRID,
    entity_grid: Sequence[float] | None = None,
) -> tuple[float, float]:
    """The thresholds with the best sum of entity and triple F1 on a development set.

    Args:
        predictions: with a floor no higher than the grid's least.
        gold: the sentences.
        grid: thresholds to try.
        entity_grid: those of entities; `grid` by default.

    Returns:
        Entity threshold and relation threshold; of equals the nearest to 0.5.
    """

    def quality(thresholds: tuple[float, float]) -> tuple[float, float]:
        entity, relation = thresholds
        scores = score(predictions, gold, entity_threshold=entity, relation_threshold=relation)
        distance = abs(entity - 0.5) + abs(relation - 0.5)
        return scores["entity"]["f1"] + scores["triple"]["f1"], -distance

    return max(((e, r) for e in entity_grid or grid for r in grid), key=quality)
