"""Gold annotation as typed spans of characters, for scoring."""

from __future__ import annotations

from typing import NamedTuple

from pfn_kg.pfn.readers.records import AnnotatedSentence

Span = tuple[int, int, str]


class GoldSentence(NamedTuple):
    """What is to be found in a text.

    Attributes:
        text: the sentence.
        entities: (begin, end, type) in characters.
        triples: (subject entity, relation, object entity).
    """

    text: str
    entities: set[Span]
    triples: set[tuple[Span, str, Span]]


def entity_spans(sentence: AnnotatedSentence) -> list[Span]:
    """The entities of a sentence, in their order, as typed spans of characters."""
    offsets = sentence.token_offsets
    return [(offsets[b][0], offsets[e - 1][1], type_) for b, e, type_ in sentence.entities]


def gold_sentence(sentence: AnnotatedSentence) -> GoldSentence:
    """The annotation of a sentence as typed spans of characters."""
    spans = entity_spans(sentence)
    return GoldSentence(
        sentence.text, set(spans), {(spans[s], r, spans[o]) for s, r, o in sentence.triples}
    )
