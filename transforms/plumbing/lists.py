"""Reading the lists that a manifest names."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.transforms.plumbing.files import exists, open_raw, unreadable

_ROWS = 10_000


def read_list(path: str, schema: pa.Schema, count: int) -> Iterator[pa.RecordBatch]:
    """Streams the rows of a list.

    Args:
        path: of the file.
        schema: its columns; those that are read.
        count: how many rows it must have.

    Raises:
        OSError: if the file can't be read, or has another number of rows; names it.
    """
    if not exists(path):
        raise OSError(f"{path} is not there; do all workers see this folder?")
    rows = 0
    try:
        with open_raw(path) as file:
            parquet = pq.ParquetFile(file, page_checksum_verification=True)
            for batch in parquet.iter_batches(_ROWS, columns=schema.names, use_threads=False):
                rows += len(batch)
                yield batch.cast(schema)
    except Exception as error:
        raise unreadable(path, error) from None
    if rows != count:
        raise OSError(f"{path} has {rows} rows in place of {count}")
