"""Runs of rows, to be cut into chunks: what a plan consists of, and a worker reads at a time.

A run (`ChunkRun`) is a row group, or a part of one. Several short ones, of one or many files, are
packed into one (`RunPack`).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from pfn_kg.transforms.reading.columns import Columns

# What a batch of rows takes in memory at most, going by the footer's averages.
_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 64


@dataclass(frozen=True, slots=True)
class ChunkRun:
    """A run of rows of one row group, to be cut into chunks.

    Attributes:
        file: where the rows are.
        size: of the file when it was planned, in bytes.
        version: of the file then (`file_version`).
        fingerprint: hash of all that the extractions depend on: the file's version,
            the model, the options.
        row_group: number of the row group; -1 for a file that can't be read.
        group_begin: row of the file at which the row group begins.
        begin: first row of the run, counted in the file.
        end: one past its last row.
        columns: what is read.
        batch_rows: how many rows to read at once.
        chunk_documents: rows in a chunk at most.
        chunk_characters: a chunk ends before the document that would pass this.
        unreadable: why the file can't be read at all.
        wanted: the rows of the file that are read; None is all of the run's.
        max_characters: a longer text is rejected.
    """

    file: str
    size: int
    version: str
    fingerprint: str
    row_group: int
    group_begin: int
    begin: int
    end: int
    columns: Columns
    batch_rows: int
    chunk_documents: int
    chunk_characters: int
    unreadable: str | None = None
    wanted: frozenset[int] | None = None
    max_characters: int | None = None

    def is_wanted(self, row: int) -> bool:
        """Whether a row is read."""
        return self.wanted is None or row in self.wanted

    def chunk_name(self, row: int) -> str:
        """The name of the chunk that begins at that row."""
        return _digest(f"{self._spelt} {row}")

    @property
    def _spelt(self) -> str:
        """What tells the run from all others."""
        return f"{self.fingerprint} {self.row_group} {self.begin} {self.end}"

    def place(self, row: int) -> str:
        """Where a row of the run stands, for people."""
        return f"row {row} of {self.file}"


@dataclass(frozen=True, slots=True)
class RunPack:
    """Short runs that are cut into chunks as if they were one.

    A file, a chunk and a call of the model have a price of their own, which many files of few
    documents would pay again and again. Rows are counted through all of the runs, from 0.

    Attributes:
        runs: of one or several files; at least one, each with a file that can be read.
        wanted: the rows that are read; None is all of them.
    """

    runs: tuple[ChunkRun, ...]
    wanted: frozenset[int] | None = None

    @property
    def begin(self) -> int:
        """The first row: 0."""
        return 0

    @property
    def end(self) -> int:
        """The number of rows."""
        return sum(run.end - run.begin for run in self.runs)

    @property
    def chunk_documents(self) -> int:
        """Rows in a chunk at most."""
        return self.runs[0].chunk_documents

    @property
    def chunk_characters(self) -> int:
        """A chunk ends before the document that would pass this."""
        return self.runs[0].chunk_characters

    def is_wanted(self, row: int) -> bool:
        """Whether a row is read."""
        return self.wanted is None or row in self.wanted

    def chunk_name(self, row: int) -> str:
        """The name of the chunk that begins at that row."""
        spelt = ", ".join(run._spelt for run in self.runs)
        return _digest(f"pack of {spelt}, {row}")

    def place(self, row: int) -> str:
        """Where a row of the pack stands, for people."""
        for run in self.runs:
            if row < run.end - run.begin:
                return run.place(run.begin + row)
            row -= run.end - run.begin
        raise IndexError("the pack has no such row")


#: What one worker reads at a time.
AnyRun: TypeAlias = ChunkRun | RunPack


def _digest(spelt: str) -> str:
    return blake2b(spelt.encode(), digest_size=16).hexdigest()


def batch_rows(row_bytes: float) -> int:
    """How many rows to read at once, if a row takes that many bytes."""
    return int(max(1, min(_BATCH_ROWS, _BATCH_BYTES / max(row_bytes, 1))))
