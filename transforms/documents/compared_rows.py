"""The rows that are compared where a corpus meets the graph of an earlier run.

They are of VERSION_SCHEMA for an update and of RETRY_SCHEMA for what was rejected.

Their key says which document they hold, or where in the source a row is that holds none. A row that
names a document, but was rejected before its text was read, is there twice: by its place, and by
its document with no version. The latter has no say in what the document is. It tells that the
document is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.transforms.documents.groups import groups_of, place_key
from pfn_kg.transforms.plumbing.held_rows import SpreadRows

_DOCUMENT = b"document "


def spelt(text: str) -> bytes:
    """Text as bytes; a path may be no UTF-8."""
    return text.encode(errors="surrogatepass")


def document_key(document_id: str) -> bytes:
    """The key of a document."""
    return _DOCUMENT + spelt(document_id)


def row_key(document_id: str | None, content_hash: str | None, file: str, row: int) -> bytes:
    """The key of a row: that of its document if its text was read, else that of its place."""
    if document_id is not None and content_hash is not None:
        return document_key(document_id)
    return source_key(file, row)


def source_key(file: str, row: int) -> bytes:
    """The key of a place in the source."""
    return spelt(f"place {place_key(file, row)}")


class SpreadByKey(SpreadRows):
    """Rows by group of their keys."""

    def groups_of(self, rows: pa.Table) -> np.ndarray:
        """As `SpreadRows.groups_of`."""
        return groups_of(rows["key"], self._groups)


def table_of(schema: pa.Schema, columns: Mapping[str, Sequence[Any]], count: int) -> pa.Table:
    """So many rows of a schema, with nulls in the columns that are not given."""
    nothing = [None] * count
    return pa.table({name: columns.get(name, nothing) for name in schema.names}, schema)


def first_of_each_key(rows: pa.Table, *beside: tuple[str, str]) -> pa.Table:
    """Of each key the row of the greatest generation, of these that at the lowest place.

    Args:
        rows: with the columns `key`, `generation`, `source_file` and `source_row`.
        beside: what decides between generation and place, as `pa.Table.sort_by` takes it.
    """
    rows = rows.sort_by(
        [
            ("key", "ascending"),
            ("generation", "descending"),
            *beside,
            ("source_file", "ascending"),
            ("source_row", "ascending"),
        ]
    ).combine_chunks()
    keys = rows["key"].combine_chunks()
    if isinstance(keys, pa.ChunkedArray):
        keys = pa.concat_arrays(keys.chunks)
    is_first = np.ones(len(rows), dtype=bool)
    if len(rows) > 1:
        is_first[1:] = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    return rows.filter(pa.array(is_first))


def is_of_document(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows tell of a document."""
    return pc.starts_with(rows["key"], pattern=_DOCUMENT)


def said_something(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows say what their document or place is; the others only that a document is there."""
    return rows["version"].is_valid()


def document_ids(keys: pa.ChunkedArray) -> list[str]:
    """The documents of their keys."""
    begin = len(_DOCUMENT)
    return [key[begin:].decode(errors="surrogatepass") for key in keys.to_pylist()]
