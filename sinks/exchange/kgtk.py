"""The graph as tab-separated values in the manner of KGTK, the Knowledge Graph Toolkit.

An edge has the columns `id`, `node1`, `label` and `node2`; a value stands in `node2` as a literal:
a number as it is, a date as `^1815-12-10T00:00:00Z/11` with its precision, and any other value as
a string between quotes. Several values of one cell are separated by `|`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.sinks.exchange.texts import (
    blocks,
    column,
    content,
    joined,
    joined_lists,
    pieces,
    pieces_of,
    replaced,
    whole_files,
)
from pfn_kg.sinks.interface import Rows, Sink, Written

_HEADERS = {
    "nodes": ("id", "label", "type", "alias", "iri", "same_as", "mentions", "documents"),
    "edges": ("id", "node1", "label", "node2", "confidence", "evidence_count", "document_count"),
}
# The backslash first: the others bring one with them.
_STRING = (
    ("\\", "\\\\"),
    ('"', '\\"'),
    ("|", "\\|"),
    ("\t", "\\t"),
    ("\n", "\\n"),
    ("\r", "\\r"),
)
# A symbol has no quotes around it.
_SYMBOL = (("\\", "\\\\"), ("|", "\\|"), ("\t", " "), ("\n", " "), ("\r", " "))
_NUMBERS = ("xsd:integer", "xsd:decimal", "xsd:double", "xsd:float")
_PLAIN_NUMBER = r"^[+-]?\d+(\.\d+)?$"
# What completes a date to a point of time, and its precision as Wikidata numbers it.
_DATES = {
    "xsd:gYear": (r"^-?\d{4,}$", "-01-01T00:00:00Z/9"),
    "xsd:gYearMonth": (r"^-?\d{4,}-\d\d$", "-01T00:00:00Z/10"),
    "xsd:date": (r"^-?\d{4,}-\d\d-\d\d$", "T00:00:00Z/11"),
}


class KgtkSink(Sink):
    """The files `nodes.tsv` and `edges.tsv`.

    `nodes.tsv` has the entities. A fact whose subject is a value is left out and counted.

    Args:
        compress: whether to compress them.
    """

    name: ClassVar[str] = "kgtk"
    stages = (("entities", "relations"),)

    def __init__(self, *, compress: bool = False):
        self._compress = compress

    def write(self, part: Rows) -> Written:
        """The rows as lines."""
        of_edges = part.table == "relations"
        kind, lines, end = (
            ("edges", _edge, "subject_kind") if of_edges else ("nodes", _node, "kind")
        )
        rows = part.rows.filter(pc.equal(part.rows[end], "entity"))
        data = content(lines(block) for block in blocks(rows))
        counts = {kind: len(rows)}
        if of_edges:
            counts["skipped_value_subjects"] = len(part.rows) - len(rows)
        return Written(pieces_of(part, {kind: data}, compress=self._compress), counts)

    def finish(self, counts: Mapping[str, int]) -> Written:
        """The lines below their headers."""
        files = {
            f"{kind}.tsv": (("\t".join(names) + "\n").encode(), pieces(kind))
            for kind, names in _HEADERS.items()
        }
        return whole_files(files, compress=self._compress)


def _node(rows: pa.Table) -> pa.Array:
    aliases = rows["aliases"].combine_chunks()
    items = _string(aliases.flatten()).cast(pa.string())
    # The lists of a filtered table may begin anywhere in what they share.
    lengths = pc.fill_null(pc.list_value_length(aliases), 0)
    offsets = pa.array([0, *pc.cumulative_sum(lengths).to_pylist()], pa.int32())
    spelt = pa.chunked_array([pa.ListArray.from_arrays(offsets, items)])
    return _line(
        column(rows["entity_id"]),
        _string(rows["name"]),
        _symbol(rows["type"]),
        joined_lists(spelt, "|"),
        _symbol(rows["iri"]),
        _symbol(rows["same_as"]),
        column(rows["mentions"]),
        column(rows["documents"]),
    )


def _edge(rows: pa.Table) -> pa.Array:
    return _line(
        column(rows["relation_id"]),
        column(rows["subject_id"]),
        _symbol(rows["predicate"]),
        pc.if_else(pc.equal(rows["object_kind"], "value"), _literal(rows), rows["object_id"]),
        column(rows["confidence"]),
        column(rows["evidence_count"]),
        column(rows["document_count"]),
    )


def _literal(rows: pa.Table) -> pa.Array:
    value, datatype = column(rows["object_value"]), rows["object_datatype"]
    literals = _string(value)
    is_number = _is_of(datatype, _NUMBERS, value, _PLAIN_NUMBER)
    literals = pc.if_else(is_number, value, literals)
    for name, (pattern, rest) in _DATES.items():
        is_date = _is_of(datatype, (name,), value, pattern)
        literals = pc.if_else(is_date, joined("^", value, rest), literals)
    return literals


def _is_of(
    datatype: pa.ChunkedArray, names: Sequence[str], value: pa.Array, pattern: str
) -> pa.Array:
    """Whether each value is of one of some datatypes and spelt as a pattern says."""
    is_named = pc.is_in(datatype, value_set=pa.array(names, pa.string()))
    return pc.and_(is_named, pc.fill_null(pc.match_substring_regex(value, pattern), False))


def _string(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return joined('"', replaced(column(values), _STRING), '"')


def _symbol(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return replaced(column(values), _SYMBOL)


def _line(*cells: pa.Array | pa.ChunkedArray) -> pa.Array:
    parts: list[pa.Array | str] = []
    for cell in cells:
        parts += [column(cell), "\t"]
    return joined(*parts[:-1], "\n", nothing="")
