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
from pfn_kg.transforms.documents.groups import group_of
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.lists import read_list
from pfn_kg.transforms.plumbing.shards import decode_all, split

# So many ids a group at most, about.
_IDS = 50_000


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
        self._groups = max(groups, 1 + count // _IDS)

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
        present = chunks | "DocumentIds" >> beam.FlatMap(
            _ids_of_chunk, self._groups
        ).with_output_types(tuple[int, bytes])
        return (
            {"removed": removed, "present": present}
            | "GroupByDocumentId" >> beam.CoGroupByKey()
            | "RemovedRows" >> beam.FlatMap(_removed_rows).with_output_types(tuple[int, list[int]])
        )


def _groups_of(ids: pa.Array | pa.ChunkedArray, groups: int) -> np.ndarray:
    return np.array([group_of(id_, groups) for id_ in ids.to_pylist()], dtype=np.int64)


def _removed(path: str, count: int, groups: int) -> Iterator[tuple[int, bytes]]:
    for batch in read_list(path, REMOVED_SCHEMA, count):
        rows = pa.Table.from_batches([batch])
        yield from split(rows, _groups_of(rows["document_id"], groups), groups)


def _ids_of_chunk(chunk: ChunkFile, groups: int) -> Iterator[tuple[int, bytes]]:
    ids = read_columns(chunk.path, ["document_id"])["document_id"]
    rows = pa.table(
        {
            "document_id": ids,
            "row": pa.array(range(len(ids)), pa.int64()),
            "chunk": pa.array([chunk.number] * len(ids), pa.int64()),
            "generation": pa.array([chunk.generation] * len(ids), pa.int64()),
        }
    ).filter(pc.is_valid(ids))
    yield from split(rows, _groups_of(rows["document_id"], groups), groups)


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
