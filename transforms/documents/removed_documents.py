"""Which rows of the extractions are of removed documents.

```
list of removed documents -> by hash of the id --.
                                                 |-- same id -> rows that are removed, by chunk
chunks -> document ids -> by hash of the id -----'
```

Only ids are read and shuffled. The list is a Parquet file beside the manifest; neither the manifest
nor the graph of the pipeline holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.lists import REMOVED_SCHEMA
from pfn_kg.schemas.shuffled_rows import PRESENT_SCHEMA
from pfn_kg.transforms.documents.groups import groups_for_rows, groups_of
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.held_rows import SpreadRows
from pfn_kg.transforms.plumbing.lists import read_list
from pfn_kg.transforms.plumbing.shards import decode_all, split


class FindRemoved(beam.PTransform):
    """From `ChunkFile` to (number of the chunk, list of rows), for rows of removed documents.

    A chunk may come several times, each time with other rows.

    Args:
        path: of the list of removed documents.
        count: how many it has.
        groups: the number of groups in which documents meet at least.
    """

    def __init__(self, path: str, *, count: int, groups: int):
        super().__init__()
        self._path = path
        self._count = count
        self._groups = max(groups, groups_for_rows(count))

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        removed = (
            chunks.pipeline
            | "RemovedList" >> beam.Create([self._path], reshuffle=False)
            | "ReadRemoved"
            >> beam.FlatMap(_removed, self._count, self._groups).with_output_types(
                tuple[int, bytes]
            )
        )
        present = chunks | "DocumentIds" >> beam.ParDo(
            _DocumentIds(self._groups)
        ).with_output_types(tuple[int, bytes])
        return (
            {"removed": removed, "present": present}
            | "GroupByDocumentId" >> beam.CoGroupByKey()
            | "RemovedRows" >> beam.FlatMap(_removed_rows).with_output_types(tuple[int, list[int]])
        )


def _removed(path: str, count: int, groups: int) -> Iterator[tuple[int, bytes]]:
    for batch in read_list(path, REMOVED_SCHEMA, count):
        rows = pa.Table.from_batches([batch])
        yield from split(rows, groups_of(rows["document_id"], groups), groups)


class _DocumentIds(SpreadRows):
    """The ids of the documents of chunks."""

    def process(self, chunk: ChunkFile) -> Iterator[tuple[int, bytes]]:
        ids = read_columns(chunk.path, ["document_id"])["document_id"]
        columns = {
            "document_id": ids,
            "row": range(len(ids)),
            "chunk": [chunk.number] * len(ids),
            "generation": [chunk.generation] * len(ids),
        }
        rows = pa.table(columns, PRESENT_SCHEMA)
        yield from self.spread(rows.filter(pc.is_valid(ids)))

    def groups_of(self, rows: pa.Table) -> np.ndarray:
        return groups_of(rows["document_id"], self._groups)


def _removed_rows(
    group: tuple[int, Mapping[str, Iterable[bytes]]],
) -> Iterator[tuple[int, list[int]]]:
    removed, present = (decode_all(group[1][name]) for name in ("removed", "present"))
    if removed is None or present is None:
        return
    place = pc.index_in(present["document_id"], value_set=removed["document_id"].combine_chunks())
    last = removed["generation"].take(place)
    # Null, and so left out, where the document was not removed.
    gone = present.filter(pc.less_equal(present["generation"], last))
    for chunk in pc.unique(gone["chunk"]).to_pylist():
        yield chunk, gone.filter(pc.equal(gone["chunk"], chunk))["row"].to_pylist()
