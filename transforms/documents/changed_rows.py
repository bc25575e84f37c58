"""Which rows of a corpus are new or changed, compared with the documents of a graph.

```
chunks -> live rows --.
                      |-- by hash of the document id -> rows that are wanted -> runs with them
runs   -> rows read --'
```

Only ids and hashes are shuffled. A document is changed if its text, its title or its
metadata is. Of several rows with one document id in the corpus the lowest (source
file, source row) says what the document is, as in `pfn_kg.transforms.documents.deduplicate`; if it
says what the graph has, none of them is wanted, else all are. A row that can't be
read is new unless it was rejected at that place for the same reason before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import apache_beam as beam

from pfn_kg.transforms.documents.compared_rows import REFUSED, CorpusRow, Key, LiveRow
from pfn_kg.transforms.documents.gone_documents import UnlessTooManyAreGone, WholeCorpus
from pfn_kg.transforms.documents.groups import group_of, place_key
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.files import replace as replace_file
from pfn_kg.transforms.plumbing.ids import spell
from pfn_kg.transforms.reading.chunks import ChunkRun, read_documents

_COLUMNS = ("source_file", "source_row", "document_id", "title", "metadata", "content_hash")

# Enough to keep each group small on large corpora; the result does not depend on it.
_GROUPS = 64


def document_version(
    content_hash: str | None, *, title: str | None, metadata: str | None, errors: Iterable[str] = ()
) -> bytes:
    """The hash of all that is compared; of a row that holds no document, of its errors."""
    parts = (content_hash, title, metadata) if content_hash is not None else ("", *errors)
    spelt = "".join("-" if part is None else spell(part) for part in parts)
    return blake2b(spelt.encode(), digest_size=16).digest()


class ChangedRuns(beam.PTransform):
    """From runs to the runs that have something new, with the rows that are wanted.

    Args:
        chunks: a collection of `ChunkFile`, those of the graph that is compared with.
        removed: the rows of documents that were removed from it, by chunk, from
            `pfn_kg.transforms.documents.removed_documents.FindRemoved`; None if none were.
        whole: what becomes of documents that the corpus lacks; None leaves them where they are.

    Returns:
        A `ChunkRun` with `wanted` for each run of which a row is wanted.
    """

    def __init__(
        self,
        chunks: beam.PCollection,
        removed: beam.PCollection | None = None,
        whole: WholeCorpus | None = None,
    ):
        super().__init__()
        self._chunks = chunks
        self._removed = removed
        self._whole = whole

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of (number, `ChunkRun`)."""
        beside = () if self._removed is None else (beam.pvalue.AsMultiMap(self._removed),)
        live = self._chunks | "LiveRows" >> beam.FlatMap(_live_rows, *beside).with_output_types(
            tuple[int, Any]
        )
        read = (
            runs
            | "SpreadRuns" >> beam.Reshuffle()
            | "CorpusRows" >> beam.FlatMap(_corpus_rows).with_output_types(tuple[int, Any])
        )
        compared = {"live": live, "read": read} | "GroupByDocument" >> beam.CoGroupByKey()
        wanted = compared | "FindChanged" >> beam.FlatMap(_changed).with_output_types(
            tuple[int, Any]
        )
        narrowed = (
            {"run": runs, "wanted": wanted}
            | "GroupByRun" >> beam.CoGroupByKey()
            | "WithWanted" >> beam.FlatMap(with_wanted)
        )
        if self._whole is None:
            return narrowed
        return narrowed | "Whole" >> UnlessTooManyAreGone(compared, self._whole)


class WriteRunNames(beam.PTransform):
    """Writes the names of runs into one file, so that whoever started the job can look for each.

    The name of a run is that of the chunk at its first row.

    Args:
        path: of the file: a JSON list, sorted; `[]` where there are no runs.
    """

    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of `ChunkRun`."""
        return (
            runs
            | "Names" >> beam.Map(lambda run: run.chunk_name(run.begin))
            | "AllNames" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Write" >> beam.Map(_write_names, self._path)
        )


def _write_names(names: list[str], path: str) -> None:
    replace_file(path, json.dumps(sorted(names)).encode())


def _live_rows(
    chunk: ChunkFile, removed: Mapping[int, Iterable[list[int]]] | None = None
) -> Iterator[tuple[int, list[LiveRow]]]:
    table = read_columns(chunk.path, [*_COLUMNS, "rejected.list.element.error"])
    gone = set() if removed is None else {r for rows in removed[chunk.number] for r in rows}
    groups: dict[int, list[LiveRow]] = {}
    for position, row in enumerate(table.to_pylist()):
        if position in gone:
            continue
        file, number, digest = row["source_file"], row["source_row"], row["content_hash"]
        version = document_version(
            digest,
            title=row["title"],
            metadata=row["metadata"],
            errors=[r["error"] for r in row["rejected"] or ()],
        )
        key = _key(row["document_id"], digest, file=file, row=number)
        groups.setdefault(group_of(key.name, _GROUPS), []).append(
            LiveRow(key, chunk.generation, file, number, version)
        )
        if (refused := row["document_id"]) is not None and not key.is_document:
            groups.setdefault(group_of(refused, _GROUPS), []).append(
                LiveRow(Key(True, refused), chunk.generation, file, number, REFUSED)
            )
    yield from groups.items()


def _corpus_rows(numbered: tuple[int, ChunkRun]) -> Iterator[tuple[int, list[CorpusRow]]]:
    number, run = numbered
    groups: dict[int, list[CorpusRow]] = {}
    for document in read_documents(run):
        digest = document.content_hash
        version = document_version(
            digest,
            title=document.title,
            metadata=document.metadata,
            errors=[r.error for r in document.rejected],
        )
        key = _key(document.document_id, digest, file=run.file, row=document.source_row)
        groups.setdefault(group_of(key.name, _GROUPS), []).append(
            CorpusRow(key, run.file, document.source_row, version, number, document.is_lost)
        )
        if (refused := document.document_id) is not None and not key.is_document:
            groups.setdefault(group_of(refused, _GROUPS), []).append(
                CorpusRow(Key(True, refused), run.file, document.source_row, REFUSED, number)
            )
    yield from groups.items()


def _key(document_id: str | None, content_hash: str | None, *, file: str, row: int) -> Key:
    if document_id is not None and content_hash is not None:
        return Key(True, document_id)
    return Key(False, place_key(file, row))


def _changed(
    group: tuple[int, Mapping[str, Iterable[list[Any]]]],
) -> Iterator[tuple[int, list[int]]]:
    live: dict[Key, LiveRow] = {}
    for live_rows in group[1]["live"]:
        for row in live_rows:
            is_first = row.key not in live or row.order < live[row.key].order
            if is_first and row.version != REFUSED:
                live[row.key] = row
    read: dict[Key, list[CorpusRow]] = {}
    for rows in group[1]["read"]:
        for row in rows:
            if row.version != REFUSED:
                read.setdefault(row.key, []).append(row)
    wanted: dict[int, list[int]] = {}
    for key, same in read.items():
        first = min(same, key=lambda row: (row.source_file, row.source_row))
        if key not in live or live[key].version != first.version:
            for row in same:
                wanted.setdefault(row.run, []).append(row.source_row)
    yield from wanted.items()


def with_wanted(group: tuple[int, Mapping[str, Iterable[Any]]]) -> Iterator[ChunkRun]:
    """The runs of one number, narrowed to the rows that are wanted; none if no row is."""
    rows = frozenset(row for of_chunk in group[1]["wanted"] for row in of_chunk)
    if rows:
        for run in group[1]["run"]:
            yield replace(run, wanted=rows)
