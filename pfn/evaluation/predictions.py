"""The output of a model for annotated data, by sentence and by document."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pfn_kg.pfn.evaluation.annotated_texts import AnnotatedText, annotated_texts
from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.scores import predict
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.schemas.records import (
    DocumentHeads,
    HeadExtraction,
    HeadTriple,
    Sentence,
)

_Heads = TypeVar("_Heads", HeadExtraction, DocumentHeads)


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
    predictions = extractor.predict_documents(
        [d.text for d in documents],
        [d.sentences for d in documents],
        entity_floor=entity_floor,
        relation_floor=relation_floor,
        token_budget=token_budget,
        window_tokens=window_tokens,
    )
    for heads in predictions:
        for error in heads.errors.values():
            raise error
    return predictions


def sentence_heads(heads: DocumentHeads, sentences: Sequence[Sentence]) -> list[HeadExtraction]:
    """What was found in each sentence of a document; triples across sentences are left out.

    Args:
        heads: of the document.
        sentences: of the document, one after the other.

    Returns:
        One result a sentence; offsets are those of the sentence.
    """
    tails: list[HeadTriple] | None = None if heads.tail_triples is None else []
    by_sentence = [HeadExtraction([], [], 1, None if tails is None else []) for _ in sentences]
    begins = [sentence.begin for sentence in sentences]

    def place(offset: int) -> int:
        return bisect_right(begins, offset) - 1

    for mention in heads.mentions:
        number = place(mention.begin)
        begin = begins[number]
        by_sentence[number].mentions.append(
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
            of_sentence = (
                by_sentence[number].tail_triples if end else by_sentence[number].head_triples
            )
            if of_sentence is not None:
                of_sentence.append(shifted)
    return by_sentence


def _of_relations(heads: _Heads, relations: frozenset[str] | None) -> _Heads:
    """What was found, without the triples of relations that a data set does not have."""
    if relations is None:
        return heads
    of_heads = [t for t in heads.head_triples if t.relation in relations]
    of_tails = heads.tail_triples and [t for t in heads.tail_triples if t.relation in relations]
    return heads._replace(head_triples=of_heads, tail_triples=of_tails)


class Predictions(NamedTuple):
    """What a model finds in a reading.

    Attributes:
        sentences: of each sentence.
        documents: of each document, where they were read as documents.
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

    Documents that are annotated in part are read as documents by every model, since only there
    it is known which labels were annotated. Triples of relations that the data set does not have
    are left out.

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
    if not reading.documents or not (window_tokens or reading.is_partial):
        gold = [gold_sentence(sentence) for sentence in reading]
        predictions = predict(
            extractor,
            gold,
            entity_floor=entity_floor,
            relation_floor=relation_floor,
            token_budget=token_budget,
        )
        return Predictions([_of_relations(p, reading.relations) for p in predictions], [], [])
    texts = annotated_texts(reading)
    documents = predict_texts(
        extractor,
        texts,
        entity_floor=entity_floor,
        relation_floor=relation_floor,
        window_tokens=window_tokens,
        token_budget=token_budget,
    )
    documents = [_of_relations(heads, reading.relations) for heads in documents]
    sentences = [
        of_sentence
        for heads, text in zip(documents, texts, strict=True)
        for of_sentence in sentence_heads(heads, text.sentences)
    ]
    return Predictions(sentences, documents, texts)
