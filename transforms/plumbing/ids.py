"""Ids derived from content: the same input gives the same graph, in whatever order it comes.

An id is a BLAKE2b digest of what it stands for. Ids travel through the pipeline
as bytes and become hexadecimal text when a table is written. They are uniformly
distributed, so that the leading bits of an id say which file its row belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import ID_BYTES, ID_TYPE

_EMPTY = blake2b(digest_size=ID_BYTES)
_HEX = np.array([int.from_bytes(b"%02x" % byte, "little") for byte in range(256)], dtype="<u2")


def spell(part: str) -> str:
    """A part of a content id, so that no two sequences of parts spell the same."""
    return f"{len(part)}:{part}"


def content_id(kind: str, *parts: str) -> bytes:
    """The id of what the parts spell."""
    spelt = f"{kind} {''.join(map(spell, parts))}"
    return blake2b(spelt.encode(), digest_size=ID_BYTES).digest()


def spelt_ids(spelt: Iterable[str]) -> list[bytes]:
    """As `content_id` each, of kind and parts that are spelt already: for ids by the million."""
    # A copy of a hash without content is made faster than a new one.
    new, ids = _EMPTY.copy, []
    for one in spelt:
        hash_ = new()
        hash_.update(one.encode())
        ids.append(hash_.digest())
    return ids


def id_array(ids: Iterable[bytes]) -> np.ndarray:
    """Ids as a matrix of bytes, one row an id."""
    return np.frombuffer(b"".join(ids), dtype=np.uint8).reshape(-1, ID_BYTES)


def to_arrow(ids: np.ndarray) -> pa.Array:
    """A matrix of ids as an Arrow column of bytes, the form in which ids travel."""
    return pa.FixedSizeBinaryArray.from_buffers(
        ID_TYPE, len(ids), [None, pa.py_buffer(np.ascontiguousarray(ids))]
    )


def from_arrow(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The matrix of an Arrow column of ids without nulls."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not len(column):
        return np.zeros((0, ID_BYTES), dtype=np.uint8)
    matrix = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    return matrix[: (column.offset + len(column)) * ID_BYTES].reshape(-1, ID_BYTES)[column.offset :]


def sort_keys(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two integers an id, least significant first, that sort (`np.lexsort`) as ids do."""
    ids = np.ascontiguousarray(ids)
    high = ids[:, :8].copy().view(">u8").reshape(-1).astype(np.uint64)
    low = ids[:, 8:].copy().view(">u4").reshape(-1).astype(np.uint32)
    return low, high


def id_order(ids: np.ndarray) -> np.ndarray:
    """The order that sorts ids: `np.lexsort` of their `sort_keys`, mostly in half the time."""
    low, high = sort_keys(ids)
    return _order(low, high)


def _order(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    order = np.argsort(high, kind="stable")
    # Ids that begin with the same eight bytes are mostly equal. Then the rest needs no sorting.
    same = high[order[1:]] == high[order[:-1]]
    if (low[order[1:][same]] != low[order[:-1][same]]).any():
        return np.lexsort((low, high))
    return order


def group_ids(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorts ids and numbers the distinct ones.

    Returns:
        The order that sorts the ids; for each sorted row the number of its group;
        and for each group the position, in that order, of its first row.
    """
    low, high = sort_keys(ids)
    order = _order(low, high)
    low, high = low[order], high[order]
    first = np.ones(len(ids), dtype=bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return order, np.cumsum(first) - 1, np.flatnonzero(first)


def to_hex(ids: np.ndarray) -> pa.Array:
    """A matrix of ids as an Arrow column of hexadecimal text."""
    digits = np.ascontiguousarray(_HEX[ids])
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * (2 * ID_BYTES)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(digits))


def shard_of(ids: np.ndarray, shards: int) -> np.ndarray:
    """The shard of each id: equal ranges of ids, so that shards are in the order of ids."""
    leading = np.ascontiguousarray(ids[:, :4]).view(">u4").reshape(-1).astype(np.uint64)
    return ((leading * np.uint64(shards)) >> np.uint64(32)).astype(np.int64)


def shard_of_hex(ids: pa.ChunkedArray, shards: int) -> np.ndarray:
    """The shard of each id of a column of hexadecimal text: as `shard_of` says of its bytes."""
    if shards == 1 or not len(ids):
        return np.zeros(len(ids), dtype=np.int64)
    leading = pc.utf8_slice_codeunits(ids, 0, 8).to_numpy().astype("S8")
    digits = np.frombuffer(leading.tobytes(), dtype=np.uint8).reshape(-1, 8).astype(np.uint64)
    nibbles = np.where(digits >= ord("a"), digits - ord("a") + 10, digits - ord("0"))
    places = np.uint64(16) ** np.arange(7, -1, -1, dtype=np.uint64)
    return (((nibbles * places).sum(axis=1) * np.uint64(shards)) >> np.uint64(32)).astype(np.int64)


def shard_of_documents(document_ids: pa.ChunkedArray, shards: int) -> np.ndarray:
    """The shard of each row by its document: all that is of one document is in one shard."""
    if shards == 1 or not len(document_ids):
        return np.zeros(len(document_ids), dtype=np.int64)
    distinct = document_ids.combine_chunks().dictionary_encode()
    ids = id_array(content_id("document", id_) for id_ in distinct.dictionary.to_pylist())
    return shard_of(ids, shards)[distinct.indices.to_numpy()]
