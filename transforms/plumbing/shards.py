"""Rows on their way to the file they will stand in, as Arrow IPC bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

# Compressed, since a local runner holds what is shuffled in memory.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def encode(table: pa.Table) -> bytes:
    """A table as Arrow IPC bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def decode(data: bytes) -> pa.Table:
    """The table of Arrow IPC bytes."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def decode_all(parts: Iterable[bytes]) -> pa.Table | None:
    """The rows of all parts as one table; None where there is no part."""
    tables = [decode(data) for data in parts]
    return pa.concat_tables(tables) if tables else None


def split(table: pa.Table, shard: np.ndarray, shards: int) -> Iterator[tuple[int, bytes]]:
    """Cuts a table by shard; yields the number of each non-empty shard and its rows."""
    if not len(table):
        return
    if shards == 1:
        yield 0, encode(table)
        return
    table = table.take(pa.array(np.argsort(shard, kind="stable")))
    counts = np.bincount(shard, minlength=shards)
    begins = np.cumsum(counts) - counts
    for number in np.flatnonzero(counts).tolist():
        yield number, encode(table.slice(begins[number], counts[number]))
