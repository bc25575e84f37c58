"""Extraction files: writing a finished chunk, and finding the chunks that are finished."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, read_counters, with_counters
from pfn_kg.transforms.plumbing.files import (
    PARTIAL_SUFFIX,
    exists,
    join,
    open_raw,
    read_if_there,
    replace,
    write_once,
)
from pfn_kg.transforms.reading.chunks import Chunk
from pfn_kg.transforms.reading.runs import AnyRun


def _versions() -> dict[str, str]:
    """What workers and the machine that starts the job must have alike."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in ("pfn-kg", "apache-beam"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


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
        """Writes a small file by which workers know this folder; gives its name.

        `delete_partial` takes it away.
        """
        name = f"{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
        replace(join(self.path, name), json.dumps(_versions()).encode())
        return name

    def check_sign(self, name: str) -> None:
        """Refuses to go on where the folder, or the program, is not that of the job.

        Args:
            name: from `put_sign`.

        Raises:
            OSError: if the sign is not there, or can't be read.
            RuntimeError: if this worker has another version than the job was started with.
        """
        path = join(self.path, name)
        content = read_if_there(path)
        if content is None:
            raise OSError(
                f"a worker does not see the folder {self.path} that the job was started with; "
                "the output folder must be on a file system that all workers see"
            )
        here, there = _versions(), json.loads(content)
        if others := [n for n, version in there.items() if here.get(n) != version]:
            said = ", ".join(f"{n} {here.get(n)}, not {there[n]}" for n in others)
            raise RuntimeError(
                f"a worker has {said}; its image and the machine that starts the job need the "
                "same versions"
            )

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
