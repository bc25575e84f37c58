"""Catalogues for tests, made of entries in memory."""

from pathlib import Path

from pfn_kg.pipeline.catalogue.records import SourceEntry, SubclassOf
from pfn_kg.pipeline.catalogue.write_catalogue import CatalogueWriter

IRI = "http://example.org/"


def entry(id_, name, *names, type="LOC", popularity=1, near=()):
    """An entry whose class is its type; `near` are the ids of related ones."""
    neighbours = tuple(IRI + one for one in near)
    return SourceEntry(IRI + id_, name, names, (type,), popularity, neighbours)


def write_catalogue(path: Path, *entries, types=("PER", "LOC")) -> str:
    """Writes a catalogue; returns its path."""
    writer = CatalogueWriter({name: name for name in types}, None)
    writer.write([SubclassOf("CITY", ("LOC",)), *entries], str(path))
    return str(path)
