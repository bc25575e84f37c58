"""The list of a graph's chunks: a Parquet file beside the manifest, which workers read.

Neither the manifest nor the graph of a pipeline holds the chunks: of a large corpus there are
millions, and a job's description has a size limit.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.plumbing.files import exists, open_raw, unreadable

#: `generation` says how many runs had added to the folder before the chunk was written.
#: `model_hash` is null where it is that of the manifest. `counts` is what was counted in the chunk.
CHUNK_LIST_SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "generation": pa.int64(),
        "model_hash": pa.string(),
        "counts": pa.map_(pa.string(), pa.int64()),
    }
)
_ROWS = 10_000


def read_list(path: str, schema: pa.Schema, count: int) -> Iterator[pa.RecordBatch]:
    """Streams the rows of a list.

    Args:
        path: of the file.
        schema: its columns; those that are read.
        count: how many rows it must have.

    Raises:
        OSError: if the file can't be read, or has another number of rows; names it.
    """
    if not exists(path):
        raise OSError(f"{path} is not there; do all workers see this folder?")
    rows = 0
    try:
        with open_raw(path) as file:
            parquet = pq.ParquetFile(file, page_checksum_verification=True)
            for batch in parquet.iter_batches(_ROWS, columns=schema.names, use_threads=False):
                rows += len(batch)
                yield batch.cast(schema)
    except Exception as error:
        raise unreadable(path, error) from None
    if rows != count:
        raise OSError(f"{path} has {rows} rows in place of {count}")


class ReadChunkList(beam.PTransform):
    """From the beginning of a pipeline to a collection of `ChunkFile`, spread over the workers.

    Args:
        path: of the list.
        count: how many chunks it has.
        folder: path of the folder of extraction files.
        model_hash: of the manifest's model.
    """

    def __init__(self, path: str, *, count: int, folder: str, model_hash: str):
        super().__init__()
        self._arguments = path, count, folder, model_hash

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        path, *arguments = self._arguments
        return (
            begin
            | "Path" >> beam.Create([path], reshuffle=False)
            | "Read" >> beam.FlatMap(_chunk_files, *arguments).with_output_types(ChunkFile)
            | "Spread" >> beam.Reshuffle()
        )


def _chunk_files(path: str, count: int, folder: str, model_hash: str) -> Iterator[ChunkFile]:
    place, number = ExtractionFolder(folder), 0
    columns = pa.schema([CHUNK_LIST_SCHEMA.field(n) for n in ("name", "generation", "model_hash")])
    for batch in read_list(path, columns, count):
        for row in batch.to_pylist():
            yield ChunkFile(
                number, place.file(row["name"]), row["model_hash"] or model_hash, row["generation"]
            )
            number += 1
