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
from typing import Any

import apache_beam as beam
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import RETRY_SCHEMA
from pfn_kg.transforms.documents.changed_rows import document_version, narrowed_runs
from pfn_kg.transforms.documents.compared_rows import (
    SpreadByKey,
    document_key,
    first_of_each_key,
    source_key,
    spelt,
    table_of,
)
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.shards import decode_all
from pfn_kg.transforms.reading.chunks import Document, read_documents
from pfn_kg.transforms.reading.runs import AnyRun, ChunkRun

_COLUMNS = ("source_file", "source_row", "document_id", "title", "metadata", "content_hash")
# The row that stands for a file as a whole.
_WHOLE_FILE = -1


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
        said = self._chunks | "Said" >> beam.ParDo(_Said(self._groups), *beside).with_output_types(
            tuple[int, bytes]
        )
        read = (
            runs
            | "SpreadRuns" >> beam.Reshuffle()
            | "CorpusRows"
            >> beam.ParDo(_CorpusRows(self._groups)).with_output_types(tuple[int, bytes])
        )
        wanted = (
            {"said": said, "read": read}
            | "GroupByKey" >> beam.CoGroupByKey()
            | "FindRefused" >> beam.FlatMap(_refused).with_output_types(tuple[int, Any])
        )
        return narrowed_runs(runs, wanted)


class _Said(SpreadByKey):
    """What the extractions say of documents, of places, and of files as a whole."""

    def process(
        self, chunk: ChunkFile, removed: Mapping[int, Iterable[list[int]]] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        table = read_columns(chunk.path, [*_COLUMNS, "rejected.list.element.error"])
        gone = set() if removed is None else {r for rows in removed[chunk.number] for r in rows}
        said: list[dict[str, Any]] = []
        readable = set()
        for position, row in enumerate(table.to_pylist()):
            if position in gone:
                continue
            errors = [rejected["error"] for rejected in row["rejected"] or ()]
            file, source_row = row["source_file"], row["source_row"]
            version = document_version(
                row["content_hash"], title=row["title"], metadata=row["metadata"], errors=errors
            )
            what = {
                "key": source_key(file, source_row),
                "source_file": spelt(file),
                "source_row": source_row,
                "is_document": row["content_hash"] is not None,
                "is_refused": bool(errors),
                "version": version,
            }
            said.append(what)
            if row["document_id"] is not None:
                said.append(what | {"key": document_key(row["document_id"])})
            if source_row != _WHOLE_FILE:
                readable.add(file)
        said += [
            {
                "key": source_key(file, _WHOLE_FILE),
                "source_file": spelt(file),
                "source_row": _WHOLE_FILE,
                "is_document": True,
                "is_refused": False,
            }
            for file in sorted(readable)
        ]
        columns = {name: [row.get(name) for row in said] for name in RETRY_SCHEMA.names}
        columns["generation"] = [chunk.generation] * len(said)
        yield from self.spread(table_of(RETRY_SCHEMA, columns, len(said)))


class _CorpusRows(SpreadByKey):
    """The rows of the corpus by their documents and places, and its files as a whole."""

    def process(self, numbered: tuple[int, AnyRun]) -> Iterator[tuple[int, bytes]]:
        number, run = numbered
        columns: dict[str, list[Any]] = {n: [] for n in ("key", "begin", "end", "version")}

        def read(key: bytes, begin: int, end: int, version: bytes | None) -> None:
            for name, value in zip(columns, (key, begin, end, version), strict=True):
                columns[name].append(value)

        for row, document in read_documents(run):
            version = _refused_version(document)
            read(source_key(document.source_file, document.source_row), row, row + 1, version)
            if document.document_id is not None:
                read(document_key(document.document_id), row, row + 1, version)
        begin = run.begin
        for part in (run,) if isinstance(run, ChunkRun) else run.runs:
            rows = part.end - part.begin
            if part.unreadable is None:
                read(source_key(part.file, _WHOLE_FILE), begin, begin + rows, None)
            begin += rows
        count = len(columns["key"])
        yield from self.spread(table_of(RETRY_SCHEMA, columns | {"run": [number] * count}, count))


def _refused_version(document: Document) -> bytes | None:
    """The version of a row that is refused; None where it can be read."""
    if document.content_hash is not None:
        return None
    errors = [rejection.error for rejection in document.rejected]
    return document_version(None, title=document.title, metadata=document.metadata, errors=errors)


def _refused(
    group: tuple[int, Mapping[str, Iterable[bytes]]],
) -> Iterator[tuple[int, list[int]]]:
    said, read = (decode_all(group[1][name]) for name in ("said", "read"))
    if said is None or read is None:
        return
    # As in `pfn_kg.transforms.documents.deduplicate`.
    last = first_of_each_key(said, ("is_document", "descending"))
    last = last.filter(last["is_refused"])
    place = pc.index_in(read["key"], value_set=last["key"].combine_chunks())
    as_before = pc.fill_null(pc.equal(read["version"], last["version"].take(place)), False)
    found = read.filter(pc.and_not(place.is_valid(), as_before))
    wanted: dict[int, list[int]] = {}
    columns = (found[name].to_pylist() for name in ("run", "begin", "end"))
    for run, begin, end in zip(*columns, strict=True):
        wanted.setdefault(run, []).extend(range(begin, end))
    yield from wanted.items()
