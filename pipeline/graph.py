"""`Graph`: a finished graph in Python, with its tables, its facts by name and its SPARQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from os import PathLike, fspath
from typing import TYPE_CHECKING

import networkx as nx
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.entity_names import SHOWN_NAMES, close_names, places_of_name
from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.query import RdfGraph, read_run_rdf
from pfn_kg.pipeline.search.answers import Found
from pfn_kg.pipeline.search_graph import search_run
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.tables.parts import count_rows, read_part

if TYPE_CHECKING:
    import pandas as pd
    import pyoxigraph

_SHOWN_ENTITIES = 10

_NAME_COLUMNS = ("entity_id", "kind", "name", "type", "value", "aliases", "mentions")
_NODE_COLUMNS = (
    "entity_id",
    "kind",
    "name",
    "type",
    "value",
    "datatype",
    "iri",
    "same_as",
    "mentions",
    "documents",
)
_EDGE_COLUMNS = ("predicate", "confidence", "evidence_count", "document_count")
_PLACE_COLUMNS = (
    "triple_id",
    "document_id",
    "evidence_begin",
    "evidence_end",
    "evidence_text",
    "subject_text",
    "subject_type",
    "subject_begin",
    "subject_end",
    "relation",
    "object_text",
    "object_type",
    "object_begin",
    "object_end",
    "score",
    "flags",
)


class Graph:
    """A finished graph in its output folder.

    `open` resolves the folder once, and each table is read when it is first used. After another
    build of the same folder, open the graph again.

    The five tables `entities`, `relations`, `triples`, `mentions` and `documents` are
    properties and stay in memory once they are read. `table` reads any table of the output
    folder, or some of its columns, and does not keep it. The columns are those of
    `pfn_kg.schemas.tables.TABLE_SCHEMAS`.

    Example:
        >>> graph = Graph.open("runs/example")  # doctest: +SKIP
        >>> graph.neighbours("Munich").to_pylist()  # doctest: +SKIP
    """

    def __init__(self, run: FinishedRun):
        """Takes a run from `read_finished`. Use `open` instead."""
        self._run = run

    @classmethod
    def open(cls, directory: str | PathLike[str]) -> Graph:
        """Opens a finished graph.

        Args:
            directory: the output folder of `pfn-kg run` or `pfn-kg build`, on any file system
                that Beam knows.

        Raises:
            ConfigurationError: if there is no graph, or if it is not finished.
        """
        return cls(read_finished(fspath(directory)))

    @property
    def directory(self) -> str:
        """The output folder, as an absolute path or a URL."""
        return self._run.directory

    @property
    def label_schema(self) -> LabelSchema:
        """The entity types and relations that the graph was built with."""
        return self._run.label_schema

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Reads a table, or some of its columns.

        Args:
            name: a table of the output folder: `documents`, `sentences` (where the build wrote it),
                `mentions`, `triples`, `entities`, `relations`, `redirects`
                or `rejected`.
            columns: the columns to read, in the order wanted; all by default.

        Returns:
            The rows, sorted by id.

        Raises:
            ConfigurationError: if there is no such table or column.
        """
        return self._select(name, columns)

    def to_pandas(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Reads a table as a pandas frame.

        Args:
            name: as in `table`.
            columns: as in `table`.

        Raises:
            ConfigurationError: if there is no such table or column, or if pandas is not
                installed.
        """
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise ConfigurationError(
                "to_pandas: pandas is not installed; install it by `pip install pandas`"
            ) from None
        return self.table(name, columns).to_pandas()

    @cached_property
    def entities(self) -> pa.Table:
        """One row for each entity and each value."""
        return self.table("entities")

    @cached_property
    def relations(self) -> pa.Table:
        """One row for each fact."""
        return self.table("relations")

    @cached_property
    def triples(self) -> pa.Table:
        """One row for each piece of evidence of a fact."""
        return self.table("triples")

    @cached_property
    def mentions(self) -> pa.Table:
        """One row for each place where the corpus names an entity or a value."""
        return self.table("mentions")

    @cached_property
    def documents(self) -> pa.Table:
        """One row for each document; the text itself is not kept."""
        return self.table("documents")

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The numbers of entities, values, relations, triples, mentions and documents.

        Entities and values share a table but are counted apart. The other numbers come from
        the footers of the files.
        """
        kinds = self._names["kind"]
        values = pc.sum(pc.equal(kinds, "value")).as_py() or 0
        counts = {"entities": len(kinds) - values, "values": values}
        for name in ("relations", "triples", "mentions", "documents"):
            counts[name] = sum(count_rows(part) for part in self._run.parts([name]))
        return counts

    def find(self, name: str) -> pa.Table:
        """Looks up the entities and values that have a name.

        Args:
            name: is compared with names, aliases and canonical values. Case and runs of white
                space do not matter.

        Returns:
            Rows of `entities` in three groups: those with exactly this name, those with exactly
            this alias or value, and those that match in another case. In each group the entity
            with most mentions comes first. The table is empty if nothing matches.
        """
        places = [place for group in places_of_name(self._names, name) for place in group]
        ids = self._names["entity_id"].take(pa.array(places, pa.int64())).combine_chunks()
        rows = self._select("entities", where=pc.field("entity_id").isin(ids))
        return rows.take(pc.index_in(ids, rows["entity_id"].combine_chunks()))

    def neighbours(self, name_or_id: str) -> pa.Table:
        """The facts of one entity or value, with the names of their other ends.

        Args:
            name_or_id: an `entity_id`, an id that an earlier build gave to the entity, or a
                name as in `find`. The first group of `find` that is not empty counts, and it
                must hold exactly one entity.

        Returns:
            One row for each fact and direction, with the columns `direction` (`out` where the
            entity is the subject, `in` where it is the object), `predicate`, `entity_id`,
            `name`, `kind` and `type` of the other end, `confidence`, `evidence_count`,
            `document_count` and `relation_id`. Outgoing facts come first; in each direction the
            most confident fact comes first. A fact between the entity and itself appears in
            both directions.

        Raises:
            ConfigurationError: if several entities have the name (the message lists them), or
                if none has it (the message lists close names).
        """
        id_ = self._entity_id(name_or_id)
        ends = {"out": ("subject_id", "object_id"), "in": ("object_id", "subject_id")}
        where = (pc.field("subject_id") == id_) | (pc.field("object_id") == id_)
        facts = self._select("relations", where=where)
        parts = []
        for direction, (own, other) in ends.items():
            rows = facts.filter(pc.field(own) == id_)
            columns = {
                "direction": pa.array([direction] * len(rows), pa.string()),
                "predicate": rows["predicate"],
                "entity_id": rows[other],
                **{name: self._of_entities(name, rows[other]) for name in ("name", "kind", "type")},
                "confidence": rows["confidence"],
                "evidence_count": rows["evidence_count"],
                "document_count": rows["document_count"],
                "relation_id": rows["relation_id"],
            }
            order = [("confidence", "descending"), ("predicate", "ascending")]
            order += [("name", "ascending"), ("relation_id", "ascending")]
            parts.append(pa.table(columns).sort_by(order))
        return pa.concat_tables(parts).combine_chunks()

    def evidence(self, relation_id: str) -> pa.Table:
        """The triples that support a fact, with their sentences and documents.

        Args:
            relation_id: an id from the table `relations` or from `neighbours`.

        Returns:
            One row for each triple, the best score first, with its `document_id`, the
            document's `title`, the sentences (`evidence_text`) and the places of sentences,
            subject and object as offsets in the document's text.

        Raises:
            ConfigurationError: if no fact has that id.
        """
        rows = self._select("triples", _PLACE_COLUMNS, pc.field("relation_id") == relation_id)
        if not len(rows):
            raise ConfigurationError(f"{self.directory}: no relation has the id {relation_id!r}")
        ids = rows["document_id"].unique()
        documents = self._select(
            "documents", ("document_id", "title"), pc.field("document_id").isin(ids)
        )
        place = pc.index_in(rows["document_id"], documents["document_id"].combine_chunks())
        rows = rows.add_column(2, "title", documents["title"].take(place))
        return rows.sort_by([("score", "descending"), ("triple_id", "ascending")])

    def sparql(
        self, query: str
    ) -> pyoxigraph.QuerySolutions | pyoxigraph.QueryBoolean | pyoxigraph.QueryTriples:
        """Answers a query over the RDF of the graph; the first query loads it into memory.

        Args:
            query: SPARQL 1.1. The prefixes of the graph (`entity:`, `relation:`, `type:`,
                `rdfs:`, `skos:`, `xsd:` ...) need no PREFIX line.

        Returns:
            The result types of pyoxigraph: solutions for SELECT, a truth value for ASK, triples
            for CONSTRUCT and DESCRIBE.

        Raises:
            ConfigurationError: if the query is not valid SPARQL (the message names line and
                column), or if the graph was built without RDF.
        """
        return self._rdf.query(query)

    def search(self, question: str, limit: int = 10, *, vectors: str | None = None) -> Found:
        """Sentences and documents that answer a question: `pfn_kg.pipeline.search_graph.search`."""
        return search_run(self._run, question, limit, vectors)

    def to_networkx(self) -> nx.MultiDiGraph:
        """The graph as a directed multigraph of networkx.

        Each node is an entity id with the attributes `name`, `kind` (`entity` or `value`),
        `type`, `mentions` and `documents`. Values also have `value` and `datatype`; entities
        have `iri`, and `same_as` where the alias table gives it. Each edge goes from subject to
        object, has the relation id as its key, and has the attributes `predicate`,
        `confidence`, `evidence_count` and `document_count`. All attributes are strings and
        numbers, so `networkx.write_graphml` and similar functions accept the graph; aliases are
        lists and are left out.

        Returns:
            A new graph. Changes to it do not reach the folder.
        """
        graph = nx.MultiDiGraph()
        for batch in self._select("entities", _NODE_COLUMNS).to_batches():
            for row in batch.to_pylist():
                id_ = row.pop("entity_id")
                graph.add_node(id_, **{name: v for name, v in row.items() if v is not None})
        columns = ("relation_id", "subject_id", "object_id", *_EDGE_COLUMNS)
        for batch in self._select("relations", columns).to_batches():
            for row in batch.to_pylist():
                attributes = {name: row[name] for name in _EDGE_COLUMNS}
                graph.add_edge(
                    row["subject_id"], row["object_id"], key=row["relation_id"], **attributes
                )
        return graph

    def __repr__(self) -> str:
        return f"Graph({self.directory!r}: {self._spelt_counts()})"

    def _repr_html_(self) -> str:
        """The graph in a notebook: its counts and its biggest entities."""
        names = self._names.filter(pc.field("kind") == "entity")
        order = [("mentions", "descending"), ("entity_id", "ascending")]
        biggest = names.sort_by(order).slice(0, _SHOWN_ENTITIES).to_pylist()
        rows = "".join(
            f"<tr><td>{escape(row['name'])}</td><td>{escape(row['type'])}</td>"
            f"<td style='text-align: right'>{row['mentions']:,}</td></tr>"
            for row in biggest
        )
        return (
            f"<div><p><b>Graph</b> <code>{escape(self.directory)}</code><br>"
            f"{escape(self._spelt_counts())}</p>"
            "<table><thead><tr><th>biggest entities</th><th>type</th><th>mentions</th></tr>"
            f"</thead><tbody>{rows}</tbody></table></div>"
        )

    def _spelt_counts(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items())

    @cached_property
    def _names(self) -> pa.Table:
        """What is needed to find entities by name, and to name them."""
        return self._select("entities", _NAME_COLUMNS).combine_chunks()

    @cached_property
    def _rdf(self) -> RdfGraph:
        return read_run_rdf(self._run)

    def _select(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """Rows of a table: from memory where the whole table is there, else from its files."""
        if name not in TABLE_SCHEMAS:
            raise ConfigurationError(
                f"{name!r} is no table of a graph; tables are {', '.join(TABLE_SCHEMAS)}"
            )
        schema = self._run.schema_of(name)
        wanted = list(schema.names if columns is None else columns)
        for column in wanted:
            if column not in schema.names:
                raise ConfigurationError(
                    f"{name}: no column {column!r}; columns are {', '.join(schema.names)}"
                )
        if isinstance(whole := self.__dict__.get(name), pa.Table):
            return (whole if where is None else whole.filter(where)).select(wanted)
        parts = self._run.parts([name])
        return pa.concat_tables([read_part(part, wanted, where) for part in parts])

    def _of_entities(self, column: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column of `entities` for each of some ids."""
        place = pc.index_in(ids, self._names["entity_id"].combine_chunks())
        return self._names[column].take(place)

    def _entity_id(self, name_or_id: str) -> str:
        ids = self._names["entity_id"]
        if pc.index(ids, name_or_id).as_py() >= 0:
            return name_or_id
        group = next((group for group in places_of_name(self._names, name_or_id) if group), None)
        if group is None:
            heir = self._select("redirects", where=pc.field("old_id") == name_or_id)
            if len(heir):
                return heir["entity_id"][0].as_py()
            raise ConfigurationError(
                f"{self.directory}: no entity has the name or id {name_or_id!r}"
                + close_names(self._names, name_or_id)
            )
        if len(group) > 1:
            shown = self._names.take(group[:SHOWN_NAMES]).to_pylist()
            spelt = [f"{r['entity_id']} ({r['type']}, {r['mentions']} mentions)" for r in shown]
            more = f" and {len(group) - len(shown)} more" if len(group) > len(shown) else ""
            raise ConfigurationError(
                f"{self.directory}: {len(group)} entities have the name {name_or_id!r}: "
                f"{', '.join(spelt)}{more}; give an id"
            )
        return ids[group[0]].as_py()
