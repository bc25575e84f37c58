"""Rows of several chunks, held until they are sent on together.

Rows that are cut by shard make as many pieces as there are chunks times shards, both of which
grow with the corpus; each piece is an element that a runner shuffles, with a schema of its own.
Rows of many chunks make fewer and larger ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pfn_kg.transforms.plumbing.shards import split

#: Bytes of rows from which on they are sent on.
MOST_BYTES = 64 * 2**20


class HeldRows:
    """Rows of tables, in the order in which they came."""

    def __init__(self) -> None:
        self._tables: defaultdict[str, list[pa.Table]] = defaultdict(list)
        self._bytes = 0

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Holds rows, by the names of their tables."""
        for name, rows in tables.items():
            if len(rows):
                self._tables[name].append(rows)
                self._bytes += rows.nbytes

    @property
    def is_full(self) -> bool:
        """Whether they should be taken."""
        return self._bytes >= MOST_BYTES

    def take(self) -> dict[str, pa.Table]:
        """All rows that were held, each table with the pieces that came; they are held no more."""
        tables, self._tables, self._bytes = self._tables, defaultdict(list), 0
        # Sorting puts them into one piece. Until then, another copy would take time and memory.
        return {name: pa.concat_tables(rows) for name, rows in tables.items()}


def at_end_of_bundle(elements: Iterable[Any]) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
    """What `finish_bundle` gives for elements as `process` would give them."""
    for element in elements:
        if isinstance(element, beam.pvalue.TaggedOutput):
            value = GlobalWindows.windowed_value(element.value)
            yield beam.pvalue.TaggedOutput(element.tag, value)
        else:
            yield GlobalWindows.windowed_value(element)


class SpreadRows(beam.DoFn):
    """Gives the rows of several elements by group, as (number of the group, bytes for `decode`).

    A subclass's `process` yields from `spread`, and its `groups_of` says where rows belong.

    Args:
        groups: how many groups there are.
    """

    def __init__(self, groups: int):
        self._groups = groups

    def groups_of(self, rows: pa.Table) -> np.ndarray:
        """The number of each row's group."""
        raise NotImplementedError

    def start_bundle(self) -> None:
        """Holds nothing yet."""
        self._held = HeldRows()

    def spread(self, rows: pa.Table) -> Iterator[tuple[int, bytes]]:
        """Holds rows; gives all that are held once they are many."""
        self._held.add({"": rows})
        if self._held.is_full:
            yield from self._cut()

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        """Gives the rows that are held."""
        yield from at_end_of_bundle(self._cut())

    def _cut(self) -> Iterator[tuple[int, bytes]]:
        for rows in self._held.take().values():
            yield from split(rows, self.groups_of(rows), self._groups)
