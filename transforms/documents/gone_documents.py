"""Documents of a graph that its corpus lacks, where the corpus is the whole of what there is.

```
compared rows -> ids that are gone, a file a group
              -> counts -> one file; runs go on unless too many documents are gone
```

The runs wait for the counts, so that the model reads nothing of a corpus that is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.transforms.documents.compared_rows import REFUSED, CorpusRow, LiveRow
from pfn_kg.transforms.plumbing.files import join, open_raw, read_if_there, replace
from pfn_kg.transforms.reading.chunks import ChunkRun

_SCHEMA = pa.schema({"document_id": pa.string()})


class Gone(NamedTuple):
    """How much of a graph its corpus lacks.

    Attributes:
        documents: of the graph.
        gone: of those, which the corpus lacks.
        present: documents that the corpus has.
        groups: the numbers of the groups that have ids of such documents, or of rejected rows.
        lost: rows of the corpus whose file can't be read, so that their documents are not known.
        first_lost: one of them, for people; empty if there is none.
    """

    documents: int = 0
    gone: int = 0
    present: int = 0
    groups: tuple[int, ...] = ()
    lost: int = 0
    first_lost: str = ""

    def is_fine(self, most: float) -> bool:
        """Whether the corpus is whole, not empty, and at most that share of documents is gone."""
        return not self.lost and self.present > 0 and self.gone <= most * self.documents


class WholeCorpus:
    """Where it is written which documents the corpus lacks, and how many may be gone.

    Args:
        folder: of the files, which `delete_partial` takes away.
        sign: of the job, from `pfn_kg.transforms.extraction.chunk_files.ExtractionFolder.put_sign`.
        most: the share of the documents that may be gone.
    """

    def __init__(self, folder: str, sign: str, most: float):
        self._folder = folder
        self._sign = sign
        self.most = most

    @property
    def _counts_file(self) -> str:
        return join(self._folder, f"gone-{self._sign}")

    def _ids_file(self, group: int) -> str:
        return join(self._folder, f"gone-{group}-{self._sign}")

    def write_counts(self, gone: Gone) -> None:
        """Writes how many documents are gone."""
        replace(self._counts_file, json.dumps(gone).encode())

    def write_ids(self, group: int, ids: Iterable[str]) -> None:
        """Writes the ids of the documents of a group that are gone."""
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table([sorted(ids)], schema=_SCHEMA), sink, compression="zstd")
        replace(self._ids_file(group), sink.getvalue().to_pybytes())

    def read_counts(self) -> Gone:
        """What a job has written.

        Raises:
            OSError: if it has written nothing.
        """
        content = read_if_there(self._counts_file)
        if content is None:
            raise OSError(f"{self._counts_file}: not there, although the pipeline has ended")
        documents, gone, present, groups, lost, first_lost = json.loads(content)
        return Gone(documents, gone, present, tuple(groups), lost, first_lost)

    def read_ids(self, gone: Gone) -> Iterator[str]:
        """The ids of the documents that are gone, with those that were rejected."""
        for group in gone.groups:
            with open_raw(self._ids_file(group)) as file:
                yield from pq.read_table(file)["document_id"].to_pylist()


class UnlessTooManyAreGone(beam.PTransform):
    """Passes runs on if the corpus may be taken for the whole; writes which documents it lacks.

    Args:
        compared: the rows of the graph and of the corpus by group: a collection of
            `(group, {"live": lists of LiveRow, "read": lists of CorpusRow})`.
        whole: where the answer goes.
    """

    def __init__(self, compared: beam.PCollection, whole: WholeCorpus):
        super().__init__()
        self._compared = compared
        self._whole = whole

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of `ChunkRun`."""
        counted = (
            self._compared
            | "FindGone" >> beam.Map(_find_gone, self._whole)
            | "CountGone" >> beam.CombineGlobally(_sum)
            | "WriteGone" >> beam.Map(_write_counts, self._whole)
        )
        return runs | "IfFine" >> beam.Filter(
            _is_fine, beam.pvalue.AsSingleton(counted), self._whole.most
        )


def _find_gone(group: tuple[int, Mapping[str, Iterable[list[Any]]]], whole: WholeCorpus) -> Gone:
    number, sides = group
    present: set[str] = set()
    lost, first_lost = 0, ""
    for rows in sides["read"]:
        row: CorpusRow
        for row in rows:
            if row.key.is_document:
                present.add(row.key.name)
            elif row.is_lost:
                place = f"row {row.source_row} of " if row.source_row >= 0 else ""
                lost, first_lost = lost + 1, first_lost or f"{place}{row.source_file}"
    documents: set[str] = set()
    named: set[str] = set()
    for live_rows in sides["live"]:
        live: LiveRow
        for live in live_rows:
            if live.key.is_document:
                named.add(live.key.name)
                if live.version != REFUSED:
                    documents.add(live.key.name)
    if absent := named - present:
        whole.write_ids(number, absent)
    groups = (number,) if absent else ()
    gone = len(documents - present)
    return Gone(len(documents), gone, len(present), groups, lost, first_lost)


def _sum(parts: Iterable[Gone]) -> Gone:
    total = Gone()
    for part in parts:
        total = Gone(
            total.documents + part.documents,
            total.gone + part.gone,
            total.present + part.present,
            tuple(sorted((*total.groups, *part.groups))),
            total.lost + part.lost,
            # Whichever worker was first, the same one is named.
            min(filter(None, (total.first_lost, part.first_lost)), default=""),
        )
    return total


def _write_counts(gone: Gone, whole: WholeCorpus) -> Gone:
    whole.write_counts(gone)
    return gone


def _is_fine(run: ChunkRun, gone: Gone, most: float) -> bool:
    return gone.is_fine(most)
