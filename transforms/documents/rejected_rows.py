"""Which rows of a corpus were rejected and may be read now, by the extractions of a graph.

```
chunks -> rows, by document id and by place --.
                                              |-- same document or place -> wanted -> runs
runs   -> rows, by document id and by place --'
```

A row is wanted where the last that a graph's extractions say of its document, or of its place in
the source, is that something of it was rejected. A document of which one sentence was rejected
counts. A row that is refused for the same reason as before is not wanted: reading it again would
change nothing. Rows of a file that could not be read at all are all wanted once it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam

from pfn_kg.transforms.documents.changed_rows import document_version, narrowed_runs
from pfn_kg.transforms.documents.groups import group_of, place_key
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.reading.chunks import Document, read_documents
from pfn_kg.transforms.reading.runs import AnyRun, ChunkRun

_COLUMNS = ("source_file", "source_row", "document_id", "title", "metadata", "content_hash")
# The row that stands for a file as a whole.
_WHOLE_FILE = -1


class _Said(NamedTuple):
    """What the extractions say of a document or a place; the greatest generation holds."""

    key: str
    generation: int
    place: tuple[str, int]
    is_refused: bool
    version: bytes
    is_document: bool

    @property
    def order(self) -> tuple[int, bool, tuple[str, int]]:
        """The least says what holds, as in `pfn_kg.transforms.documents.deduplicate`."""
        return -self.generation, not self.is_document, self.place


class _Read(NamedTuple):
    """Rows of the corpus under one of their keys, as their run counts them.

    Attributes:
        key: of the document, the place, or the whole file.
        begin: the first row.
        end: one past the last.
        version: of a row that is refused; None where it can be read.
        run: the number of the run.
    """

    key: str
    begin: int
    end: int
    version: bytes | None
    run: int


class RejectedRuns(beam.PTransform):
    """From runs to the runs that have rows that were rejected, with those rows wanted.

    Args:
        chunks: a collection of `ChunkFile`, those of the graph.
        removed: as in `pfn_kg.transforms.documents.changed_rows.ChangedRuns`.
        groups: likewise.

    Returns:
        An `AnyRun` with `wanted` for each run of which a row is wanted.
    """

    def __init__(
        self,
        chunks: beam.PCollection,
        removed: beam.PCollection | None = None,
        *,
        groups: int,
    ):
        super().__init__()
        self._groups = groups
        self._chunks = chunks
        self._removed = removed

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of (number, `AnyRun`)."""
        beside = () if self._removed is None else (beam.pvalue.AsMultiMap(self._removed),)
        said = self._chunks | "Said" >> beam.FlatMap(
            _said, *beside, groups=self._groups
        ).with_output_types(tuple[int, Any])
        read = (
            runs
            | "SpreadRuns" >> beam.Reshuffle()
            | "CorpusRows"
            >> beam.FlatMap(_read, groups=self._groups).with_output_types(tuple[int, Any])
        )
        wanted = (
            {"said": said, "read": read}
            | "GroupByKey" >> beam.CoGroupByKey()
            | "FindRefused" >> beam.FlatMap(_refused).with_output_types(tuple[int, Any])
        )
        return narrowed_runs(runs, wanted)


def _document_key(document_id: str) -> str:
    return f"d{document_id}"


def _place_key(file: str, row: int) -> str:
    return f"p{place_key(file, row)}"


def _said(
    chunk: ChunkFile, removed: Mapping[int, Iterable[list[int]]] | None = None, *, groups: int
) -> Iterator[tuple[int, list[_Said]]]:
    table = read_columns(chunk.path, [*_COLUMNS, "rejected.list.element.error"])
    gone = set() if removed is None else {r for rows in removed[chunk.number] for r in rows}
    by_group: dict[int, list[_Said]] = {}

    def say(
        key: str,
        place: tuple[str, int],
        *,
        is_refused: bool = False,
        version: bytes = b"",
        is_document: bool = True,
    ) -> None:
        said = _Said(key, chunk.generation, place, is_refused, version, is_document)
        by_group.setdefault(group_of(key, groups), []).append(said)

    readable = set()
    for position, row in enumerate(table.to_pylist()):
        if position in gone:
            continue
        errors = [rejected["error"] for rejected in row["rejected"] or ()]
        place = row["source_file"], row["source_row"]
        version = document_version(
            row["content_hash"], title=row["title"], metadata=row["metadata"], errors=errors
        )
        what: dict[str, Any] = {
            "is_refused": bool(errors),
            "version": version,
            "is_document": row["content_hash"] is not None,
        }
        say(_place_key(*place), place, **what)
        if row["document_id"] is not None:
            say(_document_key(row["document_id"]), place, **what)
        if place[1] != _WHOLE_FILE:
            readable.add(place[0])
    for file in sorted(readable):
        say(_place_key(file, _WHOLE_FILE), (file, _WHOLE_FILE))
    yield from by_group.items()


def _read(numbered: tuple[int, AnyRun], *, groups: int) -> Iterator[tuple[int, list[_Read]]]:
    number, run = numbered
    by_group: dict[int, list[_Read]] = {}

    def read(key: str, begin: int, end: int, version: bytes | None) -> None:
        rows = _Read(key, begin, end, version, number)
        by_group.setdefault(group_of(key, groups), []).append(rows)

    for row, document in read_documents(run):
        version = _refused_version(document)
        read(_place_key(document.source_file, document.source_row), row, row + 1, version)
        if document.document_id is not None:
            read(_document_key(document.document_id), row, row + 1, version)
    begin = run.begin
    for part in (run,) if isinstance(run, ChunkRun) else run.runs:
        rows = part.end - part.begin
        if part.unreadable is None:
            read(_place_key(part.file, _WHOLE_FILE), begin, begin + rows, None)
        begin += rows
    yield from by_group.items()


def _refused_version(document: Document) -> bytes | None:
    if document.content_hash is not None:
        return None
    errors = [rejection.error for rejection in document.rejected]
    return document_version(None, title=document.title, metadata=document.metadata, errors=errors)


def _refused(
    group: tuple[int, Mapping[str, Iterable[list[Any]]]],
) -> Iterator[tuple[int, list[int]]]:
    last: dict[str, _Said] = {}
    for rows in group[1]["said"]:
        said: _Said
        for said in rows:
            if said.key not in last or said.order < last[said.key].order:
                last[said.key] = said
    wanted: dict[int, list[int]] = {}
    for rows in group[1]["read"]:
        read: _Read
        for read in rows:
            found = last.get(read.key)
            if found is not None and found.is_refused and read.version != found.version:
                wanted.setdefault(read.run, []).extend(range(read.begin, read.end))
    yield from wanted.items()
