"""The Parquet file of a corpus: written to its end, or not there.

Which fields the documents have, and of which types, is known only when all of them are read. So
documents first go to a temporary file, and memory holds a batch of them at a time.
"""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pipeline.ingest.records import Document
from pfn_kg.pipeline.pages import PAGES
from pfn_kg.transforms.plumbing.files import (
    absolute,
    is_local,
    local_path,
    make_folder,
    replacing,
)

#: The column of the file that a document comes from.
FILE = "file"

_OWN = {
    "id": pa.string(),
    "title": pa.string(),
    "text": pa.large_string(),
    FILE: pa.string(),
    PAGES: pa.list_(pa.int32()),
}
_SPOOL = pa.schema({**_OWN, "fields": pa.large_binary()})
_BATCH_DOCUMENTS = 1000
_BATCH_CHARACTERS = 8_000_000
_INT64 = 1 << 63


class CorpusFile:
    """Takes documents, and writes a Parquet file of them in the end.

    The columns are `id`, `title`, `text`, `file`, `pages` if any document has pages, and one for
    each field. A field whose values are all whole numbers, numbers, truth values or texts has that
    type. Any other is text: texts as they are, and all else as JSON.

    Args:
        path: of the file, on any file system that Beam knows.
        fields: the fields that are kept; None keeps all.
    """

    def __init__(self, path: str, fields: tuple[str, ...] | None = None):
        self._path = absolute(path)
        self._fields = fields
        self._types: dict[str, set[type]] = {}
        self._has_pages = False
        self._rows: list[dict[str, Any]] = []
        self._characters = 0
        folder = None
        if is_local(self._path):
            folder = str(local_path(self._path).parent)
            make_folder(folder)
        # The file has no name: whatever ends this process, it is gone.
        self._spool = cast(BinaryIO, tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._writer = pa.ipc.new_stream(self._spool, _SPOOL, options=options)
        self.count = 0

    def __enter__(self) -> CorpusFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def add(self, document: Document, name: str, id_: str | None) -> None:
        """Takes a document.

        Args:
            document: with at least a text.
            name: of its file.
            id_: of the document; None derives it from title and text.
        """
        fields = {}
        for key, value in document.fields.items():
            if self._fields is None or key in self._fields:
                fields[key] = _json_value(value)
                self._types.setdefault(key, set()).add(type(fields[key]))
        self._has_pages = self._has_pages or bool(document.pages)
        self._rows.append(
            {
                "id": id_ or _content_id(document),
                "title": document.title,
                "text": document.text,
                FILE: name,
                PAGES: list(document.pages) or None,
                "fields": orjson.dumps(fields, default=str),
            }
        )
        self.count += 1
        self._characters += len(document.text)
        if len(self._rows) >= _BATCH_DOCUMENTS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, _SPOOL))
            self._rows.clear()
            self._characters = 0

    @property
    def metadata_columns(self) -> list[str]:
        """The columns beside `id`, `title` and `text`, in their order."""
        pages = [PAGES] if self._has_pages else []
        return [FILE, *pages, *self._column_names().values()]

    def _column_names(self) -> dict[str, str]:
        """The column of each field: its name, with a number where a column has that name."""
        taken = set(_OWN)
        names = {}
        for field in self._types:
            name, number = field, 1
            while name in taken or (number > 1 and name in self._types):
                number += 1
                name = f"{field}_{number}"
            taken.add(name)
            names[field] = name
        return names

    def write(self) -> None:
        """Writes the file; who looks finds all of it, or what was there before.

        Raises:
            OSError: if it can't be written.
        """
        self._flush()
        self._writer.close()
        self._spool.seek(0)
        with replacing(self._path) as file:
            self._write_parquet(file)

    def _write_parquet(self, file: BinaryIO) -> None:
        names = self._column_names()
        types = {field: _arrow_type(found) for field, found in self._types.items()}
        own = [name for name in _OWN if name != PAGES or self._has_pages]
        schema = pa.schema(
            [(name, _OWN[name]) for name in own] + [(names[f], types[f]) for f in types]
        )
        with (
            pq.ParquetWriter(file, schema, compression="zstd") as writer,
            pa.ipc.open_stream(self._spool) as reader,
        ):
            for batch in reader:
                columns: list[Any] = [batch.column(name) for name in own]
                rows = [orjson.loads(data) for data in batch.column("fields").to_pylist()]
                columns += [
                    pa.array([_as(row.get(field), type_) for row in rows], type_)
                    for field, type_ in types.items()
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _content_id(document: Document) -> str:
    """An id that the same title and text always have."""
    spelt = json.dumps([document.title, document.text])
    return blake2b(spelt.encode(), digest_size=12).hexdigest()


def _json_value(value: Any) -> Any:
    """A value as JSON has it: dates of YAML become ISO 8601."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json_value(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def _arrow_type(found: set[type]) -> pa.DataType:
    """The type of a column with values of some types."""
    found = found - {type(None)}
    if found == {bool}:
        return pa.bool_()
    if found == {int}:
        return pa.int64()
    if found and found <= {int, float}:
        return pa.float64()
    return pa.string()


def _as(value: Any, type_: pa.DataType) -> Any:
    if value is None or isinstance(value, str) or not pa.types.is_string(type_):
        return float(value) if value is not None and pa.types.is_floating(type_) else value
    return json.dumps(value, ensure_ascii=False)
