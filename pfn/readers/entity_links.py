"""Reads which entities of annotated documents are one thing: their ids in a catalogue.

The format is that of Linked-Re-DocRED (Genest et al., Linked-DocRED: Enhancing DocRED with
Entity-Linking to Evaluate End-to-End Document-Level Information Extraction, SIGIR 2023), cut down
to the links: a JSON list of documents with a `title` and, for each entity of the document's
`vertexSet` in order, an object whose `wikidata` is the id. Null in the place of the object, or of
the id, says that the entity has no id that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfn_kg.pfn.readers.docred import GoldDocument
from pfn_kg.pfn.readers.files import StrictRecord, read_records
from pfn_kg.schemas.errors import ConfigurationError


class _Link(StrictRecord):
    wikidata: str | None = None


class _LinkedDocument(StrictRecord):
    title: str
    entities: list[_Link | None]


def read_entity_links(
    path: str | Path, documents: Sequence[GoldDocument]
) -> dict[int, list[str | None]]:
    """Reads the ids of the entities of documents.

    Args:
        path: a JSON list, or JSON lines.
        documents: whose entities have ids; a document and its record have one title.

    Returns:
        By position of the document, the id of each of its clusters. Documents of which the file
        has no record are left out.

    Raises:
        ConfigurationError: if the file is wrong, has a title twice or none of the documents, or if
            the number of entities differs; names file, record and field.
    """
    by_title: dict[str, list[int]] = {}
    for number, document in enumerate(documents):
        by_title.setdefault(document.title, []).append(number)
    links: dict[int, list[str | None]] = {}
    seen: set[str] = set()
    for place, record in read_records(path, _LinkedDocument):
        if record.title in seen:
            raise ConfigurationError(f"{place}: field title: {record.title!r} is there twice")
        seen.add(record.title)
        numbers = by_title.get(record.title, [])
        if len(numbers) > 1:
            raise ConfigurationError(
                f"{place}: field title: {len(numbers)} documents have the title {record.title!r}"
            )
        for number in numbers:
            expected = len(documents[number].clusters)
            if len(record.entities) != expected:
                raise ConfigurationError(
                    f"{place}: field entities: {len(record.entities)} are there, and the document "
                    f"has {expected}"
                )
            links[number] = [None if link is None else link.wikidata for link in record.entities]
    if not links:
        raise ConfigurationError(f"{path}: has the title of none of the documents")
    return links
