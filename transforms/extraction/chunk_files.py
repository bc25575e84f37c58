"""Extraction files: writing a finished chunk, and finding the chunks that are finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, read_counters, with_counters
from pfn_kg.transforms.plumbing.files import (
    exists,
    join,
    open_raw,
    write_once,
)
from pfn_kg.transforms.plumbing.signs import check_sign, put_sign
from pfn_kg.transforms.reading.chunks import Chunk
from pfn_kg.transforms.reading.runs import AnyRun


class FinishedChunk(NamedTuple):
    """A chunk whose file exists: its name and its counters."""

    name: str
    counters: dict[str, int]


class ExtractionFolder:
    """The folder of extraction files of a run.

    Args:
        path: on any file system that Beam knows.
    """

    def __init__(self, path: str):
        self.path = path

    def file(self, name: str) -> str:
        """The path of a chunk's file."""
        return join(self.path, f"{name}.parquet")

    def put_sign(self) -> str:
        """Writes the sign of a job into this folder; gives its name."""
        return put_sign(self.path)

    def check_sign(self, name: str) -> None:
        """As `pfn_kg.transforms.plumbing.signs.check_sign`, for this folder."""
        check_sign(self.path, name)

    def counters(self, name: str) -> dict[str, int] | None:
        """The counters of a chunk; None if its file is not there.

        Raises:
            ValueError: if the file is of another format version.
        """
        path = self.file(name)
        if not exists(path):
            return None
        try:
            with open_raw(path) as file:
                return read_counters(pq.read_schema(file))
        except (pa.ArrowException, OSError) as error:
            raise OSError(f"{path} can't be read: {' '.join(str(error).split())}") from error

    def next_row(self, name: str, row: int) -> int | None:
        """One past the last row of the chunk of that name and first row, if it is finished."""
        counters = self.counters(name)
        return None if counters is None else row + counters["rows"]

    def write(self, chunk: Chunk, table: pa.Table, counters: Mapping[str, int]) -> None:
        """Writes the file of a chunk; does nothing where it exists.

        Args:
            chunk: the chunk.
            table: one row a document, as in `EXTRACTION_SCHEMA`.
            counters: what was counted.
        """
        counters = {**counters, "rows": chunk.end - chunk.begin}
        if chunk.unwanted:
            counters["unchanged"] = chunk.unwanted
        self.write_table(chunk.name, table, counters)

    def write_table(self, name: str, table: pa.Table, counters: Mapping[str, int]) -> None:
        """Writes a file of that name; does nothing where it exists.

        Args:
            name: a hash of all that the rows depend on.
            table: as in `write`.
            counters: what was counted, the rows among it.
        """
        schema = with_counters(EXTRACTION_SCHEMA, counters)
        sink = pa.BufferOutputStream()
        pq.write_table(table.cast(schema), sink, compression="zstd")
        write_once(self.file(name), sink.getvalue().to_pybytes())

    def finished(self, run: AnyRun) -> Iterator[FinishedChunk]:
        """The chunks of a run in the order of its rows, up to the first that is missing."""
        row = run.begin
        while True:
            name = run.chunk_name(row)
            counters = self.counters(name)
            if counters is None:
                return
            yield FinishedChunk(name, counters)
            row += counters["rows"]
            if row >= run.end:
                return
