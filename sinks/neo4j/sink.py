"""The graph in a running Neo4j.

Every row is merged on its id, so a load may be repeated from the beginning, also after it
was killed. Once all rows are there, the sink deletes the remains of older versions of the
same graph and nothing else: the database mirrors the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from neo4j import Driver, Session

from pfn_kg.schemas.choices import BATCH_ROWS
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import CORRECTED_COLUMNS
from pfn_kg.sinks.interface import Rows, Sink, Written
from pfn_kg.sinks.neo4j.connection import BatchTooLargeError, Neo4jServer
from pfn_kg.sinks.neo4j.lexical import merge_documents, merge_sentences
from pfn_kg.sinks.neo4j.long_texts import with_short_names
from pfn_kg.sinks.neo4j.schema import ENTITY_LABEL, NODE_LABELS, schema_statements
from pfn_kg.sinks.neo4j.statements import Merge, merge_nodes, merge_relationships
from pfn_kg.sinks.neo4j.writer import Neo4jWriter

_OTHER_RUN = (
    "MATCH (n:{label} {{graph: $graph}}) WHERE NOT n.version STARTS WITH $run "
    "RETURN n.version AS version LIMIT 1"
)
# Rows in one transaction that deletes; fewer where the server's memory does not hold them.
_DELETED_ROWS = (10_000, 1_000, 100, 1)

# In one pass with transactions of its own: a `LIMIT` would begin again each time.
_DELETE_RELATIONSHIPS = (
    "MATCH (:{label} {{graph: $graph}})-[r]->() "
    "WHERE r.graph = $graph AND r.version <> $version "
    "CALL (r) {{ DELETE r }} IN TRANSACTIONS OF {rows} ROWS RETURN count(*) AS rows"
)
# Ours have no relationships any more; where another's hangs on a node, it stays.
_DELETE_NODES = (
    "MATCH (n:{label} {{graph: $graph}}) WHERE n.version <> $version AND NOT (n)--() "
    "CALL (n) {{ DELETE n }} IN TRANSACTIONS OF {rows} ROWS RETURN count(*) AS rows"
)
_COUNT_STALE = (
    "MATCH (n:{label} {{graph: $graph}}) WHERE n.version <> $version RETURN count(*) AS rows"
)


class Neo4jOptions(NamedTuple):
    """How a graph is loaded.

    Attributes:
        graph: its name in the database.
        version: of what is loaded; begins with the run's id and a full stop.
        replace: whether a graph of that name from another run may be replaced.
        lexical: whether the text is loaded too.
        writers: how many transactions may run side by side.
        batch_rows: rows in one transaction.
    """

    graph: str
    version: str
    replace: bool = False
    lexical: bool = False
    writers: int = 1
    batch_rows: int = BATCH_ROWS


class Neo4jSink(Sink):
    """A running Neo4j.

    Args:
        label_schema: of the graph.
        server: where it goes.
        options: how.
    """

    name: ClassVar[str] = "neo4j"
    # Side by side, workers would wait for each other's locks; `writers` are kept apart.
    one_writer = True

    def __init__(self, label_schema: LabelSchema, server: Neo4jServer, options: Neo4jOptions):
        self._labels = {t.name: t.neo4j_label for t in label_schema.entity_types}
        self._types = {r.name: r.neo4j_type for r in label_schema.relations}
        self._server = server
        self._options = options
        self._driver: Driver | None = None
        self.stages = (
            (("documents", "entities"), ("sentences",), ("relations",))
            if options.lexical
            else (("entities",), ("relations",))
        )

    def __getstate__(self) -> dict[str, Any]:
        """A connection does not travel."""
        return self.__dict__ | {"_driver": None}

    def open(self) -> None:
        """Connects."""
        self._driver = self._server.connect()

    def close(self) -> None:
        """Disconnects."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def prepare(self) -> None:
        """Refuses a graph of another run; makes constraints and indexes.

        Raises:
            ConfigurationError: if the name is taken.
            Neo4jUnavailableError: if the server does not answer or refuses.
        """
        assert self._driver is not None, "not open"
        self._server.verify(self._driver)
        options = self._options
        run = options.version.rpartition(".")[0] + "."
        with self._session() as session:
            for label in () if options.replace else NODE_LABELS:
                statement = _OTHER_RUN.format(label=label)
                if self._server.execute(session, statement, graph=options.graph, run=run):
                    raise ConfigurationError(
                        f"{self._server.uri} holds a graph {options.graph!r} of another "
                        "run; choose another name, or replace it by `replace`",
                        field="graph",
                    )
            for statement in schema_statements(options.lexical):
                self._server.execute(session, statement)

    def write(self, part: Rows) -> Written:
        """Merges the rows."""
        assert self._driver is not None, "not open"
        options = self._options
        merges = {
            "entities": self._merge_entities,
            "relations": self._merge_relations,
            "documents": merge_documents,
            "sentences": merge_sentences,
        }[part.table]
        writer = Neo4jWriter(
            self._driver,
            self._server,
            graph=options.graph,
            version=options.version,
            batch_rows=options.batch_rows,
            writers=options.writers,
        )
        merged = iter(merges(part.rows))
        # A sentence becomes its own node and, beside it, relationships and nodes of evidence, of
        # which each may be refused as well. The count is of the rows of the table alone.
        own = islice(merged, 1) if part.table == "sentences" else merged
        rejected = writer.merge(own)
        written = len(part.rows) - len(rejected)
        rejected += writer.merge(merged)
        return Written({}, {f"neo4j_{part.table}": written}, tuple(rejected))

    def finish(self, counts: Mapping[str, int]) -> Written:
        """Deletes what an older version of the graph left."""
        deleted = {}
        with self._session() as session:
            for name, statement in (
                ("neo4j_deleted_relationships", _DELETE_RELATIONSHIPS),
                ("neo4j_deleted_nodes", _DELETE_NODES),
                ("neo4j_kept_for_others", _COUNT_STALE),
            ):
                deleted[name] = sum(self._count(session, statement, label) for label in NODE_LABELS)
        return Written({}, deleted)

    def _count(self, session: Session, statement: str, label: str) -> int:
        constants = {"graph": self._options.graph, "version": self._options.version}
        for rows in _DELETED_ROWS:
            text = statement.format(label=label, rows=rows)
            try:
                return self._server.execute(session, text, **constants)[0]["rows"]
            except BatchTooLargeError:
                if rows == _DELETED_ROWS[-1]:
                    raise
        raise AssertionError("no size was tried")

    def _session(self) -> Session:
        assert self._driver is not None, "not open"
        return self._driver.session(database=self._server.database)

    def _merge_entities(self, rows: pa.Table) -> Iterator[Merge]:
        columns = ["id", "name", "aliases", "mentions", "documents"]
        rows = with_short_names(rows).rename_columns({"entity_id": "id"})
        lexical = [ENTITY_LABEL] if self._options.lexical else []
        corrected, unset = _corrected_columns(rows)
        columns += corrected
        for name, label in self._labels.items():
            of_type = rows.filter(pc.equal(rows["type"], name))
            entities = of_type.filter(pc.equal(of_type["kind"], "entity"))
            yield merge_nodes(
                "Entity",
                entities.select([*columns, "same_as"]),
                more_labels=[label, *lexical],
                unset=unset,
            )
            values = of_type.filter(pc.equal(of_type["kind"], "value"))
            yield merge_nodes(
                "Value",
                values.select([*columns, "value", "datatype"]),
                more_labels=[label],
                unset=unset,
            )

    def _merge_relations(self, rows: pa.Table) -> Iterator[Merge]:
        # Neighbours in the store are written one after the other.
        rows = rows.sort_by([("subject_id", "ascending"), ("object_id", "ascending")])
        rows = rows.rename_columns({"relation_id": "id"})
        columns = ["subject_id", "object_id", "id", "predicate", "confidence"]
        columns += ["evidence_count", "document_count", "evidence"]
        corrected, unset = _corrected_columns(rows)
        columns += corrected
        labels = {"entity": "Entity", "value": "Value"}
        for name, type_ in self._types.items():
            of_type = rows.filter(pc.equal(rows["predicate"], name))
            for subject, start in labels.items():
                of_subject = of_type.filter(pc.equal(of_type["subject_kind"], subject))
                for object_, end in labels.items():
                    of_object = of_subject.filter(pc.equal(of_subject["object_kind"], object_))
                    if len(of_object):
                        chosen = of_object.select(columns)
                        ends = (start, end)
                        yield merge_relationships(type_, chosen, ends=ends, key="id", unset=unset)


def _corrected_columns(rows: pa.Table) -> tuple[list[str], list[str]]:
    """The columns that say who corrected rows: those that are there, and those that are not.

    What an earlier load of the graph had is taken away, where this one has no corrections.
    """
    names = CORRECTED_COLUMNS.names
    return (names, []) if names[0] in rows.column_names else ([], names)
