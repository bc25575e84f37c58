"""Scores of whole documents: entities, and facts between annotated entities.

A fact is (subject, relation, object); it counts once a document, by whichever mentions it
was found. An argument stands for the annotated entity that has a mention with its borders.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from pfn.calibration import reliability
from pfn.evaluation import THRESHOLD_GRID, Counts, Judged, judge, predict, score
from pfn.extractor import Extractor
from pfn.gold import Span, gold_sentence
from pfn.readers.records import Reading
from pfn.resolution import HeadPolicy, resolve
from schemas.job import DEFAULT_FLOOR
from schemas.records import (
    DocumentHeads,
    HeadExtraction,
    HeadTriple,
    Mention,
    Sentence,
    Triple,
)


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
    facts: set[tuple[int, str, int]]


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
            offsets = annotated.token_offsets
            spans.append(
                [
                    (offsets[first][0] + begin, offsets[last - 1][1] + begin, type_)
                    for first, last, type_ in annotated.entities
                ]
            )
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
    entity_floor: float,
    relation_floor: float,
    window_tokens: int | None = None,
    token_budget: int | None = None,
) -> list[DocumentHeads]:
    """What a model finds in the documents.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    found = extractor.predict_documents(
        [d.text for d in documents],
        [d.sentences for d in documents],
        token_budget,
        entity_floor,
        relation_floor,
        window_tokens,
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
        extractor, texts, entity_floor, relation_floor, window_tokens, token_budget
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
    head_policy: HeadPolicy = "all",
) -> dict[str, Any]:
    """Scores of sentences, of facts where documents were read, and how reliable scores are.

    Returns:
        As `pfn.evaluation.score`, with `fact`, and with `calibration`: of `entity` and `triple`
        the `error` and the `bins` of `pfn.calibration.reliability`, over all that scores at
        least the floors.
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
    found["calibration"] = {
        name: reliability(*items)._asdict()
        for name, items in (("entity", judged.mentions), ("triple", judged.triples))
    }
    return found


def evaluate_reading(extractor: Extractor, reading: Reading) -> dict[str, Any]:
    """Reads annotated sentences and scores what was found, at the model's own thresholds.

    Returns:
        As `score_reading`.
    """
    entity, relation = extractor.thresholds(None, None)
    floors = min(entity, DEFAULT_FLOOR), min(relation, DEFAULT_FLOOR)
    predictions = predict_reading(extractor, reading, *floors)
    return score_reading(predictions, reading, entity_threshold=entity, relation_threshold=relation)


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
        mentions, triples = resolve(
            found.mentions,
            found.head_triples,
            entity_threshold=entity_threshold,
            relation_threshold=relation_threshold,
            head_policy=head_policy,
            tail_triples=found.tail_triples,
        )
        entity.add({(m.begin, m.end, m.type) for m in mentions}, document.entities, 2)
        fact.add({_fact(t, mentions, document) for t in triples}, set(document.facts), 1)
    return {"entity": entity.scores(), "fact": fact.scores()}


def judge_documents(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    entity_threshold: float,
) -> Judged:
    """Which of all predictions are right; a triple is if it says a fact of the document."""
    judged = Judged(([], []), ([], []))
    for found, document in zip(predictions, documents, strict=True):
        for mention in found.mentions:
            judged.mentions[0].append(mention.score)
            judged.mentions[1].append(
                (mention.begin, mention.end, mention.type) in document.entities
            )
        mentions, triples = resolve(
            found.mentions,
            found.head_triples,
            entity_threshold=entity_threshold,
            relation_threshold=0.0,
            tail_triples=found.tail_triples,
        )
        for triple in triples:
            judged.triples[0].append(triple.score)
            judged.triples[1].append(_fact(triple, mentions, document) in document.facts)
    return judged


def _fact(
    triple: Triple, mentions: Sequence[Mention], document: AnnotatedText
) -> tuple[int | str, str, int | str]:
    """The fact that a triple says; one of the document, should its mentions be of several."""

    def stands_for(mention: Mention) -> Sequence[int | str]:
        return document.entity_at.get((mention.begin, mention.end)) or [mention.text]

    subjects, objects = (stands_for(mentions[i]) for i in (triple.subject, triple.object))
    possible = [(s, triple.relation, o) for s in subjects for o in objects]
    return next((f for f in possible if f in document.facts), possible[0])


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
