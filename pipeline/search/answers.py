"""What a search finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FoundEntity:
    """An entity that the question names.

    Attributes:
        entity_id: of the entity.
        name: its main name, whichever name the question has.
        type: its type.
    """

    entity_id: str
    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class FoundFact:
    """A fact that led to a sentence.

    Attributes:
        relation_id: of the fact.
        subject: name of the subject.
        predicate: the relation.
        object: name of the object.
        subject_id: its entity_id.
        object_id: its entity_id.
        confidence: of the fact.
        stated: whether the sentence is evidence of the fact; else it names one of its ends.
    """

    relation_id: str
    subject: str
    predicate: str
    object: str
    subject_id: str
    object_id: str
    confidence: float
    stated: bool


@dataclass(frozen=True, kw_only=True)
class FoundSentence:
    """A sentence; offsets are code points of the document's text.

    Attributes:
        text: the sentence; whole sentences where the graph holds no table of them.
        document_id: of its document.
        title: of its document.
        sentence_index: its number in the document; None where the graph holds no sentences.
        begin: where it begins in the document.
        end: where it ends.
        score: the sum of its scores by words, graph and vectors, each a share of the best one.
        facts: those that led there, the strongest first.
    """

    text: str
    document_id: str
    title: str | None
    sentence_index: int | None
    begin: int
    end: int
    score: float
    facts: tuple[FoundFact, ...]


@dataclass(frozen=True, kw_only=True)
class FoundDocument:
    """A document.

    Attributes:
        document_id: of the document.
        title: of the document.
        score: the sum of its scores by words, graph and vectors, each a share of the best one.
    """

    document_id: str
    title: str | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """The answer to a question.

    Attributes:
        question: as it was asked.
        entities: those that it names.
        sentences: the best ones, the best first.
        documents: the best ones, the best first; they are ranked by all of their sentences.
        complete: whether all sentences were searched. A graph that was built without
            its sentences holds only those that are evidence of a fact.
    """

    question: str
    entities: tuple[FoundEntity, ...]
    sentences: tuple[FoundSentence, ...]
    documents: tuple[FoundDocument, ...]
    complete: bool
