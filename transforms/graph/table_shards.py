"""The files of a graph's tables: how many there are, and which of them a row belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import shuffled_schema
from pfn_kg.schemas.tables import SORTED_BY
from pfn_kg.transforms.plumbing.ids import (
    content_id,
    from_arrow,
    id_array,
    shard_of,
    shard_of_documents,
)
from pfn_kg.transforms.plumbing.shards import ShuffledRows
from pfn_kg.transforms.tables.parts import TablePart

#: A table and the number of one of its files.
Shard: TypeAlias = tuple[str, int]

#: The tables, each with the count of the corpus that is an upper bound of its rows.
BOUNDED_BY = {
    "documents": "documents",
    "sentences": "sentences",
    "mentions": "mentions",
    "triples": "head_triples",
    "entities": "mentions",
    "relations": "head_triples",
    "rejected": "documents",
}


def plan_shards(sizes: Mapping[str, int], tables: Sequence[str], shard_rows: int) -> dict[str, int]:
    """The number of files of each table. It depends on the corpus alone.

    Args:
        sizes: the counts of the corpus that BOUNDED_BY names.
        tables: the tables that are written.
        shard_rows: about how many rows a file holds.
    """
    return {name: max(1, -(-sizes.get(BOUNDED_BY[name], 0) // shard_rows)) for name in tables}


def shards_of(table: str, rows: pa.Table, shards: int) -> np.ndarray:
    """The number of the file that each row belongs to: by its id, or by a hash of its place.

    Args:
        table: name of the table.
        rows: its rows, with ids as bytes.
        shards: the number of its files.
    """
    if shards == 1 or not len(rows):
        return np.zeros(len(rows), dtype=np.int64)
    if table in ("documents", "sentences"):
        return shard_of_documents(rows["document_id"], shards)
    if table == "rejected":
        places = zip(rows["source_file"].to_pylist(), rows["source_row"].to_pylist(), strict=True)
        ids = id_array(content_id("row", str(file), str(row)) for file, row in places)
    else:
        ids = from_arrow(rows[SORTED_BY[table][0]])
    return shard_of(ids, shards)


def empty_shards(
    plan: Mapping[str, int], written: Iterable[TablePart]
) -> Iterator[tuple[Shard, list[ShuffledRows]]]:
    """The planned files that got no row, each with an empty table.

    Args:
        plan: the number of files of each table.
        written: the files that got rows.
    """
    there = {(part.table, part.number) for part in written}
    for table, shards in plan.items():
        empty = ShuffledRows(shuffled_schema(table).empty_table())
        for shard in range(shards):
            if (table, shard) not in there:
                yield (table, shard), [empty]
