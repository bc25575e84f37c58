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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.schemas.shuffled_rows import VERSION_SCHEMA
from pfn_kg.transforms.documents.compared_rows import document_ids, is_of_document, said_something
from pfn_kg.transforms.plumbing.files import join, open_raw, read_if_there, replace
from pfn_kg.transforms.plumbing.shards import decode_all
from pfn_kg.transforms.reading.runs import AnyRun

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
            `(group, {"live": bytes, "read": bytes})`, the bytes being VERSION_SCHEMA for `decode`.
        whole: where the answer goes.
    """

    def __init__(self, compared: beam.PCollection, whole: WholeCorpus):
        super().__init__()
        self._compared = compared
        self._whole = whole

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of `AnyRun`."""
        counted = (
            self._compared
            | "FindGone" >> beam.Map(_find_gone, self._whole)
            | "CountGone" >> beam.CombineGlobally(_sum)
            | "WriteGone" >> beam.Map(_write_counts, self._whole)
        )
        return runs | "IfFine" >> beam.Filter(
            _is_fine, beam.pvalue.AsSingleton(counted), self._whole.most
        )


def _find_gone(group: tuple[int, Mapping[str, Iterable[bytes]]], whole: WholeCorpus) -> Gone:
    number, sides = group
    live, read = (decode_all(sides[name]) for name in ("live", "read"))
    live, read = (VERSION_SCHEMA.empty_table() if rows is None else rows for rows in (live, read))
    present = pc.unique(read["key"].filter(is_of_document(read)))
    lost = read.filter(pc.fill_null(read["is_lost"], False))
    of_documents = live.filter(is_of_document(live))
    named = pc.unique(of_documents["key"])
    documents = pc.unique(of_documents["key"].filter(said_something(of_documents)))
    absent = _without(named, present)
    if len(absent):
        whole.write_ids(number, document_ids(absent))
    return Gone(
        documents=len(documents),
        gone=len(_without(documents, present)),
        present=len(present),
        groups=(number,) if len(absent) else (),
        lost=len(lost),
        first_lost=min(
            map(_place, lost.select(["source_file", "source_row"]).to_pylist()), default=""
        ),
    )


def _without(keys: pa.Array, others: pa.Array) -> pa.Array:
    return keys.filter(pc.invert(pc.is_in(keys, value_set=others)))


def _place(row: Mapping[str, Any]) -> str:
    place = f"row {row['source_row']} of " if row["source_row"] >= 0 else ""
    return f"{place}{row['source_file'].decode(errors='surrogatepass')}"


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


def _is_fine(run: AnyRun, gone: Gone, most: float) -> bool:
    return gone.is_fine(most)
