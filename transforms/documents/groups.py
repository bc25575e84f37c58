"""The groups in which rows of one document id meet, to be compared."""

from __future__ import annotations

import zlib

# So many chunks a group: enough to keep groups small, and not so few that what a chunk gives
# each of them is next to nothing. The result does not depend on it.
_CHUNKS = 64


def group_count(chunks: int) -> int:
    """In how many groups the documents of so many chunks meet."""
    return 1 + chunks // _CHUNKS


def group_of(key: str, groups: int) -> int:
    """The group in which rows of one key meet."""
    return zlib.crc32(key.encode()) % groups


def place_key(source_file: str, source_row: int) -> str:
    """What stands for the document id where a row of the source itself is meant."""
    return f"{source_row} {source_file}"
