"""From the description of a run of rows to chunks of documents, streamed.

A run (`ChunkRun`) is a row group, or a part of one. Its rows are read in order
and cut into chunks; where the next chunk begins follows from the one before, so
that a chunk's name, and whether its file exists, is known before its text is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError

from pfn_kg.schemas.extraction import Rejection
from pfn_kg.transforms.plumbing.files import open_raw

# What a batch of rows takes in memory at most, going by the footer's averages.
_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 64


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file that are read; None where there is none."""

    text: str
    id: str | None
    title: str | None
    metadata: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Each column once."""
        return list(dict.fromkeys([c for c in (self.id, self.title, self.text) if c])) + [
            c for c in self.metadata if c not in (self.id, self.title, self.text)
        ]


@dataclass(frozen=True, slots=True)
class ChunkRun:
    """A run of rows of one row group, to be cut into chunks.

    Attributes:
        file: where the rows are.
        fingerprint: hash of all that the extractions depend on: the file's version,
            the model, the options.
        row_group: number of the row group; -1 for a file that can't be read.
        group_begin: row of the file at which the row group begins.
        begin: first row of the run, counted in the file.
        end: one past its last row.
        columns: what is read.
        batch_rows: how many rows to read at once.
        chunk_documents: rows in a chunk at most.
        chunk_characters: a chunk ends before the document that would pass this.
        unreadable: why the file can't be read at all.
        wanted: the rows of the file that are read; None is all of the run's.
    """

    file: str
    fingerprint: str
    row_group: int
    group_begin: int
    begin: int
    end: int
    columns: Columns
    batch_rows: int
    chunk_documents: int
    chunk_characters: int
    unreadable: str | None = None
    wanted: frozenset[int] | None = None

    def is_wanted(self, row: int) -> bool:
        """Whether a row is read."""
        return self.wanted is None or row in self.wanted

    def chunk_name(self, row: int) -> str:
        """The name of the chunk that begins at that row."""
        spelt = f"{self.fingerprint} {self.row_group} {self.begin} {self.end} {row}"
        return blake2b(spelt.encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class Document:
    """A row of the corpus; one that can't be used has no text and says why."""

    source_row: int
    document_id: str | None = None
    title: str | None = None
    metadata: str | None = None
    content_hash: str | None = None
    text: str | None = None
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(slots=True)
class Chunk:
    """Documents that are extracted together, and their place in the source.

    Attributes:
        name: of its file.
        source_file: where the rows come from.
        begin: first row.
        end: one past the last row, rows that could not be read included.
        documents: one for each row that could be read, and one, without text, for
            the rest of a run that could not.
        unwanted: rows that were passed over, since the graph has what they say.
    """

    name: str
    source_file: str
    begin: int
    end: int
    documents: list[Document] = field(default_factory=list)
    unwanted: int = 0


def batch_rows(row_bytes: float) -> int:
    """How many rows to read at once, if a row takes that many bytes."""
    return int(max(1, min(_BATCH_ROWS, _BATCH_BYTES / max(row_bytes, 1))))


def read_chunks(run: ChunkRun, next_row: Callable[[str, int], int | None]) -> Iterator[Chunk]:
    """Streams the chunks of a run that are not finished yet.

    Args:
        run: what to read.
        next_row: for the name and the first row of a chunk, one past its last row
            if its file exists, else None.

    Raises:
        OSError: if the file system fails. Rows that the file itself makes unreadable
            become a rejection instead.
    """
    row = run.begin
    while row < run.end and (after := next_row(run.chunk_name(row), row)) is not None:
        row = after
    if run.unreadable is not None:
        if run.is_wanted(-1) and next_row(run.chunk_name(run.begin), run.begin) is None:
            chunk = _new_chunk(run, run.begin)
            chunk.end = run.end
            chunk.documents.append(_unreadable(run))
            yield chunk
        return
    if row >= run.end:
        return
    chunk, characters = _new_chunk(run, row), 0
    try:
        for document in _documents(run, row):
            row = document.source_row
            if not run.is_wanted(row):
                chunk.unwanted += 1
                row += 1
                continue
            size = len(document.text or "")
            if chunk.documents and (
                len(chunk.documents) >= run.chunk_documents
                or characters + size > run.chunk_characters
            ):
                chunk.end = row
                if next_row(chunk.name, chunk.begin) is None:
                    yield chunk
                chunk, characters = _new_chunk(run, row), 0
            chunk.documents.append(document)
            characters += size
            row += 1
    except Exception as error:
        if not _is_corruption(error):
            raise
        if run.is_wanted(row):
            chunk.documents.append(_corrupt(run, row, error))
    chunk.end = run.end
    if chunk.documents and next_row(chunk.name, chunk.begin) is None:
        yield chunk


def _new_chunk(run: ChunkRun, row: int) -> Chunk:
    return Chunk(run.chunk_name(row), run.file, row, row)


def read_documents(run: ChunkRun) -> Iterator[Document]:
    """Streams the documents of a run as `read_chunks` does, wanted or not.

    Raises:
        OSError: if the file system fails.
    """
    if run.unreadable is not None:
        yield _unreadable(run)
        return
    row = run.begin
    documents = _documents(run, row)
    while True:
        try:
            document = next(documents, None)
        except Exception as error:
            if not _is_corruption(error):
                raise
            document, documents = _corrupt(run, row, error), iter(())
        if document is None:
            return
        row = document.source_row + 1
        yield document


def _unreadable(run: ChunkRun) -> Document:
    reason = f"not a readable Parquet file: {run.unreadable}"
    # A file whose rows can't be counted has no row that could be named.
    return Document(source_row=-1, rejected=[Rejection("read", None, reason)])


def _corrupt(run: ChunkRun, row: int, error: Exception) -> Document:
    reason = (
        f"rows {row} to {run.end - 1} of row group {run.row_group} "
        f"can't be read: {' '.join(str(error).split())}"
    )
    return Document(source_row=row, rejected=[Rejection("read", None, reason)])


def _is_corruption(error: Exception) -> bool:
    """Whether the file's content is at fault, and not the way to it (which is retried)."""
    if isinstance(error, BeamIOError):
        return False
    if isinstance(error, OSError):
        # Arrow's own complaints are OSErrors without a number.
        return error.errno is None
    return isinstance(error, pa.ArrowException)


def _documents(run: ChunkRun, begin: int) -> Iterator[Document]:
    """Streams the rows of a run from `begin` on."""
    row = run.group_begin
    with open_raw(run.file) as file:
        # Buffered reading keeps a piece of each column in memory, not the row group.
        parquet = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        batches = parquet.iter_batches(
            batch_size=run.batch_rows,
            row_groups=[run.row_group],
            columns=run.columns.names(),
            use_threads=False,
        )
        for batch in batches:
            skip = max(0, begin - row)
            if skip < batch.num_rows:
                wanted = batch.slice(skip, run.end - row - skip)
                for index, document in enumerate(_batch_documents(wanted, run.columns)):
                    document.source_row = row + skip + index
                    yield document
            row += batch.num_rows
            if row >= run.end:
                return


def _batch_documents(batch: pa.RecordBatch, columns: Columns) -> Iterator[Document]:
    texts = _strings(batch.column(columns.text))
    ids = _strings(batch.column(columns.id)) if columns.id else None
    titles = _strings(batch.column(columns.title)) if columns.title else None
    metadata = {name: _values(batch.column(name)) for name in columns.metadata}
    for index, text in enumerate(texts):
        document = Document(source_row=-1)
        values = {name: column[index] for name, column in metadata.items()}
        if values:
            document.metadata = json.dumps(
                {name: _plain(value) for name, value in values.items()}, ensure_ascii=False
            )
        title = titles[index] if titles else None
        document.title = title if isinstance(title, str) else None
        _fill(document, text, id_=ids[index] if ids else None, columns=columns)
        yield document


def _fill(
    document: Document, text: str | _Undecodable | None, *, id_: Any, columns: Columns
) -> None:
    """Sets id, text and hash, or the rejection."""

    def reject(reason: str, payload: str | None = None) -> None:
        document.rejected.append(Rejection("read", None, reason, payload))

    if columns.id is not None:
        if isinstance(id_, _Undecodable):
            return reject(f"column {columns.id!r} is {id_.reason}")
        if not id_:
            return reject(f"column {columns.id!r} is {'null' if id_ is None else 'empty'}")
        document.document_id = id_
    if text is None:
        return reject(f"column {columns.text!r} is null")
    if isinstance(text, _Undecodable):
        return reject(f"column {columns.text!r} is {text.reason}")
    if not text.strip():
        return reject(f"column {columns.text!r} is empty or white space", text[:200])
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    document.content_hash = digest
    if columns.id is None:
        document.document_id = digest
    document.text = text


class _Undecodable:
    """A string of the file that is no text."""

    __slots__ = ("reason",)

    def __init__(self, error: UnicodeDecodeError) -> None:
        self.reason = f"not valid UTF-8 at byte {error.start}"


def _strings(column: pa.Array) -> list[Any]:
    """Strings, with integers as decimal strings and `_Undecodable` where bytes are no text."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_decode(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _decode(value: bytes | None) -> str | _Undecodable | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        return _Undecodable(error)


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _strings(column)
    return column.to_pylist()


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: what JSON has not becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, _Undecodable):
        return None
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
