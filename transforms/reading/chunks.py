"""From the description of a run of rows to chunks of documents, streamed.

The rows of a run (`pfn_kg.transforms.reading.runs`) are read in order and cut into chunks; where
the next chunk begins follows from the one before, so that a chunk's name, and whether its file
exists, is known before its text is read.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.schemas.extraction import Rejection
from pfn_kg.transforms.plumbing.files import open_raw
from pfn_kg.transforms.plumbing.listing import (
    file_metadata,
    file_version,
)
from pfn_kg.transforms.reading.columns import (
    Undecodable,
    column_of,
    metadata_of,
    strings,
)
from pfn_kg.transforms.reading.runs import AnyRun, ChunkRun


@dataclass(slots=True)
class Document:
    """A row of the corpus; one that can't be used has no text and says why.

    Attributes:
        source_row: its row in the file; -1 if the file has none.
        source_file: the file.
        document_id: its id.
        title: its title, if it has one.
        metadata: a JSON object, if metadata is read.
        content_hash: of its text.
        text: its text.
        rejected: why it can't be used.
        is_lost: whether its file can't be read: which document it holds is not known.
    """

    source_row: int
    source_file: str = ""
    document_id: str | None = None
    title: str | None = None
    metadata: str | None = None
    content_hash: str | None = None
    text: str | None = None
    rejected: list[Rejection] = field(default_factory=list)
    is_lost: bool = False


@dataclass(slots=True)
class Chunk:
    """Documents that are extracted together, and their place in their run.

    Attributes:
        name: of its file.
        begin: first row, as the run counts them.
        end: one past the last row, rows that could not be read included.
        documents: one for each row; a row that can't be read has no text.
        unwanted: rows that were passed over, since the graph has what they say.
    """

    name: str
    begin: int
    end: int
    documents: list[Document] = field(default_factory=list)
    unwanted: int = 0


def read_chunks(run: AnyRun, next_row: Callable[[str, int], int | None]) -> Iterator[Chunk]:
    """Streams the chunks of a run that are not finished yet.

    Args:
        run: what to read.
        next_row: for the name and the first row of a chunk, one past its last row
            if its file exists, else None.

    Raises:
        OSError: if the file system fails, or the file is not the one that was planned. Rows that
            the file itself makes unreadable become rejections instead.
    """
    begin = run.begin
    while begin < run.end and (after := next_row(run.chunk_name(begin), begin)) is not None:
        begin = after
    if isinstance(run, ChunkRun) and run.unreadable is not None:
        if run.is_wanted(-1) and next_row(run.chunk_name(run.begin), run.begin) is None:
            chunk = _new_chunk(run, run.begin)
            chunk.end = run.end
            chunk.documents.append(_unreadable(run))
            yield chunk
        return
    if begin >= run.end:
        return
    chunk, characters = _new_chunk(run, begin), 0
    for row, document in _numbered(run, begin):
        if not run.is_wanted(row):
            chunk.unwanted += 1
            continue
        size = len(document.text or "")
        if chunk.documents and (
            len(chunk.documents) >= run.chunk_documents or characters + size > run.chunk_characters
        ):
            chunk.end = row
            if next_row(chunk.name, chunk.begin) is None:
                yield chunk
            chunk, characters = _new_chunk(run, row), 0
        chunk.documents.append(document)
        characters += size
    chunk.end = run.end
    if chunk.documents and next_row(chunk.name, chunk.begin) is None:
        yield chunk


def _new_chunk(run: AnyRun, row: int) -> Chunk:
    return Chunk(run.chunk_name(row), row, row)


def read_documents(run: AnyRun) -> Iterator[tuple[int, Document]]:
    """Streams the documents of a run as `read_chunks` does, wanted or not.

    Yields:
        The row, as the run counts them, and the document.

    Raises:
        OSError: if the file system fails.
    """
    if isinstance(run, ChunkRun) and run.unreadable is not None:
        yield -1, _unreadable(run)
        return
    yield from _numbered(run, run.begin)


def _numbered(run: AnyRun, begin: int) -> Iterator[tuple[int, Document]]:
    """The documents of a run from a row on, each with its row as the run counts them."""
    if isinstance(run, ChunkRun):
        for document in _documents(run, begin):
            yield document.source_row, document
        return
    before = 0
    for part in run.runs:
        rows = part.end - part.begin
        if begin < before + rows:
            first = part.begin + max(begin - before, 0)
            for document in _documents(part, first):
                yield before + document.source_row - part.begin, document
        before += rows


def _unreadable(run: ChunkRun) -> Document:
    reason = f"not a readable Parquet file: {run.unreadable}"
    # A file whose rows can't be counted has no row that could be named.
    return Document(-1, run.file, rejected=[Rejection("read", None, reason)], is_lost=True)


def _corrupt(run: ChunkRun, begin: int, error: Exception) -> Iterator[Document]:
    """One rejected document for each row from `begin` on, so that lost documents are counted."""
    reason = (
        f"rows {begin} to {run.end - 1} of row group {run.row_group} "
        f"can't be read: {' '.join(str(error).split())}"
    )
    for row in range(begin, run.end):
        yield Document(row, run.file, rejected=[Rejection("read", None, reason)], is_lost=True)


def _is_corruption(error: Exception) -> bool:
    """Whether the file's content is at fault, and not the way to it (which is retried)."""
    if hasattr(error, "exception_details"):  # of Beam's file systems
        return False
    if isinstance(error, OSError):
        # Arrow's own complaints are OSErrors without a number.
        return error.errno is None
    return isinstance(error, pa.ArrowException)


def _documents(run: ChunkRun, begin: int) -> Iterator[Document]:
    """Streams the rows of a run from `begin` on; those that are corrupt are rejected."""
    row = begin
    _check_unchanged(run)
    try:
        for document in _read_rows(run, begin):
            row = document.source_row + 1
            yield document
    except Exception as error:
        if not _is_corruption(error):
            raise
        # Another file in its place would look corrupt as well.
        _check_unchanged(run)
        yield from _corrupt(run, row, error)
    _check_unchanged(run)


def _check_unchanged(run: ChunkRun) -> None:
    """Refuses a file that is not the one that was planned: its rows would be mixed.

    Raises:
        OSError: says what changed.
    """
    try:
        metadata = file_metadata(run.file)
    except OSError as error:
        raise OSError(errno.ENOENT, f"{run.file} is gone since the run began: {error}") from error
    now = metadata.size_in_bytes, file_version(metadata)
    if now != (run.size, run.version):
        raise OSError(
            errno.ESTALE,
            f"{run.file} changed while it was read ({run.size} bytes, then {now[0]}); run again "
            "when it is written",
        )


def _read_rows(run: ChunkRun, begin: int) -> Iterator[Document]:
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
                for index, document in enumerate(_batch_documents(wanted, run)):
                    document.source_row = row + skip + index
                    yield document
            row += batch.num_rows
            if row >= run.end:
                return


def _batch_documents(batch: pa.RecordBatch, run: ChunkRun) -> Iterator[Document]:
    columns = run.columns
    texts = strings(column_of(batch, columns.text))
    ids = strings(column_of(batch, columns.id)) if columns.id else None
    titles = strings(column_of(batch, columns.title)) if columns.title else None
    metadata = metadata_of(batch, columns)
    for index, text in enumerate(texts):
        document = Document(-1, run.file, metadata=metadata[index])
        title = titles[index] if titles else None
        document.title = title if isinstance(title, str) else None
        _fill(document, text, id_=ids[index] if ids else None, run=run)
        yield document


def _fill(document: Document, text: str | Undecodable | None, *, id_: Any, run: ChunkRun) -> None:
    """Sets id, text and hash, or the rejection."""
    columns = run.columns

    def reject(reason: str, payload: str | None = None) -> None:
        document.rejected.append(Rejection("read", None, reason, payload))

    if columns.id is not None:
        if isinstance(id_, Undecodable):
            return reject(f"column {columns.id!r} is {id_.reason}")
        if not id_:
            return reject(f"column {columns.id!r} is {'null' if id_ is None else 'empty'}")
        document.document_id = id_
    if text is None:
        return reject(f"column {columns.text!r} is null")
    if isinstance(text, Undecodable):
        return reject(f"column {columns.text!r} is {text.reason}")
    if not text.strip():
        return reject(f"column {columns.text!r} is empty or white space", text[:200])
    if run.max_characters is not None and len(text) > run.max_characters:
        return reject(
            f"column {columns.text!r} has {len(text)} characters, more than max_characters "
            f"({run.max_characters})",
            text[:200],
        )
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    document.content_hash = digest
    if columns.id is None:
        document.document_id = digest
    document.text = text
