"""Rows on their way to the file they will stand in, as Arrow IPC bytes.

Of a large corpus a shard gets a few rows from each worker. A schema takes more bytes than these,
and so do Arrow's descriptions of buffers. Therefore rows of a schema that all workers know travel
without it, and the rest is compressed as a whole: a local runner holds what is shuffled in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import SHUFFLED_SCHEMAS

_CODEC = "lz4_raw"
# The key of the schema, and the bytes before they were compressed.
_FRAME = Struct("<4sQ")
_WITH_SCHEMA = bytes(4)
# The bytes that a stream ends with.
_END = 8


class _Known(NamedTuple):
    """A schema that needs not travel.

    Attributes:
        key: by which workers know it.
        begin: how many bytes a stream of such rows begins with.
    """

    key: bytes
    begin: int


@cache
def _known() -> dict[pa.Schema, _Known]:
    found = {}
    for schema in SHUFFLED_SCHEMAS:
        key = blake2b(str(schema).encode(), digest_size=len(_WITH_SCHEMA)).digest()
        found[schema] = _Known(key, _stream(schema.empty_table()).size - _END)
    return found


@cache
def _schemas() -> dict[bytes, pa.Schema]:
    return {known.key: schema for schema, known in _known().items()}


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        # Of a table without rows there may be a batch, or none.
        if len(table):
            writer.write_table(table)
    return sink.getvalue()


def encode(table: pa.Table) -> bytes:
    """A table as bytes for `decode`: an Arrow IPC stream, abridged and compressed."""
    key, content = _WITH_SCHEMA, _stream(table)
    if (known := _known().get(table.schema)) is not None:
        key = known.key
        content = content.slice(known.begin, content.size - known.begin - _END)
    return _FRAME.pack(key, content.size) + pa.compress(content, codec=_CODEC, asbytes=True)


def decode(data: bytes | memoryview) -> pa.Table:
    """The table of bytes that `encode` gave.

    Raises:
        ValueError: if the worker that encoded it has another version of this package.
    """
    key, size = _FRAME.unpack_from(data)
    content = pa.decompress(memoryview(data)[_FRAME.size :], size, codec=_CODEC)
    if key == _WITH_SCHEMA:
        with pa.ipc.open_stream(content) as reader:
            return reader.read_all()
    schema = _schemas().get(key)
    if schema is None:
        raise ValueError("rows of an unknown schema; do all workers have the same pfn-kg?")
    source, batches = pa.BufferReader(content), []
    while source.tell() < size:
        batches.append(pa.ipc.read_record_batch(pa.ipc.read_message(source), schema))
    return pa.Table.from_batches(batches, schema)


def decode_all(parts: Iterable[bytes]) -> pa.Table | None:
    """The rows of all parts as one table; None where there is no part."""
    tables = [decode(data) for data in parts]
    return pa.concat_tables(tables) if tables else None


class ShuffledRows:
    """Rows that become Arrow IPC bytes where they leave the process, and only there.

    Args:
        table: the rows.
    """

    def __init__(self, table: pa.Table):
        self.table = table

    def __len__(self) -> int:
        """Their bytes."""
        return self.table.nbytes

    def __reduce__(self) -> tuple[Callable[[bytes], ShuffledRows], tuple[bytes]]:
        return _shuffled, (encode(self.table),)


def _shuffled(data: bytes) -> ShuffledRows:
    return ShuffledRows(decode(data))


def split(table: pa.Table, shard: np.ndarray, shards: int) -> Iterator[tuple[int, bytes]]:
    """Cuts a table by shard; yields the number of each non-empty shard and its rows."""
    for number, rows in split_rows(table, shard, shards):
        yield number, encode(rows)


def split_rows(table: pa.Table, shard: np.ndarray, shards: int) -> Iterator[tuple[int, pa.Table]]:
    """As `split`, with the rows as tables, which share their memory."""
    if not len(table):
        return
    if shards == 1:
        yield 0, table
        return
    table = table.take(pa.array(np.argsort(shard, kind="stable")))
    counts = np.bincount(shard, minlength=shards)
    begins = np.cumsum(counts) - counts
    for number in np.flatnonzero(counts).tolist():
        yield number, table.slice(begins[number], counts[number])
