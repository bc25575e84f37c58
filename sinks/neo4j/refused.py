"""Rows that a server refused: on disk once they are many, since a whole table may be refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import NamedTuple

import orjson

from pfn_kg.sinks.interface import RejectedRow

# More of them than this go to a temporary file.
_MOST_BYTES = 8 << 20


class Refused(NamedTuple):
    """A row that the server refused.

    Attributes:
        row: what is kept of it.
        identity: as `pfn_kg.sinks.neo4j.statements.Merge.identity` gives it.
    """

    row: RejectedRow
    identity: tuple[str, str, str, str]


class RefusedRows:
    """Collects the refused rows of one file of a table, from several threads.

    Iterating it gives them in the order in which they came. In memory are their identities, and
    of the rest 8 MiB at most. The file is gone with the object.

    Args:
        most_bytes: in memory, before a temporary file takes all of them.

    Attributes:
        identities: of all of them.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES):
        self._file = SpooledTemporaryFile(most_bytes)  # noqa: SIM115
        self._lock = Lock()
        self.identities: list[tuple[str, str, str, str]] = []

    def extend(self, refused: Iterable[Refused]) -> None:
        """Adds some."""
        with self._lock:
            for row, identity in refused:
                self._file.write(orjson.dumps(list(row), option=orjson.OPT_APPEND_NEWLINE))
                self.identities.append(identity)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.identities)

    def __iter__(self) -> Iterator[RejectedRow]:
        """All of them, which are to be collected by then."""
        self._file.seek(0)
        for line in self._file:
            yield RejectedRow(*orjson.loads(line))
