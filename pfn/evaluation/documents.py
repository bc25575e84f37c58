"""Scores of whole documents: entities, and facts between annotated entities.

A fact is (subject, relation, object); it counts once a document, by whichever mentions it
was found. An argument stands for the annotated entity that has a mention with its borders.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from pfn_kg.pfn.calibration import Calibration, calibration_of, reliability
from pfn_kg.pfn.evaluation.gold_spans import Span, entity_spans, gold_sentence
from pfn_kg.pfn.evaluation.scores import THRESHOLD_GRID, Counts, Judged, judge, predict, score
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.pfn.resolution import HeadPolicy, resolve_heads
from pfn_kg.schemas.job import DEFAULT_FLOOR
from pfn_kg.schemas.records import (
    DocumentHeads,
    HeadExtraction,
    HeadTriple,
    Mention,
    Sentence,
    Triple,
)

#: What an argument stands for: an annotated entity, by its number, or else something by name.
Argument: TypeAlias = int | str
#: Subject, relation and object.
Fact: TypeAlias = tuple[Argument, str, Argument]


class AnnotatedText(NamedTuple):
    """The text of a document with its annotation.

    Attributes:
        text: all sentences with a space between any two.
        sentences: their places in the text.
        entities: (begin, end, type) of all mentions.
        entity_at: of each (begin, end) the entities that have a mention there.
        facts: (subject, relation, object), subject and object being entities' numbers.
    """

    text: str
    sentences: list[Sentence]
    entities: set[Span]
    entity_at: dict[tuple[int, int], list[int]]
    facts: set[Fact]


def annotated_texts(reading: Reading) -> list[AnnotatedText]:
    """The documents of a reading as texts."""
    found = []
    for document in reading.documents:
        sentences: list[Sentence] = []
        spans: list[list[Span]] = []
        begin = 0
        for number in range(document.begin, document.end):
            annotated = reading[number]
            sentences.append(Sentence(len(sentences), begin, begin + len(annotated.text)))
            spans.append([(b + begin, e + begin, t) for b, e, t in entity_spans(annotated)])
            begin += len(annotated.text) + 1
        entity_at: dict[tuple[int, int], list[int]] = {}
        for cluster, mentions in enumerate(document.clusters):
            for place in dict.fromkeys(spans[s][i][:2] for s, i in mentions):
                entity_at.setdefault(place, []).append(cluster)
        found.append(
            AnnotatedText(
                " ".join(reading[n].text for n in range(document.begin, document.end)),
                sentences,
                {span for of_sentence in spans for span in of_sentence},
                entity_at,
                set(document.facts),
            )
        )
    return found


def predict_texts(
    extractor: Extractor,
    documents: Sequence[AnnotatedText],
    *,
    entity_floor: float,
    relation_floor: float,
    token_budget: int | None = None,
    window_tokens: int | None = None,
) -> list[DocumentHeads]:
    """What a model finds in the documents.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    found = extractor.predict_documents(
        [d.text for d in documents],
        [d.sentences for d in documents],
        entity_floor=entity_floor,
        relation_floor=relation_floor,
        token_budget=token_budget,
        window_tokens=window_tokens,
    )
    for heads in found:
        for error in heads.errors.values():
            raise error
    return found


def sentence_heads(heads: DocumentHeads, sentences: Sequence[Sentence]) -> list[HeadExtraction]:
    """What was found in each sentence of a document; triples across sentences are left out.

    Args:
        heads: of the document.
        sentences: of the document, one after the other.

    Returns:
        One result a sentence; offsets are those of the sentence.
    """
    tails: list[HeadTriple] | None = None if heads.tail_triples is None else []
    found = [HeadExtraction([], [], 1, None if tails is None else []) for _ in sentences]
    begins = [sentence.begin for sentence in sentences]

    def place(offset: int) -> int:
        return bisect_right(begins, offset) - 1

    for mention in heads.mentions:
        number = place(mention.begin)
        begin = begins[number]
        found[number].mentions.append(
            mention._replace(begin=mention.begin - begin, end=mention.end - begin)
        )
    for end, triples in enumerate((heads.head_triples, heads.tail_triples or [])):
        for triple in triples:
            # The end of a mention may be where the next sentence begins.
            number = place(triple.subject - end)
            if place(triple.object - end) != number:
                continue
            shifted = triple._replace(
                subject=triple.subject - begins[number], object=triple.object - begins[number]
            )
            of_sentence = found[number].tail_triples if end else found[number].head_triples
            if of_sentence is not None:
                of_sentence.append(shifted)
    return found


class Predictions(NamedTuple):
    """What a model finds in a reading.

    Attributes:
        sentences: of each sentence.
        documents: of each document, where they were read in windows.
        texts: the documents that were read; empty where sentences were.
    """

    sentences: list[HeadExtraction]
    documents: list[DocumentHeads]
    texts: list[AnnotatedText]


def predict_reading(
    extractor: Extractor,
    reading: Reading,
    *,
    entity_floor: float,
    relation_floor: float,
    token_budget: int | None = None,
    window_tokens: int | None = None,
) -> Predictions:
    """Reads annotated sentences, in windows if the model does so and the data has documents.

    Args:
        extractor: the model.
        reading: the sentences.
        entity_floor: least score of a mention.
        relation_floor: least score of a head triple.
        token_budget: as in `Extractor.predict_documents`.
        window_tokens: likewise; 0 reads sentence by sentence.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    if window_tokens is None:
        window_tokens = extractor.config.window_tokens
    if not window_tokens or not reading.documents:
        gold = [gold_sentence(sentence) for sentence in reading]
        found = predict(extractor, gold, entity_floor, relation_floor, token_budget)
        return Predictions(found, [], [])
    texts = annotated_texts(reading)
    documents = predict_texts(
        extractor,
        texts,
        entity_floor=entity_floor,
        relation_floor=relation_floor,
        token_budget=token_budget,
        window_tokens=window_tokens,
    )
    sentences = [
        found
        for heads, text in zip(documents, texts, strict=True)
        for found in sentence_heads(heads, text.sentences)
    ]
    return Predictions(sentences, documents, texts)


def score_reading(
    predictions: Predictions,
    reading: Reading,
    *,
    entity_threshold: float,
    relation_threshold: float,
    fact_calibration: Calibration,
    head_policy: HeadPolicy = "all",
) -> dict[str, Any]:
    """Scores of sentences, of facts where documents were read, and how reliable scores are.

    Returns:
        As `pfn_kg.pfn.evaluation.scores.score`, with `fact`, and with `calibration`: of `entity`
        and `triple` the `error` and the `bins` of `pfn_kg.pfn.calibration.reliability`, over all
        that scores at least the floors, and of `fact` over the facts that are said.
    """
    gold = [gold_sentence(sentence) for sentence in reading]
    found = score(
        predictions.sentences,
        gold,
        entity_threshold=entity_threshold,
        relation_threshold=relation_threshold,
        head_policy=head_policy,
    )
    if predictions.texts:
        judged = judge_documents(predictions.documents, predictions.texts, entity_threshold)
        scores = score_documents(
            predictions.documents,
            predictions.texts,
            entity_threshold,
            relation_threshold,
            head_policy,
        )
        found["fact"] = scores["fact"]
    else:
        judged = judge(predictions.sentences, gold, entity_threshold)
    judgements = {"entity": judged.mentions, "triple": judged.triples}
    if predictions.texts:
        thresholds = entity_threshold, relation_threshold
        judgements["fact"] = judge_facts(
            predictions.documents, predictions.texts, thresholds, fact_calibration
        )
    found["calibration"] = {
        name: reliability(*items)._asdict() for name, items in judgements.items()
    }
    return found


def evaluate_reading(extractor: Extractor, reading: Reading) -> dict[str, Any]:
    """Reads annotated sentences and scores what was found, at the model's own thresholds.

    Returns:
        As `score_reading`.
    """
    entity, relation = extractor.thresholds(None, None)
    predictions = predict_reading(
        extractor,
        reading,
        entity_floor=min(entity, DEFAULT_FLOOR),
        relation_floor=min(relation, DEFAULT_FLOOR),
    )
    return score_reading(
        predictions,
        reading,
        entity_threshold=entity,
        relation_threshold=relation,
        fact_calibration=calibration_of(extractor.config.calibration, "fact"),
    )


def score_documents(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> dict[str, Any]:
    """Scores predictions against documents.

    Returns:
        `entity` (strict, micro-averaged) and `fact`, each precision, recall, f1 and support.
    """
    entity, fact = Counts(), Counts()
    for found, document in zip(predictions, documents, strict=True):
        mentions, triples = resolve_heads(found, entity_threshold, relation_threshold, head_policy)
        entity.add({(m.begin, m.end, m.type) for m in mentions}, document.entities, 2)
        fact.add(set(_said(document, mentions, triples)), document.facts, 1)
    return {"entity": entity.scores(), "fact": fact.scores()}


def judge_documents(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    entity_threshold: float,
) -> Judged:
    """Which of all predictions are right; a triple is if it says a fact of the document."""
    judged = Judged(([], []), ([], []))
    for found, document in zip(predictions, documents, strict=True):
        judged.add(found, document.entities, entity_threshold, partial(_is_fact, document))
    return judged


def judge_facts(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    thresholds: tuple[float, float],
    calibration: Calibration,
) -> tuple[list[float], list[bool]]:
    """Scores of the facts that are said of documents, and whether each is right.

    Args:
        predictions: what was found in each document.
        documents: the documents, in the same order.
        thresholds: least score of a mention and of a triple.
        calibration: of the score of a fact, which is that of its best triple.
    """
    scores: list[float] = []
    right: list[bool] = []
    for found, document in zip(predictions, documents, strict=True):
        said = _said(document, *resolve_heads(found, *thresholds))
        scores += said.values()
        right += [fact in document.facts for fact in said]
    return calibration.of_scores(np.array(scores)).tolist(), right


def _is_fact(document: AnnotatedText, subject: Mention, relation: str, object_: Mention) -> bool:
    return _fact(document, subject, relation, object_) in document.facts


def _said(
    document: AnnotatedText, mentions: Sequence[Mention], triples: Sequence[Triple]
) -> dict[Fact, float]:
    """The facts that triples say of a document, each with the score of its best triple."""
    best: dict[Fact, float] = {}
    for t in triples:
        fact = _fact(document, mentions[t.subject], t.relation, mentions[t.object])
        best[fact] = max(best.get(fact, 0.0), t.score)
    return best


def _fact(document: AnnotatedText, subject: Mention, relation: str, object_: Mention) -> Fact:
    """The fact that is said of two mentions."""

    def stands_for(mention: Mention) -> Sequence[Argument]:
        return document.entity_at.get((mention.begin, mention.end)) or [mention.text]

    return fact_between(stands_for(subject), relation, stands_for(object_), document.facts)


def fact_between(
    subjects: Sequence[Argument], relation: str, objects: Sequence[Argument], facts: Set[Fact]
) -> Fact:
    """The fact that a triple says.

    Args:
        subjects: what its subject may stand for, at least one.
        relation: of the triple.
        objects: what its object may stand for, at least one.
        facts: the gold ones: should two entities share a mention, the one that makes it right is
            meant.
    """
    possible = [(subject, relation, object_) for subject in subjects for object_ in objects]
    return next((fact for fact in possible if fact in facts), possible[0])


def tune_document_thresholds(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    grid: Sequence[float] = THRESHOLD_GRID,
) -> tuple[float, float]:
    """The thresholds with the best entity F1, and then with the best fact F1.

    Args:
        predictions: with a floor no higher than the grid's least.
        documents: the documents.
        grid: thresholds to try.

    Returns:
        Entity threshold and relation threshold; of equals the nearest to 0.5.
    """

    def quality(entity: float, relation: float, of: str, chosen: float) -> tuple[float, float]:
        found = score_documents(predictions, documents, entity, relation)
        return found[of]["f1"], -abs(chosen - 0.5)

    entity = max(grid, key=lambda e: quality(e, 1.0, "entity", e))
    relation = max(grid, key=lambda r: quality(entity, r, "fact", r))
    return entity, relation
