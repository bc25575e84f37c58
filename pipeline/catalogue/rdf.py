"""Turtle, N-Triples or RDF/XML of people's own: things with names in the usual vocabularies.

The file goes into a store on disk first, since statements of one thing may stand anywhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby

import pyoxigraph as ox

from pfn_kg.pipeline.catalogue.records import Record, SourceEntry, SubclassOf, open_source
from pfn_kg.schemas.errors import ConfigurationError

#: The format by the end of a file's name, without that of a compression.
FORMATS = {
    ".ttl": ox.RdfFormat.TURTLE,
    ".turtle": ox.RdfFormat.TURTLE,
    ".nt": ox.RdfFormat.N_TRIPLES,
    ".rdf": ox.RdfFormat.RDF_XML,
    ".owl": ox.RdfFormat.RDF_XML,
}
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_SKOS = "http://www.w3.org/2004/02/skos/core#"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_SUBCLASS_OF = f"{_RDFS}subClassOf"
# Those of a preferred name first.
_NAMES = (
    f"{_SKOS}prefLabel",
    f"{_RDFS}label",
    "https://schema.org/name",
    "http://schema.org/name",
    "http://xmlns.com/foaf/0.1/name",
    f"{_SKOS}altLabel",
    f"{_SKOS}hiddenLabel",
    "https://schema.org/alternateName",
    "http://schema.org/alternateName",
)
# What says the same of other IRIs relates nothing.
_NO_RELATION = (_TYPE, _SUBCLASS_OF, f"{_RDFS}isDefinedBy", f"{_RDFS}seeAlso")


def rdf_format(path: str) -> ox.RdfFormat | None:
    """The format that a file's name says; None if it says none."""
    name = path.lower().removesuffix(".gz").removesuffix(".bz2")
    return next((format_ for end, format_ in FORMATS.items() if name.endswith(end)), None)


def read_rdf(path: str, languages: Sequence[str]) -> Iterator[Record]:
    """The named things of a file. How many others a thing is related to is its popularity.

    Args:
        path: of the file, which may be compressed.
        languages: of names; names without a language tag are kept too. A tag with a region, such
            as en-GB, is of its language.

    Raises:
        ConfigurationError: if it can't be parsed; names the place.
    """
    format_ = rdf_format(path)
    if format_ is None:
        known = ", ".join(FORMATS)
        raise ConfigurationError(f"{path}: the name ends in none of {known}", field="source")
    with tempfile.TemporaryDirectory() as folder:
        store = ox.Store(folder)
        with open_source(path) as file:
            try:
                store.bulk_load(file, format_, base_iri="urn:base:")
            except (SyntaxError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise ConfigurationError(f"{path}: {reason}", field="source") from None
        # The index that answers this has the statements of one thing side by side.
        everything = store.quads_for_pattern(None, None, None)
        for subject, quads in groupby(everything, key=lambda quad: quad.subject):
            if isinstance(subject, ox.NamedNode):
                yield from _records(subject, list(quads), languages)


def _records(
    subject: ox.NamedNode, quads: Sequence[ox.Quad], languages: Sequence[str]
) -> Iterator[Record]:
    def iris(predicate: str) -> tuple[str, ...]:
        return tuple(
            sorted(
                q.object.value
                for q in quads
                if q.predicate.value == predicate and isinstance(q.object, ox.NamedNode)
            )
        )

    if parents := iris(_SUBCLASS_OF):
        yield SubclassOf(subject.value, parents)
    named = [
        (_NAMES.index(q.predicate.value), rank, q.object.value)
        for q in quads
        if q.predicate.value in _NAMES
        and isinstance(q.object, ox.Literal)
        and (rank := _rank(q.object.language, languages)) is not None
        and q.object.value.strip()
    ]
    names = list(dict.fromkeys(name for _, _, name in sorted(named)))
    if names:
        related = sorted(
            {
                q.object.value
                for q in quads
                if isinstance(q.object, ox.NamedNode) and q.predicate.value not in _NO_RELATION
            }
        )
        yield SourceEntry(
            subject.value,
            names[0],
            tuple(names[1:]),
            iris(_TYPE),
            len(related),
            tuple(related),
        )


def _rank(tag: str | None, languages: Sequence[str]) -> int | None:
    """Where the language of a name stands; None if it is not wanted."""
    if tag is None:
        return len(languages)
    language = tag.partition("-")[0].lower()
    return languages.index(language) if language in languages else None
