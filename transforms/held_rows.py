"""Rows of several chunks, held until they are sent on together.

Rows that are cut by shard make as many pieces as there are chunks times shards, both of which
grow with the corpus; each piece is an element that a runner shuffles, with a schema of its own.
Rows of many chunks make fewer and larger ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa

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
        """All rows that were held, each table in one piece; they are held no more."""
        tables, self._tables, self._bytes = self._tables, defaultdict(list), 0
        return {name: pa.concat_tables(rows).combine_chunks() for name, rows in tables.items()}
