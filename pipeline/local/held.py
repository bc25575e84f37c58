"""Elements between two steps: in memory up to a limit, beyond it in a temporary file.

The file has no name, so that nothing of it is left however the process ends.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

# What a Python object takes beside the bytes that it holds, about.
_OVERHEAD = 64


class Memory:
    """The limit that all that is held between steps has in common.

    Args:
        limit: bytes from which on the greatest holder writes to its file.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._holders: dict[int, Held] = {}
        self._total = 0

    def count(self, holder: Held, size: int) -> None:
        """Adds to what a holder has in memory, and makes room if that is too much."""
        self._holders[id(holder)] = holder
        self._total += size
        holder.size += size
        while self._total > self._limit:
            greatest = max(self._holders.values(), key=lambda one: one.size)
            if not greatest.size:
                return
            greatest.spill()
            self.release(greatest)

    def release(self, holder: Held) -> None:
        """Counts what a holder has in memory no more."""
        self._total -= holder.size
        holder.size = 0
        self._holders.pop(id(holder), None)


class Held:
    """Values by key: keys and the values of each in the order in which they came.

    Args:
        memory: the common limit.
    """

    def __init__(self, memory: Memory):
        #: Bytes in memory, about.
        self.size = 0
        self._memory = memory
        self._values: dict[Any, list[Any]] = {}
        self._places: dict[Any, list[tuple[int, int]]] = {}
        self._file: BinaryIO | None = None

    def add(self, key: Any, value: Any) -> None:
        """Holds one more value of a key."""
        values = self._values.get(key)
        if values is None:
            values = self._values[key] = []
        values.append(value)
        self._memory.count(self, size_of(value))

    @property
    def keys(self) -> list[Any]:
        """The keys, each once."""
        # A key keeps its place when its values go to the file.
        return list(self._values)

    def values(self, key: Any) -> Iterable[Any]:
        """The values of a key, in memory if they are there, else read as they are iterated."""
        places = self._places.get(key)
        if not places:
            return self._values.get(key, [])
        assert self._file is not None
        return FiledValues(self._file, tuple(places), self._values[key])

    def take(self, key: Any) -> Iterable[Any]:
        """As `values`, and holds them no more."""
        values = self.values(key)
        if in_memory := self._values.pop(key, None):
            self._memory.count(self, -sum(map(size_of, in_memory)))
        self._places.pop(key, None)
        return values

    def drop(self) -> None:
        """Holds nothing any more."""
        self._memory.release(self)
        self._values, self._places, self._file = {}, {}, None

    def spill(self) -> None:
        """Writes what is in memory to the file."""
        if self._file is None:
            # Open as long as someone may read it.
            self._file = cast(BinaryIO, tempfile.TemporaryFile(prefix="pfn-kg-"))  # noqa: SIM115
        for key, values in self._values.items():
            if values:
                self._file.seek(0, 2)
                begin = self._file.tell()
                pickle.dump(values, self._file, protocol=5)
                self._places.setdefault(key, []).append((begin, self._file.tell() - begin))
                self._values[key] = []


class FiledValues:
    """Values of which some are in a file; may be iterated again and again."""

    def __init__(self, file: BinaryIO, places: tuple[tuple[int, int], ...], in_memory: list[Any]):
        self._file = file
        self._places = places
        self._in_memory = in_memory

    def __iter__(self) -> Iterator[Any]:
        for begin, length in self._places:
            self._file.seek(begin)
            yield from pickle.loads(self._file.read(length))
        yield from self._in_memory

    def __reduce__(self) -> tuple[type[list], tuple[list[Any]]]:
        return list, (list(self),)


def size_of(value: Any) -> int:
    """The bytes that an element takes in memory, about."""
    if isinstance(value, tuple | list):
        return _OVERHEAD + sum(map(size_of, value))
    if isinstance(value, dict):
        return _OVERHEAD + sum(size_of(key) + size_of(one) for key, one in value.items())
    # Bytes, texts, and what says its bytes as its length.
    return _OVERHEAD + (len(value) if hasattr(value, "__len__") else 0)
