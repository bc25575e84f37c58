"""Relations that data names by ids which a label schema knows, such as P69 for educated_at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pfn_kg.pfn.readers.docred import GoldDocument
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.schemas.label_schema import LabelSchema

_PROPERTY = re.compile(r"[/#](P[1-9][0-9]*)$")


def names_of_ids(label_schema: LabelSchema) -> dict[str, str]:
    """The relation of each Wikidata property id that a label schema matches exactly.

    Args:
        label_schema: with `exact_match` of its relations.
    """
    names: dict[str, str] = {}
    for relation in label_schema.relations:
        for iri in relation.exact_match:
            if match := _PROPERTY.search(iri):
                names.setdefault(match[1], relation.name)
    # What is a name already is no id.
    return {id_: name for id_, name in names.items() if id_ not in _names(label_schema)}


def with_names(reading: Reading, names: Mapping[str, str]) -> Reading:
    """A reading whose relations have names in place of ids.

    Args:
        reading: as it was read; it stays as it is.
        names: of ids; other relations keep theirs.
    """
    renamed = Reading(
        sentence._replace(triples=[(s, names.get(r, r), o) for s, r, o in sentence.triples])
        for sentence in reading
    )
    renamed.skipped = reading.skipped
    if reading.relations is not None:
        renamed.relations = frozenset(names.get(r, r) for r in reading.relations)
    renamed.listed = [[(s, names.get(r, r), o) for s, r, o in of] for of in reading.listed]
    for document in reading.documents:
        relations = document.annotated.relations
        annotated = document.annotated._replace(
            relations=None if relations is None else frozenset(names.get(r, r) for r in relations)
        )
        facts = [(s, names.get(r, r), o) for s, r, o in document.facts]
        renamed.documents.append(document._replace(facts=facts, annotated=annotated))
    return renamed


def documents_with_names(
    documents: Sequence[GoldDocument], names: Mapping[str, str]
) -> list[GoldDocument]:
    """As `with_names`, of whole documents."""
    return [
        document._replace(facts={(s, names.get(r, r), o) for s, r, o in document.facts})
        for document in documents
    ]


def _names(label_schema: LabelSchema) -> set[str]:
    return {relation.name for relation in label_schema.relations}
