"""Scores of whole documents: entities, and facts between annotated entities.

A fact is (subject, relation, object); it counts once a document, by whichever mentions it
was found. An argument stands for the annotated entity that has a mention with its borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pfn.evaluation import THRESHOLD_GRID, Counts
from pfn.extractor import Extractor
from pfn.gold import Span
from pfn.readers.records import Reading
from pfn.resolution import resolve
from schemas.records import DocumentHeads, Mention, Sentence


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
) -> list[DocumentHeads]:
    """What a model finds in the documents.

    Raises:
        Exception: what the model raised, if it could not read a sentence.
    """
    found = extractor.predict_documents(
        [d.text for d in documents],
        [d.sentences for d in documents],
        None,
        entity_floor,
        relation_floor,
        window_tokens,
    )
    for heads in found:
        for error in heads.errors.values():
            raise error
    return found


def score_documents(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    entity_threshold: float,
    relation_threshold: float,
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
            tail_triples=found.tail_triples,
        )
        entity.add({(m.begin, m.end, m.type) for m in mentions}, document.entities, 2)
        said: set[tuple[int | str, str, int | str]] = set()
        for triple in triples:
            subjects = _stands_for(mentions[triple.subject], document)
            objects = _stands_for(mentions[triple.object], document)
            possible = [(s, triple.relation, o) for s in subjects for o in objects]
            right = [f for f in possible if f in document.facts]
            said.add((right or possible)[0])
        fact.add(said, document.facts, 1)
    return {"entity": entity.scores(), "fact": fact.scores()}


def _stands_for(mention: Mention, document: AnnotatedText) -> Sequence[int | str]:
    return document.entity_at.get((mention.begin, mention.end)) or [mention.text]


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
