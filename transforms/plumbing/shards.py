"""Rows on their way to the file they will stand in, as Arrow IPC bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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
