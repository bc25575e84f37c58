"""The tables as Parquet: same rows, same bytes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq


def parquet_bytes(table: pa.Table, group_rows: int | None = None) -> bytes:
    """A table as the bytes of one Parquet file.

    The bytes follow from the rows and their order, not from how they were put together.

    Args:
        table: the rows.
        group_rows: rows in a row group; Arrow's default without.
    """
    sink = pa.BufferOutputStream()
    # Chunk borders would show in the pages.
    pq.write_table(table.combine_chunks(), sink, compression="zstd", row_group_size=group_rows)
    return sink.getvalue().to_pybytes()
