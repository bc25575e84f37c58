"""The graph in a running Neo4j.

Every row is merged on its id, so a load may be repeated from the beginning, also after it
was killed. Once all rows are there, the sink deletes the remains of older versions of the
same graph and nothing else: the database mirrors the tables. Where the database holds the load
before (`pfn_kg.sinks.neo4j.told`), rows that it has as they are are not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from pfn_kg.sinks.neo4j.connection import Neo4jServer
from pfn_kg.sinks.neo4j.lexical import merge_documents, merge_sentences
from pfn_kg.sinks.neo4j.long_texts import with_short_names
from pfn_kg.sinks.neo4j.marker import LoadMarker
from pfn_kg.sinks.neo4j.refused import RefusedRows
from pfn_kg.sinks.neo4j.schema import ENTITY_LABEL, NODE_LABELS, schema_statements
from pfn_kg.sinks.neo4j.stale import delete_gone, delete_older
from pfn_kg.sinks.neo4j.statements import Merge, merge_nodes, merge_relationships
from pfn_kg.sinks.neo4j.told import (
    KEPT,
    Told,
    file_name,
    is_among,
    kept_rows,
    told_bytes,
    told_rows,
    without,
)
from pfn_kg.sinks.neo4j.writer import Neo4jWriter

_OTHER_RUN = (
    "MATCH (n:{label} {{graph: $graph}}) WHERE NOT n.version STARTS WITH $run "
    "RETURN n.version AS version LIMIT 1"
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
        told: what is known of the load before, so that rows that are there as they are need not
            be sent; None sends all of them.
    """

    graph: str
    version: str
    replace: bool = False
    lexical: bool = False
    writers: int = 1
    batch_rows: int = BATCH_ROWS
    told: Told | None = None


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
        told, base = options.told, None
        with self._session() as session:
            marker = LoadMarker(self._server, session, options.graph)
            if told is not None and not options.replace:
                base = marker.find_base(told.token, told.before)
            # What the load before left is of this run.
            for label in () if options.replace or base else NODE_LABELS:
                statement = _OTHER_RUN.format(label=label)
                if self._server.execute(session, statement, graph=options.graph, run=run):
                    raise ConfigurationError(
                        f"{self._server.uri} holds a graph {options.graph!r} of another "
                        "run; choose another name, or replace it by `replace`",
                        field="graph",
                    )
            for statement in schema_statements(options.lexical):
                self._server.execute(session, statement)
            if told is None:
                marker.forget()
            else:
                marker.begin(told.token, base)

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
        remembered: list[pa.Table] = []
        if options.told is not None:
            merged = self._differing(merged, part, options.told, remembered)
        # A sentence becomes its own node and, beside it, relationships and nodes of evidence, of
        # which each may be refused as well. The count is of the rows of the table alone.
        own = islice(merged, 1) if part.table == "sentences" else merged
        refused = RefusedRows()
        writer.merge(own, refused)
        written = len(part.rows) - len(refused)
        writer.merge(merged, refused)
        files = {}
        if options.told is not None:
            rows = without(remembered, refused.identities)
            files[file_name(part.table, part.number, part.of)] = told_bytes(rows)
        counts = {
            f"neo4j_{part.table}": written,
            "neo4j_sent_rows": writer.sent_rows,
            "neo4j_statements": writer.statements,
        }
        return Written(files, counts, refused)

    def _differing(
        self, merges: Iterable[Merge], part: Rows, told: Told, remembered: list[pa.Table]
    ) -> Iterator[Merge]:
        """The statements, with the rows alone that the database has not as they are.

        Args:
            merges: with all rows.
            part: that they are of.
            told: of the load before.
            remembered: gets what is remembered of all rows.
        """
        with self._session() as session:
            base = self._base(session)
        known = None if base is None else told.known(part.table, part.number)
        for merge in merges:
            rows = told_rows(merge)
            remembered.append(rows)
            if known is not None:
                differs = pa.array(~is_among(rows, known, "content"))
                merge = merge._replace(rows=merge.rows.filter(differs))
            yield merge

    def finish(self, counts: Mapping[str, int]) -> Written:
        """Deletes what an older version of the graph left."""
        graph, told = self._options.graph, self._options.told
        with self._session() as session:
            if self._base(session) is None:
                version = self._options.version
                deleted = delete_older(self._server, session, graph=graph, version=version)
            else:
                assert told is not None  # or there is no base
                deleted = delete_gone(self._server, session, graph=graph, gone=told.gone)
            if told is None:
                return Written({}, deleted.counts)
            LoadMarker(self._server, session, graph).end(told.token)
        return Written({file_name(KEPT, 0, 1): told_bytes(kept_rows(deleted.kept))}, deleted.counts)

    def _base(self, session: Session) -> str | None:
        """The load that this one builds on; None if it sends all rows.

        Raises:
            Neo4jUnavailableError: if another load of the graph has begun.
        """
        told = self._options.told
        if told is None:
            return None
        return LoadMarker(self._server, session, self._options.graph).base_of(told.token)

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
