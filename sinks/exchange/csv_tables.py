"""The graph as plain CSV: nodes, their other names, and edges."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from pfn_kg.sinks.exchange.texts import column, joined, pieces, pieces_of, whole_files
from pfn_kg.sinks.interface import Rows, Sink, Written

_COLUMNS = {
    "nodes": (
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
    ),
    "aliases": ("entity_id", "alias"),
    "edges": (
        "relation_id",
        "subject_id",
        "predicate",
        "object_id",
        "confidence",
        "evidence_count",
        "document_count",
    ),
}
# A spreadsheet takes what begins so for a formula, unless it is a number.
_FORMULA = r"^[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"


class CsvSink(Sink):
    """The files `nodes.csv`, `aliases.csv` and `edges.csv`, each with a header.

    Args:
        compress: whether to compress them.
        raw: whether cells are left as they are. Else a cell that a spreadsheet would take for a
            formula gets an apostrophe in front, as OWASP recommends; numbers stay.
    """

    name: ClassVar[str] = "csv"
    stages = (("entities", "relations"),)

    def __init__(self, *, compress: bool = False, raw: bool = False):
        self._compress = compress
        self._raw = raw

    def write(self, part: Rows) -> Written:
        """The rows as lines of CSV."""
        rows = part.rows
        tables = {"edges": rows}
        if part.table == "entities":
            lists = rows["aliases"].combine_chunks()
            parents = pc.list_parent_indices(lists)
            names = {"entity_id": rows["entity_id"].take(parents), "alias": pc.list_flatten(lists)}
            tables = {"nodes": rows, "aliases": pa.table(names)}
        contents = {
            kind: self._lines(table.select(list(_COLUMNS[kind]))) for kind, table in tables.items()
        }
        files = pieces_of(part, contents, compress=self._compress)
        return Written(files, {kind: len(table) for kind, table in tables.items()})

    def finish(self, counts: Mapping[str, int]) -> Written:
        """The lines below their headers."""
        files = {
            f"{kind}.csv": ((",".join(names) + "\n").encode(), pieces(kind))
            for kind, names in _COLUMNS.items()
        }
        return whole_files(files, compress=self._compress)

    def _lines(self, rows: pa.Table) -> bytes:
        if not self._raw:
            columns = [_cells(rows[name]) for name in rows.column_names]
            rows = pa.table(columns, names=rows.column_names)
        buffer = io.BytesIO()
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
        pa_csv.write_csv(rows, buffer, options)
        return buffer.getvalue()


def _cells(values: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if not pa.types.is_string(values.type):
        return values
    texts = column(values)
    is_formula = pc.and_(
        pc.match_substring_regex(texts, _FORMULA),
        pc.invert(pc.match_substring_regex(texts, _NUMBER)),
    )
    return pc.if_else(is_formula, joined("'", texts), texts)
