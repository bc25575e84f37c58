"""The graph as CSV files for `neo4j-admin database import full`, Neo4j's bulk importer.

The nodes, relationships and properties are those of a live load of the same graph.
Names hold anything, so every text is quoted, quotes are doubled, a field may span lines,
and the items of a list are separated by U+001F: names have no such white space.
"""

from __future__ import annotations

import gzip
import io
import shlex
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import CORRECTED_COLUMNS
from pfn_kg.sinks.columns import translate
from pfn_kg.sinks.interface import Rows, Sink, Written
from pfn_kg.sinks.neo4j.long_texts import with_short_names
from pfn_kg.sinks.neo4j.schema import schema_statements

#: Between the items of a list and between labels: the unit separator.
ARRAY_DELIMITER = "\x1f"

_NODES = ["id:ID(node)", "name", "aliases:string[]", "mentions:long", "documents:long"]
_VALUES = [*_NODES, "value", "datatype"]
_GRAPH = ["graph", "version"]
_HEADERS = {
    "entities": [*_NODES, "same_as", *_GRAPH, ":LABEL"],
    "values": [*_VALUES, *_GRAPH, ":LABEL"],
    "relations": [
        ":START_ID(node)",
        ":END_ID(node)",
        "id",
        "predicate",
        "confidence:double",
        "evidence_count:long",
        "document_count:long",
        "evidence:string[]",
        *_GRAPH,
        ":TYPE",
    ],
}
# The importer gives a list without items no property.
_EMPTY_LISTS = (
    "MATCH (n:{label}) WHERE n.aliases IS NULL "
    "CALL (n) {{ SET n.aliases = [] }} IN TRANSACTIONS OF 10000 ROWS"
)
#: What the importer of a new database leaves to be done, once the server runs.
AFTERWARDS_FILE = "after_import.cypher"


class Neo4jImportSink(Sink):
    """Files for Neo4j's bulk importer.

    Args:
        label_schema: of the graph.
        graph: name of the graph in the database.
        version: of what is exported.
        database: that will be made of the files.
        compress: whether to compress the files; the importer reads both.
        corrected: whether the graph was built with corrections.
    """

    name: ClassVar[str] = "neo4j-import"
    stages = (("entities", "relations"),)

    def __init__(
        self,
        label_schema: LabelSchema,
        *,
        graph: str,
        version: str,
        database: str = "neo4j",
        compress: bool = False,
        corrected: bool = False,
    ):
        self._labels = {t.name: t.neo4j_label for t in label_schema.entity_types}
        self._types = {r.name: r.neo4j_type for r in label_schema.relations}
        self._graph = graph
        self._version = version
        self._database = database
        self._compress = compress
        self._corrected = CORRECTED_COLUMNS.names if corrected else []

    @property
    def command(self) -> str:
        """What makes the database, on one line, to be run where the files are."""
        end = ".csv.gz" if self._compress else ".csv"
        # Patterns, since a large graph has more files than a command line holds.
        files = {name: f"{name}-header.csv,{name}-[0-9].*{end}" for name in _HEADERS}
        return shlex.join(
            [
                "neo4j-admin",
                "database",
                "import",
                "full",
                self._database,
                f"--nodes={files['entities']}",
                f"--nodes={files['values']}",
                f"--relationships={files['relations']}",
                "--array-delimiter=U+001F",
                "--multiline-fields=true",
            ]
        )

    def write(self, part: Rows) -> Written:
        """The rows as CSV."""
        if part.table == "relations":
            return self._written(part, {"relations": self._relations(part.rows)})
        is_entity = pc.equal(part.rows["kind"], "entity")
        return self._written(
            part,
            {
                "entities": self._nodes(part.rows.filter(is_entity), "Entity"),
                "values": self._nodes(part.rows.filter(pc.invert(is_entity)), "Value"),
            },
        )

    def finish(self, counts: Mapping[str, int]) -> Written:
        """The headers, and what has to be run after the import."""
        files = {f"{name}-header.csv": self._header(header) for name, header in _HEADERS.items()}
        statements = [_EMPTY_LISTS.format(label=label) for label in ("Entity", "Value")]
        statements += schema_statements()
        files[AFTERWARDS_FILE] = "".join(f"{s};\n" for s in statements).encode()
        return Written(files)

    def _header(self, columns: Sequence[str]) -> bytes:
        """The first line: who corrected a row stands before its graph."""
        place = columns.index(_GRAPH[0])
        return (",".join([*columns[:place], *self._corrected, *columns[place:]]) + "\n").encode()

    def _nodes(self, rows: pa.Table, label: str) -> pa.Table:
        rows = with_short_names(rows)
        types = translate(rows["type"], {n: f"{label}\x1f{t}" for n, t in self._labels.items()})
        columns = [
            rows["entity_id"],
            rows["name"],
            _join(rows["aliases"]),
            rows["mentions"],
            rows["documents"],
        ]
        if label == "Value":
            columns += [rows["value"], rows["datatype"]]
        else:
            columns.append(rows["same_as"])
        columns += [rows[name] for name in self._corrected]
        return self._with_graph(columns, types)

    def _relations(self, rows: pa.Table) -> pa.Table:
        columns = [
            rows["subject_id"],
            rows["object_id"],
            rows["relation_id"],
            rows["predicate"],
            # As a live load gives it: the same number with more digits.
            rows["confidence"].cast(pa.float64()),
            rows["evidence_count"],
            rows["document_count"],
            _join(rows["evidence"]),
            *(rows[name] for name in self._corrected),
        ]
        return self._with_graph(columns, translate(rows["predicate"], self._types))

    def _with_graph(self, columns: list[pa.ChunkedArray], last: pa.Array) -> pa.Table:
        rows = len(last)
        columns += [pa.array([value] * rows, pa.string()) for value in (self._graph, self._version)]
        columns.append(last)
        return pa.table(columns, names=[str(index) for index in range(len(columns))])

    def _written(self, part: Rows, tables: Mapping[str, pa.Table]) -> Written:
        files, counts = {}, {}
        for name, rows in tables.items():
            buffer = io.BytesIO()
            options = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
            pa_csv.write_csv(rows, buffer, options)
            data = buffer.getvalue()
            file = f"{name}-{part.number:05d}-of-{part.of:05d}.csv"
            # Without a time stamp: the same rows are the same bytes.
            files[f"{file}.gz" if self._compress else file] = (
                gzip.compress(data, compresslevel=6, mtime=0) if self._compress else data
            )
            counts[f"neo4j_{name}"] = len(rows)
        return Written(files, counts)


def _join(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists as text; a separator within an item, which can't be said, becomes a space."""
    lists = lists.combine_chunks()
    items = pc.replace_substring(lists.flatten(), ARRAY_DELIMITER, " ")
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    joined = pa.ListArray.from_arrays(pa.array(offsets), items)
    return pa.chunked_array([pc.binary_join(joined, ARRAY_DELIMITER)])
