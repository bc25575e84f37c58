"""The interface of sinks: a class that writes a finished graph, part by part.

A sink knows nothing of Beam or of files. It receives the rows of one file of a table
at a time (`Rows`) and returns the outcome (`Written`): files to be placed in the output
folder, rows that were refused, and counts. Its driver (`transforms`, `pipeline`) reads
the tables, joins the rows that a row refers to, and places the files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import pyarrow as pa


class Rows(NamedTuple):
    """The rows of one file of a table.

    Attributes:
        table: its name, a key of `pfn_kg.schemas.tables.TABLE_SCHEMAS`.
        number: which file of the table this is, from 0.
        of: how many files the table has.
        rows: sorted as the table is; with the JOINED_COLUMNS of `pfn_kg.schemas.joined_columns`
            where the table is `relations` or `triples`, and with the SENTENCE_COLUMNS of that
            module where it is `sentences`.
    """

    table: str
    number: int
    of: int
    rows: pa.Table

    @property
    def name(self) -> str:
        """The stem of a file made of these rows, such as `entities-00000-of-00001`."""
        return f"{self.table}-{self.number:05d}-of-{self.of:05d}"


class RejectedRow(NamedTuple):
    """A row that the sink's other side refused.

    Attributes:
        error: the reason, in its words.
        payload: the row as JSON.
    """

    error: str
    payload: str


class Pieces(NamedTuple):
    """Files that `write` gave, to be put into another file.

    Attributes:
        prefix: how their names begin; their order is that of their names.
    """

    prefix: str


class JoinedFile(NamedTuple):
    """A file that is put together when all of its pieces are there, without being held in memory.

    Attributes:
        parts: constant bytes, and pieces.
    """

    parts: tuple[bytes | Pieces, ...]


class Written(NamedTuple):
    """What came of some rows.

    Attributes:
        files: name and content of each file to be placed. A name may begin with a folder: such a
            file is a piece of others, and an export leaves it out in the end.
        counts: what was written, summed over all parts; `class:PER` and the like group.
        rejected: what was not; may be read once, and need not be in memory.
        joined: by name, the files that are made of pieces; `finish` alone may give some.
    """

    files: Mapping[str, bytes] = {}
    counts: Mapping[str, int] = {}
    rejected: Iterable[RejectedRow] = ()
    joined: Mapping[str, JoinedFile] = {}


class Sink(ABC):
    """A place a graph goes to.

    A sink is pickled to the workers, so it holds configuration alone until `open`; what
    is secret it holds as a reference that `open` resolves. `write` may be called again
    for the same rows (a retry, another run): the outcome must be the same.

    Attributes:
        name: for counts and for the stage of rejected rows.
        stages: tables, in the order in which they must be written: no row of a stage is
            written before all rows of the stages before it are.
        one_writer: whether all rows of a stage must pass through one `write` at a time.
    """

    name: ClassVar[str]
    stages: tuple[tuple[str, ...], ...]
    one_writer: bool = False

    def open(self) -> None:  # noqa: B027
        """Makes ready to write, on the worker: connections, credentials."""

    def close(self) -> None:  # noqa: B027
        """Gives back what `open` took."""

    def prepare(self) -> None:  # noqa: B027
        """Called once before the first row, such as for constraints."""

    @abstractmethod
    def write(self, part: Rows) -> Written:
        """Writes the rows of one file of a table."""

    def finish(self, counts: Mapping[str, int]) -> Written:
        """Called once after the last row.

        Args:
            counts: what all parts counted.
        """
        return Written()
