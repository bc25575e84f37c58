"""N-Triples, one line per triple, made column by column.

Terms are columns of N-Triples text. Joining columns gives the lines of all rows at once;
one object per term would cost ten times as much. The lines are only an intermediate form:
pyoxigraph parses them strictly and writes the requested format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyoxigraph import Quad, RdfFormat, parse, serialize

from pfn_kg.schemas.characters import NOT_OF_XML, REPLACEMENT

#: Offsets of 64 bits: the lines of many rows are longer than two gibibytes.
TEXT = pa.large_string()

#: Terms or other text, a row each, or one for all rows.
Column: TypeAlias = pa.Array | pa.LargeStringScalar

#: How many rows are text at one time.
BLOCK_ROWS = 16_384

# The backslash first: the others bring one with them.
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"))


def text(value: str) -> pa.LargeStringScalar:
    """Text for all rows."""
    return pa.scalar(value, TEXT)


def iri(value: str) -> pa.LargeStringScalar:
    """An IRI for all rows."""
    return text(f"<{value}>")


def iris(namespace: str, local_names: pa.Array | pa.ChunkedArray) -> pa.Array:
    """IRIs of a namespace; the local names must hold nothing that an IRI may not."""
    return join(text(f"<{namespace}"), column(local_names), text(">"))


def literals(
    texts: pa.Array | pa.ChunkedArray, language: str | None = None, datatype: str | None = None
) -> pa.Array:
    """Literals of any text; null stays null.

    Args:
        texts: lexical forms.
        language: tag of all of them.
        datatype: IRI of the datatype of all of them, if not a plain string.
    """
    suffix = f"@{language}" if language else f"^^<{datatype}>" if datatype else ""
    return join(text('"'), escape(texts), text(f'"{suffix}'))


def escape(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Text as it stands between the quotes of a literal, U+FFFD for what XML cannot carry."""
    texts = pc.replace_substring_regex(column(texts), NOT_OF_XML, REPLACEMENT)
    for character, escaped in _ESCAPES:
        texts = pc.replace_substring(texts, character, escaped)
    return texts


def numbers(values: pa.Array | pa.ChunkedArray, datatype: str) -> pa.Array:
    """Literals of finite numbers; of all else null.

    Args:
        values: integers or floats.
        datatype: IRI; for floats that of a decimal, since there is no exponent.
    """
    spelt = column(values)
    if pa.types.is_floating(values.type):
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        spelt = pc.if_else(pc.is_finite(values), spelt, pa.scalar(None, TEXT))
        with_exponent = pc.fill_null(pc.match_substring(spelt, "e"), False)
        if pc.any(with_exponent).as_py():
            plain = [
                np.format_float_positional(np.float64(s), trim="-") if is_e else s
                for s, is_e in zip(spelt.to_pylist(), with_exponent.to_pylist(), strict=True)
            ]
            spelt = pa.array(plain, TEXT)
    return join(text('"'), spelt, text(f'"^^<{datatype}>'))


def column(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as text in one piece."""
    values = values.cast(TEXT)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def join(*columns: Column) -> pa.Array:
    """Columns side by side as one; null where one of them is."""
    return pc.binary_join_element_wise(*columns, text(""))


def lines(subject: Column, predicate: Column, object_: Column, graph: Column | None) -> pa.Array:
    """A line a row; null where a term is.

    Args:
        subject: IRIs.
        predicate: IRIs.
        object_: terms.
        graph: IRIs of named graphs; None is the default graph.
    """
    space = text(" ")
    end = (text(" .\n"),) if graph is None else (space, graph, text(" .\n"))
    return join(subject, space, predicate, space, object_, *end)


class RowLines:
    """All lines of each of some rows, which stand together.

    Args:
        subject: IRIs, a row each; what most lines are about.
        graph: IRIs of the rows' named graphs; None is the default graph.

    Attributes:
        predicates: how many lines have each of them, by IRI.
    """

    def __init__(self, subject: pa.Array, graph: pa.Array | None = None):
        self._subject = subject
        self._graph = graph
        self._parts: list[Column] = []
        self.predicates: Counter[str] = Counter()

    def add(self, predicate: str, object_: Column, subject: pa.Array | None = None) -> None:
        """A line a row; none where the object is null.

        Args:
            predicate: IRI.
            object_: terms.
            subject: in place of the one that most lines are about.
        """
        row_lines = lines(
            self._subject if subject is None else subject, iri(predicate), object_, self._graph
        )
        self.predicates[predicate] += len(row_lines) - row_lines.null_count
        self._parts.append(pc.fill_null(row_lines, "") if row_lines.null_count else row_lines)

    def add_many(self, row: pa.Array, predicate: pa.Array, object_: pa.Array) -> None:
        """Any number of lines a row.

        Args:
            row: of each line, in ascending order.
            predicate: IRIs without their brackets.
            object_: terms.
        """
        graph = None if self._graph is None else self._graph.take(row)
        term = join(text("<"), predicate, text(">"))
        row_lines = lines(self._subject.take(row), term, object_, graph)
        self.predicates.update(count(predicate))
        sizes = np.bincount(row.to_numpy(), minlength=len(self._subject))
        offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int64())
        self._parts.append(
            pc.binary_join(pa.LargeListArray.from_arrays(offsets, row_lines), text(""))
        )

    def text(self) -> pa.Array:
        """The lines, a text a row."""
        return join(*self._parts)


def count(names: pa.Array) -> dict[str, int]:
    """How often each of some names is there."""
    return {counted["values"]: counted["counts"] for counted in pc.value_counts(names).to_pylist()}


def blocks(rows: pa.Table) -> Iterator[pa.Table]:
    """Rows in pieces small enough to be text at one time."""
    for begin in range(0, len(rows), BLOCK_ROWS):
        yield rows.slice(begin, BLOCK_ROWS)


def written(columns: Iterable[pa.Array], format_: RdfFormat, prefixes: dict[str, str]) -> bytes:
    """Lines in some format of RDF, by pyoxigraph, which checks each term on the way.

    Args:
        columns: columns of lines, in the order in which they are written.
        format_: of the result.
        prefixes: of namespaces, where the format has such.

    Raises:
        SyntaxError: if a term is none.
    """
    quads = chain.from_iterable(map(_parsed, columns))
    data = serialize(quads, format=format_, prefixes=prefixes)
    assert data is not None  # since no output was given
    return data


def _parsed(column: pa.Array) -> Iterator[Quad]:
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)
    begin, end = int(offsets[column.offset]), int(offsets[column.offset + len(column)])
    data = column.buffers()[2]
    return parse(
        b"" if data is None else data.slice(begin, end - begin).to_pybytes(),
        format=RdfFormat.N_QUADS,
    )
