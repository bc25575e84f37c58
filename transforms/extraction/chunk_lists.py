"""The list of a graph's chunks: a Parquet file beside the manifest, which workers read.

Neither the manifest nor the graph of a pipeline holds the chunks: of a large corpus there are
millions, and a job's description has a size limit.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.lists import CHUNK_LIST_SCHEMA
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.plumbing.lists import read_list


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
