"""The groups in which rows of one document id meet, to be compared."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa

# So many chunks a group: enough to keep groups small, and not so few that what a chunk gives
# each of them is next to nothing. The result does not depend on it.
_CHUNKS = 64
# So many rows a group, where their number is known: some megabytes.
_ROWS = 50_000


def group_count(chunks: int) -> int:
    """In how many groups the documents of so many chunks meet."""
    return 1 + chunks // _CHUNKS


def groups_for_rows(rows: int) -> int:
    """In how many groups so many rows meet."""
    return 1 + rows // _ROWS


def groups_of(keys: pa.ChunkedArray, groups: int) -> np.ndarray:
    """The groups in which rows of equal keys meet.

    Args:
        keys: of each row, as text or bytes.
        groups: how many there are.
    """
    if groups == 1:
        return np.zeros(len(keys), dtype=np.int64)
    spelt = keys.cast(pa.binary()).to_pylist()
    return np.array([zlib.crc32(key) for key in spelt], dtype=np.int64) % groups


def place_key(source_file: str, source_row: int) -> str:
    """What stands for the document id where a row of the source itself is meant."""
    return f"{source_row} {source_file}"
