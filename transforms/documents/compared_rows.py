"""The rows that are compared where a corpus meets the graph of an earlier run (VERSION_SCHEMA).

Their key says which document they hold, or where in the source a row is that holds none. A row that
names a document, but was rejected before its text was read, is there twice: by its place, and by
its document with no version. The latter has no say in what the document is. It tells that the
document is there.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.transforms.documents.groups import place_key

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
    return spelt(f"place {place_key(file, row)}")


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
