"""The rows that a database was told of last, by which a load tells it of the others alone.

Each file of a table has a file beside it with two hashes of each row that the database took:
one of the row's identity, that is of its label or type and its ids, and one of all that would be
sent. A row whose second hash is known is not sent again. A row whose first hash is gone is
deleted; for that its ids are there too.

The files describe a database only if both hold the same token. A load writes a new token into the
database, on a node `:PfnKgLoad`, before its first row, and calls it complete after its last one.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.sinks.neo4j.statements import Merge
from pfn_kg.sinks.tables import parquet_bytes

#: The folder of the files among those of the sink.
TOLD_FOLDER = "told"
#: The table of nodes that are gone from the graph, but stay since relationships of others hang on
#: them: the next load tries again.
KEPT = "kept"

_SCHEMA = pa.schema(
    [
        ("target", pa.string()),
        ("start", pa.string()),
        ("end", pa.string()),
        ("key", pa.string()),
        ("identity", pa.uint64()),
        ("content", pa.uint64()),
    ]
)
# The texts of so many rows are in memory at a time.
_HASHED_ROWS = 50_000
_SEPARATOR = "\x1f"


class ToldFiles(Protocol):
    """Reads the files; a sink knows nothing of folders."""

    def read_before(self, name: str) -> bytes:
        """A file of the load before."""

    def read_now(self, name: str) -> bytes:
        """A file of this load, one of those that `write` gave."""


class Told(NamedTuple):
    """What a load knows of the load before it.

    Attributes:
        token: of this load.
        before: of the load whose files there are; None if there are none.
        files: of both.
        tables: by table, the number of files of this load.
        tables_before: likewise, of the load before.
    """

    token: str
    before: str | None
    files: ToldFiles
    tables: Mapping[str, int]
    tables_before: Mapping[str, int]

    def known(self, table: str, number: int) -> pa.Table:
        """The contents of the load before that may be among those of a file of this one."""
        numbers = _overlapping(number, self.tables[table], self._of(table))
        return pa.concat_tables(
            [
                pa.schema([_SCHEMA.field("content")]).empty_table(),
                *(self._read_before(table, before, ["content"]) for before in numbers),
            ]
        )

    def gone(self) -> Iterator[pa.Table]:
        """The rows of the load before that this one has not, for each file of the load before."""
        for table in self.tables_before:
            for number in range(self._of(table)):
                # Of most rows the hash is enough.
                left = _numbers(self._read_before(table, number, ["identity"]), "identity")
                for other, place in self._places(table, number):
                    if len(left):
                        left = left[~np.isin(left, self._identities(other, place))]
                if len(left):
                    rows = self._read_before(table, number)
                    yield rows.filter(pa.array(np.isin(_numbers(rows, "identity"), left)))

    def _places(self, table: str, number: int) -> Iterator[tuple[str, int]]:
        """The files of this load, those first that most likely have the rows of one before."""
        # A table that is no longer loaded has no files to be looked up in.
        now = self.tables.get(table, 0)
        likely = _overlapping(number, self._of(table), now)
        yield from ((table, place) for place in likely)
        # Where a row is need not follow from its number; those that are left are few.
        for other, files in self.tables.items():
            for place in range(files):
                if other != table or place not in likely:
                    yield other, place

    def _of(self, table: str) -> int:
        return self.tables_before.get(table, 0)

    def _read_before(self, table: str, number: int, columns: list[str] | None = None) -> pa.Table:
        data = self.files.read_before(file_name(table, number, self._of(table)))
        return _read(data, columns)

    def _identities(self, table: str, number: int) -> np.ndarray:
        data = self.files.read_now(file_name(table, number, self.tables[table]))
        return _numbers(_read(data, ["identity"]), "identity")


def file_name(table: str, number: int, of: int) -> str:
    """The name of the file beside a file of a table."""
    return f"{TOLD_FOLDER}/{table}-{number:05d}-of-{of:05d}.parquet"


def told_bytes(rows: pa.Table) -> bytes:
    """Rows as the bytes of such a file."""
    return parquet_bytes(rows)


def told_rows(merge: Merge) -> pa.Table:
    """What is remembered of each row of a statement, in their order."""
    return _concat(
        [
            _told_rows(merge, merge.rows.slice(begin, _HASHED_ROWS))
            for begin in range(0, len(merge.rows), _HASHED_ROWS)
        ]
    )


def kept_rows(kept: Mapping[str, Sequence[str]]) -> pa.Table:
    """What is remembered of nodes that are gone from the graph, but not from the database.

    Args:
        kept: by label, their ids.
    """
    labels = [label for label, ids in kept.items() for _ in ids]
    ids = [id_ for of_label in kept.values() for id_ in of_label]
    empty = [""] * len(ids)
    columns = [pa.array(column, pa.string()) for column in (labels, ids, empty, empty)]
    # No row that is sent is taken for one that is there.
    return _table(columns, pa.array(np.zeros(len(ids), np.uint64)))


def without(tables: Iterable[pa.Table], refused: Sequence[tuple[str, str, str, str]]) -> pa.Table:
    """Rows without those that the server refused.

    Args:
        tables: the rows.
        refused: `Merge.identity` of each that was refused.
    """
    rows = _concat(list(tables))
    if not refused:
        return rows
    columns = [pa.array(list(column), pa.string()) for column in zip(*refused, strict=True)]
    return rows.filter(pa.array(~np.isin(_numbers(rows, "identity"), _hashes(columns, b""))))


def is_among(rows: pa.Table, known: pa.Table, column: str) -> np.ndarray:
    """Whether a hash of each row is one of those of other rows."""
    return np.isin(_numbers(rows, column), _numbers(known, column))


def _told_rows(merge: Merge, rows: pa.Table) -> pa.Table:
    empty = pa.array([""] * len(rows), pa.string())
    ids = [
        empty if place is None else rows.column(place).combine_chunks().cast(pa.string())
        for place in merge.ids
    ]
    target = pa.array([merge.target] * len(rows), pa.string())
    # What a statement does to a row is part of what is said of it.
    content = _hashes(rows.columns, merge.statement.encode())
    return _table([target, *ids], pa.array(content))


def _table(ids: list[pa.Array], content: pa.Array) -> pa.Table:
    identity = pa.array(_hashes(ids, b""))
    return pa.table([*ids, identity, content], schema=_SCHEMA)


def _hashes(columns: list[pa.Array | pa.ChunkedArray], key: bytes) -> np.ndarray:
    """A hash of each row: of the texts of its columns and of their lengths."""
    texts = [text for column in columns for text in _texts(column)]
    joined = pc.binary_join_element_wise(
        *texts, _SEPARATOR, null_handling="replace", null_replacement=""
    )
    begun = blake2b(key, digest_size=8)
    digests = []
    for text in joined.cast(pa.binary()).to_pylist():
        hash_ = begun.copy()
        hash_.update(text)
        digests.append(hash_.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _texts(column: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    """Texts that together tell the values of a column apart, also null from empty."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_list(column.type):
        text = column.cast(pa.string())
        return [_or_dash(pc.binary_length(text)), text]
    counts = pc.list_value_length(column)
    ends = np.cumsum(counts.fill_null(0).to_numpy(zero_copy_only=False))
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    items = column.flatten().cast(pa.string())
    lengths = pa.ListArray.from_arrays(offsets, _or_dash(pc.binary_length(items)))
    texts = pa.ListArray.from_arrays(offsets, items.fill_null(""))
    return [
        _or_dash(counts),
        pc.binary_join(lengths, _SEPARATOR),
        pc.binary_join(texts, _SEPARATOR),
    ]


def _or_dash(numbers: pa.Array) -> pa.Array:
    return numbers.cast(pa.string()).fill_null("-")


def _overlapping(number: int, of: int, others: int) -> range:
    """The files of a table of so many files that share ids with one of a table of another size.

    Files hold equal ranges of ids.
    """
    return range(number * others // of, -(-(number + 1) * others // of))


def _read(data: bytes, columns: list[str] | None = None) -> pa.Table:
    return pq.read_table(io.BytesIO(data), columns=columns, use_threads=False)


def _concat(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([_SCHEMA.empty_table(), *tables])


def _numbers(rows: pa.Table, column: str) -> np.ndarray:
    return rows[column].to_numpy()
