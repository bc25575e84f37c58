"""What the model finds in one text, as entities that are named once and facts between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.schemas.records import DocumentExtraction


class NamedEntity(NamedTuple):
    """A name of a text with its type; what an adapter makes a node of.

    Attributes:
        name: as the text spells it, with single spaces.
        type: name of the entity type.
    """

    name: str
    type: str


class NamedFact(NamedTuple):
    """A relation between two names of a text.

    Attributes:
        subject: who or what.
        relation: name of the relation.
        object: of whom or what.
        score: the best score of a triple that states it, in [0, 1].
    """

    subject: NamedEntity
    relation: str
    object: NamedEntity
    score: float


class FoundFacts(NamedTuple):
    """The entities and facts of a text.

    Attributes:
        entities: each with the best score of its mentions, in the order of the text.
        facts: each once, in the order of the text.
    """

    entities: dict[NamedEntity, float]
    facts: list[NamedFact]


def read_texts(
    extractor: Extractor,
    texts: Sequence[str],
    *,
    entity_threshold: float | None = None,
    relation_threshold: float | None = None,
) -> list[FoundFacts]:
    """Reads texts and names what is found.

    Args:
        extractor: the model.
        texts: any texts.
        entity_threshold: lambda_e of eq. 13; the model's own by default.
        relation_threshold: lambda_r of eq. 13; the model's own by default.
    """
    found = extractor.extract_documents(
        texts, entity_threshold=entity_threshold, relation_threshold=relation_threshold
    )
    return [found_facts(extraction) for extraction in found]


def found_facts(extraction: DocumentExtraction) -> FoundFacts:
    """The names and facts of what was extracted from a text."""
    named = [NamedEntity(" ".join(m.text.split()), m.type) for m in extraction.mentions]
    entities: dict[NamedEntity, float] = {}
    for entity, mention in zip(named, extraction.mentions, strict=True):
        entities[entity] = max(entities.get(entity, 0.0), float(mention.score))
    facts: dict[tuple[NamedEntity, str, NamedEntity], float] = {}
    for triple in extraction.triples:
        fact = (named[triple.subject], triple.relation, named[triple.object])
        facts[fact] = max(facts.get(fact, 0.0), float(triple.score))
    return FoundFacts(entities, [NamedFact(*fact, score) for fact, score in facts.items()])
