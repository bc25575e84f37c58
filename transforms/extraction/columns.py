"""Reading the files of the extract phase, whole or by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.transforms.plumbing.files import open_raw, unreadable


class ChunkFile(NamedTuple):
    """One file of extractions.

    Attributes:
        number: its position in the manifest's list.
        path: where it lies.
        model_hash: the model that made it.
        generation: the run that made it; of two rows with one document id that of
            the later run is kept.
    """

    number: int
    path: str
    model_hash: str
    generation: int = 0


def read_columns(path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a Parquet file from any file system that Beam knows.

    Args:
        path: the file.
        columns: the columns or leaves to read; all without.

    Raises:
        OSError: if the file can't be read; names it.
    """
    try:
        with open_raw(path) as file:
            # Decoding is a small part of the work and the workers are processes already.
            return pq.ParquetFile(file).read(columns=columns, use_threads=False)
    except Exception as error:
        # Few errors of file systems and of Arrow name the file.
        raise unreadable(path, error) from None
