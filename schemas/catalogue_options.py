"""The options of `catalogue`: what becomes a catalogue, and which of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import field_validator

from pfn_kg.schemas.choices import NEO4J, NEO4J_SCHEMES
from pfn_kg.schemas.neo4j_account import Neo4jAccountOptions
from pfn_kg.schemas.options import Names, Options, ParquetPath, Texts, option

#: What a catalogue is made of.
CatalogueFormat: TypeAlias = Literal["wikidata", "rdf", "neo4j", "geonames", "ror"]

#: The classes of Wikidata that the types of the shipped label schema are; the first that fits.
WIKIDATA_CLASSES = (
    "PER=Q5,Q95074",
    "LOC=Q2221906,Q56061,Q486972,Q82794",
    "ORG=Q43229",
    "MISC=Q386724,Q1656682,Q2424752,Q34770,Q41710",
)

_ENTRIES = "Entries"


class CatalogueOptions(Options):
    """What becomes a catalogue.

    Attributes:
        source: a file, or the URI of a Neo4j server.
        output: the Parquet file.
        format: of the source; None goes by its name and content.
        languages: of labels and other names.
        classes: which classes an entity type is, each as `TYPE=CLASS,CLASS`.
        type: of entries of other classes; None leaves them out where classes are given.
        max_rejected: how many records may be unreadable.
    """

    source: str = option(
        ...,
        "Wikidata's JSON dump, Turtle, N-Triples, GeoNames' allCountries.txt or ROR's JSON, also "
        "compressed by gzip or bzip2, on any file system that Beam knows; or the URI of a Neo4j "
        "server",
        metavar="SOURCE",
        positional="1",
    )
    output: ParquetPath = option(
        ...,
        "Parquet file that is written",
        group=_ENTRIES,
        metavar="FILE.parquet",
        common=True,
    )
    format: CatalogueFormat | None = option(
        None, "of the source", group=_ENTRIES, default_text="by its name and content"
    )
    languages: Names = option(
        ("en", "mul"),
        "languages of names; the first one that an entry has names it",
        group=_ENTRIES,
        metavar="A,B",
        common=True,
    )
    classes: Texts | None = option(
        None,
        "entity type of entries by class, subclasses among them, such as LOC=Q2221906,Q82794; "
        "classes are IRIs, Wikidata's Q numbers, labels of Neo4j or GeoNames' feature classes; the "
        "first one that fits holds",
        group=_ENTRIES,
        metavar="TYPE=CLASS",
        many=True,
        default_text="of Wikidata: PER, LOC, ORG, MISC as in docs/how-to/link_a_catalogue.md",
    )
    type: str | None = option(
        None,
        "entity type of entries of other classes",
        group=_ENTRIES,
        metavar="TYPE",
        default_text="LOC for GeoNames, ORG for ROR; where `classes` are given, others are left "
        "out; else no type",
    )
    max_rejected: int = option(
        0,
        "exit with 1 if more records than that can't be read; the others are written all the same",
        group="Job",
        metavar="N",
        ge=0,
    )

    @field_validator("classes")
    @classmethod
    def _name_types(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for one in classes or ():
            type_, _, names = one.partition("=")
            if not type_.strip() or not any(name.strip() for name in names.split(",")):
                raise ValueError(f"{one!r} is not like LOC=Q2221906,Q82794")
        return classes

    @property
    def type_of_class(self) -> dict[str, str] | None:
        """The entity type of each class, in the order in which they are asked; None without any."""
        given = self.classes
        if given is None and self.format == "wikidata":
            given = WIKIDATA_CLASSES
        if given is None:
            return None
        types: dict[str, str] = {}
        for one in given:
            type_, _, names = one.partition("=")
            for name in names.split(","):
                if name.strip():
                    types.setdefault(name.strip(), type_.strip())
        return types

    @property
    def other_type(self) -> str | None:
        """The type of entries of other classes; None is none."""
        known = {"geonames": "LOC", "ror": "ORG"} if self.classes is None else {}
        return self.type or known.get(self.format or "")


class NodeOptions(Options):
    """Which nodes of a Neo4j server become entries, and which of their properties.

    Attributes:
        label: of the nodes.
        iri_property: holds an IRI, or what `iri_prefix` makes one.
        iri_prefix: stands before values that are no IRIs.
        name_property: holds the name.
        aliases_property: holds a list of other names.
    """

    label: str = option(
        "Entity", "label of the nodes", name="node_label", group=NEO4J, metavar="LABEL"
    )
    iri_property: str = option(
        "id", "property that holds the IRI of a node, or its id", group=NEO4J, metavar="NAME"
    )
    iri_prefix: str = option(
        "urn:node:",
        "what makes an IRI of a value of `iri_property` that is none",
        group=NEO4J,
        metavar="IRI",
    )
    name_property: str = option(
        "name", "property that holds the name of a node", group=NEO4J, metavar="NAME"
    )
    aliases_property: str = option(
        "aliases", "property that holds its other names", group=NEO4J, metavar="NAME"
    )


class CatalogueServerOptions(Neo4jAccountOptions, NodeOptions):
    """The Neo4j server that a catalogue is made of; the options of its nodes come first."""


def is_server(source: str) -> bool:
    """Whether a source is the URI of a Neo4j server."""
    return source.partition("://")[0] in NEO4J_SCHEMES
