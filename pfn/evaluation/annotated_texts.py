"""Annotated documents as texts, and the facts that triples state about them.

A fact is (subject, relation, object). An argument stands for the annotated entity that has a
mention with its borders.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set
from typing import NamedTuple, TypeAlias

from pfn_kg.pfn.evaluation.gold_spans import Span, entity_spans
from pfn_kg.pfn.readers.records import Annotated, Reading
from pfn_kg.schemas.records import (
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
        annotated: which labels were annotated.
        unasked: facts of which the annotation does not say whether they hold.
    """

    text: str
    sentences: list[Sentence]
    entities: set[Span]
    entity_at: dict[tuple[int, int], list[int]]
    facts: set[Fact]
    annotated: Annotated = Annotated()
    unasked: frozenset[Fact] = frozenset()

    def sentence_of(self, mention: Mention) -> int:
        """The number of the sentence that a mention begins in."""
        return bisect_right(self.sentences, mention.begin, key=lambda s: s.begin) - 1

    def is_mention(self, mention: Mention) -> bool | None:
        """Whether a mention is annotated; None: mentions of its type were not."""
        if (mention.begin, mention.end, mention.type) in self.entities:
            return True
        types = self.annotated.entity_types
        return False if types is None or mention.type in types else None

    def is_fact(self, subject: Mention, relation: str, object_: Mention) -> bool | None:
        """Whether a relation between two mentions holds; None: the annotation does not say."""
        fact = fact_said(self, subject, relation, object_)
        return fact in self.facts if self.is_known(fact) else None

    def is_known(self, fact: Fact) -> bool:
        """Whether the annotation says if a fact holds."""
        if fact in self.facts:
            return True
        if fact in self.unasked:
            return False
        subject, relation, object_ = fact
        relations = self.annotated.relations
        if relations is not None and relation not in relations:
            return False
        # An argument with a name instead of a number is no annotated entity.
        is_between_entities = isinstance(subject, int) and isinstance(object_, int)
        return is_between_entities or not self.annotated.between_mentions


def annotated_texts(reading: Reading) -> list[AnnotatedText]:
    """The documents of a reading as texts."""
    texts = []
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
        texts.append(
            AnnotatedText(
                " ".join(reading[n].text for n in range(document.begin, document.end)),
                sentences,
                {span for of_sentence in spans for span in of_sentence},
                entity_at,
                set(document.facts),
                document.annotated,
            )
        )
    return texts


def said_facts(
    document: AnnotatedText, mentions: Sequence[Mention], triples: Sequence[Triple]
) -> dict[Fact, float]:
    """The facts that triples say of a document, each with the score of its best triple."""
    best: dict[Fact, float] = {}
    for t in triples:
        fact = fact_said(document, mentions[t.subject], t.relation, mentions[t.object])
        best[fact] = max(best.get(fact, 0.0), t.score)
    return best


def facts_by_place(
    document: AnnotatedText, mentions: Sequence[Mention], triples: Sequence[Triple]
) -> dict[Fact, bool]:
    """The facts that triples say of a document, and whether one sentence says each by itself."""
    inside: dict[Fact, bool] = {}
    for t in triples:
        subject, object_ = mentions[t.subject], mentions[t.object]
        fact = fact_said(document, subject, t.relation, object_)
        inside[fact] = inside.get(fact, False) or (
            document.sentence_of(subject) == document.sentence_of(object_)
        )
    return inside


def fact_said(document: AnnotatedText, subject: Mention, relation: str, object_: Mention) -> Fact:
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
