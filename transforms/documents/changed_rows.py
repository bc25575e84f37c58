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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import VERSION_SCHEMA
from pfn_kg.transforms.documents.compared_rows import (
    SpreadByKey,
    document_key,
    first_of_each_key,
    row_key,
    said_something,
    spelt,
    table_of,
)
from pfn_kg.transforms.documents.gone_documents import UnlessTooManyAreGone, WholeCorpus
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.files import replace as replace_file
from pfn_kg.transforms.plumbing.ids import spell
from pfn_kg.transforms.plumbing.shards import decode_all
from pfn_kg.transforms.reading.chunks import read_documents
from pfn_kg.transforms.reading.runs import AnyRun

_COLUMNS = ("source_file", "source_row", "document_id", "title", "metadata", "content_hash")


def document_version(
    content_hash: str | None, *, title: str | None, metadata: str | None, errors: Iterable[str] = ()
) -> bytes:
    """The hash of all that is compared; of a row that holds no document, of its errors."""
    parts = (content_hash, title, metadata) if content_hash is not None else ("", *errors)
    text = "".join("-" if part is None else spell(part) for part in parts)
    return blake2b(text.encode(), digest_size=16).digest()


class ChangedRuns(beam.PTransform):
    """From runs to the runs that have something new, with the rows that are wanted.

    Args:
        chunks: a collection of `ChunkFile`, those of the graph that is compared with.
        removed: the rows of documents that were removed from it, by chunk, from
            `pfn_kg.transforms.documents.removed_documents.FindRemoved`; None if none were.
        groups: the number of groups in which documents meet, from
            `pfn_kg.transforms.documents.groups.groups_for_rows`; the result does not depend on it.
        whole: what becomes of documents that the corpus lacks; None leaves them where they are.

    Returns:
        A run with `wanted` for each run of which a row is wanted.
    """

    def __init__(
        self,
        chunks: beam.PCollection,
        removed: beam.PCollection | None = None,
        *,
        groups: int,
        whole: WholeCorpus | None = None,
    ):
        super().__init__()
        self._whole = whole
        self._groups = groups
        self._chunks = chunks
        self._removed = removed

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of (number, `AnyRun`)."""
        beside = () if self._removed is None else (beam.pvalue.AsMultiMap(self._removed),)
        live = self._chunks | "LiveRows" >> beam.ParDo(
            _LiveRows(self._groups), *beside
        ).with_output_types(tuple[int, bytes])
        read = (
            runs
            | "SpreadRuns" >> beam.Reshuffle()
            | "CorpusRows"
            >> beam.ParDo(_CorpusRows(self._groups)).with_output_types(tuple[int, bytes])
        )
        compared = {"live": live, "read": read} | "GroupByDocument" >> beam.CoGroupByKey()
        wanted = compared | "FindChanged" >> beam.FlatMap(_changed).with_output_types(
            tuple[int, Any]
        )
        narrowed = narrowed_runs(runs, wanted)
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
        """Applies the transform to a collection of `AnyRun`."""
        return (
            runs
            | "Names" >> beam.Map(lambda run: run.chunk_name(run.begin))
            | "AllNames" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Write" >> beam.Map(_write_names, self._path)
        )


def _write_names(names: list[str], path: str) -> None:
    replace_file(path, json.dumps(sorted(names)).encode())


class _LiveRows(SpreadByKey):
    """The rows of the extractions."""

    def process(
        self, chunk: ChunkFile, removed: Mapping[int, Iterable[list[int]]] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        table = read_columns(chunk.path, [*_COLUMNS, "rejected.list.element.error"])
        files, rows, ids, titles, metadata, hashes = (table[name].to_pylist() for name in _COLUMNS)
        errors = [[r["error"] for r in of_row or ()] for of_row in table["rejected"].to_pylist()]
        columns = {
            "key": list(map(row_key, ids, hashes, files, rows)),
            "generation": [chunk.generation] * len(table),
            "source_file": list(map(spelt, files)),
            "source_row": rows,
            "version": [
                document_version(digest, title=title, metadata=about, errors=of_row)
                for digest, title, about, of_row in zip(
                    hashes, titles, metadata, errors, strict=True
                )
            ],
        }
        live = table_of(VERSION_SCHEMA, columns, len(table))
        refused = [
            None if id_ is None or digest is not None else document_key(id_)
            for id_, digest in zip(ids, hashes, strict=True)
        ]
        gone = [] if removed is None else [r for of_list in removed[chunk.number] for r in of_list]
        if gone:
            left = np.ones(len(table), dtype=bool)
            left[gone] = False
            live = live.filter(pa.array(left))
            refused = [key for key, is_left in zip(refused, left, strict=True) if is_left]
        yield from self.spread(_with_refused(live, refused))


class _CorpusRows(SpreadByKey):
    """The rows of the corpus."""

    def process(self, numbered: tuple[int, AnyRun]) -> Iterator[tuple[int, bytes]]:
        number, run = numbered
        columns: dict[str, list[Any]] = {name: [] for name in VERSION_SCHEMA.names}
        refused: list[bytes | None] = []
        for row, document in read_documents(run):
            file, source_row = document.source_file, document.source_row
            digest = document.content_hash
            id_ = document.document_id
            columns["key"].append(row_key(id_, digest, file, source_row))
            refused.append(None if id_ is None or digest is not None else document_key(id_))
            columns["generation"].append(None)
            columns["source_file"].append(spelt(file))
            columns["source_row"].append(source_row)
            columns["version"].append(
                document_version(
                    digest,
                    title=document.title,
                    metadata=document.metadata,
                    errors=[r.error for r in document.rejected],
                )
            )
            columns["run"].append(number)
            columns["row"].append(row)
            columns["is_lost"].append(document.is_lost)
        read = table_of(VERSION_SCHEMA, columns, len(columns["key"]))
        yield from self.spread(_with_refused(read, refused))


def _with_refused(rows: pa.Table, keys: Sequence[bytes | None]) -> pa.Table:
    """The rows, and beside them one of no version for each whose document was refused."""
    refused = rows.set_column(0, VERSION_SCHEMA.field("key"), pa.array(keys, pa.binary()))
    refused = refused.filter(refused["key"].is_valid())
    place = VERSION_SCHEMA.get_field_index("version")
    nothing = pa.nulls(len(refused), pa.binary(16))
    return pa.concat_tables([rows, refused.set_column(place, VERSION_SCHEMA.field(place), nothing)])


def _changed(
    group: tuple[int, Mapping[str, Iterable[bytes]]],
) -> Iterator[tuple[int, list[int]]]:
    live, read = (decode_all(group[1][name]) for name in ("live", "read"))
    live, read = (
        None if rows is None else rows.filter(said_something(rows)) for rows in (live, read)
    )
    if read is None or not len(read):
        return
    said = first_of_each_key(read)
    if live is not None:
        had = first_of_each_key(live)
        place = pc.index_in(said["key"], value_set=had["key"].combine_chunks())
        same = pc.equal(said["version"], had["version"].take(place))
        said = said.filter(pc.invert(pc.fill_null(same, False)))
    wanted = read.filter(pc.is_in(read["key"], value_set=said["key"].combine_chunks()))
    if not len(wanted):
        return
    # Rows of a run next to each other.
    runs, rows = wanted["run"].to_numpy(), wanted["row"].to_numpy()
    order = np.lexsort((rows, runs))
    numbers, begins = np.unique(runs[order], return_index=True)
    for number, of_run in zip(numbers.tolist(), np.split(rows[order], begins[1:]), strict=True):
        yield number, of_run.tolist()


def narrowed_runs(runs: beam.PCollection, wanted: beam.PCollection) -> beam.PCollection:
    """The runs of which a row is wanted, narrowed to these rows.

    Args:
        runs: a collection of (number, `AnyRun`).
        wanted: a collection of (number, rows as the run counts them).
    """
    return (
        {"run": runs, "wanted": wanted}
        | "GroupByRun" >> beam.CoGroupByKey()
        | "WithWanted" >> beam.FlatMap(_with_wanted)
    )


def _with_wanted(group: tuple[int, Mapping[str, Iterable[Any]]]) -> Iterator[AnyRun]:
    rows = frozenset(row for of_chunk in group[1]["wanted"] for row in of_chunk)
    if rows:
        for run in group[1]["run"]:
            yield replace(run, wanted=rows)
