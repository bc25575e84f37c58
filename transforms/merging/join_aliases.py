"""Names looked up in the alias table, and the names that are left to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.schemas.shuffled_rows import NAME_SCHEMA, Move
from pfn_kg.transforms.merging.alias_table import expand_keys
from pfn_kg.transforms.merging.components import by_shard, link_table
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE, MergeOptions
from pfn_kg.transforms.merging.moves import both_ends, moves_of_chunks
from pfn_kg.transforms.merging.near_name_blocks import BLOCK_SCHEMA, block_numbers, blocks_of
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import open_raw
from pfn_kg.transforms.plumbing.shards import decode, decode_all, split

# Names stand in several blocks each.
_BLOCK_SHARDS = 4


def read_aliases(
    group: int, options: MergeOptions, plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Reads one row group of the alias table, by part of the ids of its names.

    Args:
        group: number of the row group.
        options: of the merge; they name the file.
        plan: the number of files of each table.
    """
    assert options.alias_keys is not None  # since it has row groups
    with open_raw(options.alias_keys) as file:
        table = pq.ParquetFile(file).read_row_group(group, use_threads=False)
    yield from by_shard(expand_keys(table, options.keys), "entity_id", plan[SIZE_TABLE])


class _Entity(NamedTuple):
    """An entity of its own key, in one part of the ids."""

    id: bytes
    type: str
    key: str
    name: str
    # A tuple's method of that name is of no use for an entity.
    count: int  # type: ignore[assignment]


class JoinAliases(beam.DoFn):
    """Looks the names of some entities up in the alias table.

    Args:
        options: of the merge.

    Yields:
        `(chunk, list of Move)`; on the output `ends` both ends of the moves, by part of the id, on
        `names` the names that the table gives entities,
        on `blocks` the names that are to be compared, on `counts` the counts.
    """

    NAMES, BLOCKS, COUNTS, ENDS = "names", "blocks", "counts", "ends"

    def __init__(self, options: MergeOptions):
        self._near_names = options.near_names
        self._keys = options.keys
        self._released = options.apart.released

    def process(
        self, group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
    ) -> Iterator[Any]:
        """Joins the names of one part of the ids with the alias table."""
        names = decode_all(group[1]["names"])
        if names is None:
            return
        aliases = _aliases_of(names, group[1]["aliases"])
        aliases = {id_: alias for id_, alias in aliases.items() if id_ not in self._released}
        moves = [
            Move(id_, alias["heir_id"], "aliases")
            for id_, alias in aliases.items()
            if id_ != alias["heir_id"]
        ]
        chunks = names.select(["entity_id", "chunk"])
        yield from moves_of_chunks(moves, chunks)
        for end in both_ends(link_table((m.old, m.heir) for m in moves), plan):
            yield beam.pvalue.TaggedOutput(self.ENDS, end)
        # Names of no chunk are looked up, and change nothing.
        names = names.filter(pc.greater_equal(names["chunk"], 0))
        there = set(pc.unique(names["entity_id"]).to_pylist())
        aliases = {id_: alias for id_, alias in aliases.items() if id_ in there}
        moves = [move for move in moves if move.old in there]
        if moves:
            yield beam.pvalue.TaggedOutput(self.COUNTS, {"merged.aliases": len(moves)})
        if aliases:
            shards = plan[SIZE_TABLE]
            for shard, data in by_shard(_canonical(aliases.values()), "entity_id", shards):
                yield beam.pvalue.TaggedOutput(self.NAMES, ((SIZE_TABLE, shard), data))
        if self._near_names is not None:
            entities = _entities_of(names, self._keys)
            rows = _block_rows(
                entities, aliases, keys=self._keys, least_words=self._near_names.words
            )
            shards = _BLOCK_SHARDS * plan[SIZE_TABLE]
            of_block = (block_numbers(rows) % np.uint64(shards)).astype(np.int64)
            for shard, data in split(rows, of_block, shards):
                yield beam.pvalue.TaggedOutput(self.BLOCKS, (shard, data))


def _aliases_of(names: pa.Table, parts: Iterable[bytes]) -> dict[bytes, dict[str, Any]]:
    """The rows of the alias table for entities that have names, by their ids."""
    ids = pc.unique(names["entity_id"])
    by_id: dict[bytes, dict[str, Any]] = {}
    for part in parts:
        table = decode(part)
        wanted = table.filter(pc.is_in(table["entity_id"], value_set=ids))
        for row in wanted.to_pylist():
            id_ = row["entity_id"]
            if id_ not in by_id or _order(row) < _order(by_id[id_]):
                by_id[id_] = row
    return dict(sorted(by_id.items()))


def _order(alias: Mapping[str, Any]) -> tuple[bool, bytes, str]:
    return alias["heir_id"] != alias["entity_id"], alias["heir_id"], alias["name"]


def _canonical(aliases: Iterable[dict[str, Any]]) -> pa.Table:
    """The rows of names that the alias table gives the heirs."""
    rows = {
        alias["heir_id"]: {
            "entity_id": alias["heir_id"],
            "kind": "entity",
            "type": alias["type"],
            "name": alias["name"],
            "mentions": 0,
            "own": 0,
            "documents": 0,
            "is_canonical": True,
            "same_as": alias["same_as"],
            "rule": None,
            "own_type": alias["type"],
        }
        for alias in aliases
    }
    return pa.Table.from_pylist([rows[id_] for id_ in sorted(rows)], NAME_SCHEMA)


def _entities_of(names: pa.Table, keys: EntityKeys) -> Iterator[_Entity]:
    """The entities that some names are of, each with its most frequent spelling.

    Short forms, which have another key, come after those of its own.
    """
    spellings = names.group_by(["entity_id", "type", "name"], use_threads=False).aggregate(
        [("mentions", "sum"), ("own", "sum")]
    )
    spellings = spellings.append_column("is_own", pc.greater(spellings["own_sum"], 0))
    spellings = spellings.append_column("length", pc.utf8_length(spellings["name"])).sort_by(
        [
            ("entity_id", "ascending"),
            ("is_own", "descending"),
            ("mentions_sum", "descending"),
            ("length", "descending"),
            ("name", "ascending"),
        ]
    )
    columns = ("entity_id", "type", "name", "mentions_sum")
    last: bytes | None = None
    for id_, type_, name, count in zip(*(spellings[c].to_pylist() for c in columns), strict=True):
        if id_ != last:
            # An entity has a name of its own key: a short form goes to one that is there.
            yield _Entity(id_, type_, keys.key(name, type_), name, count)
        last = id_


def _block_rows(
    entities: Iterable[_Entity],
    aliases: Mapping[bytes, dict[str, Any]],
    *,
    keys: EntityKeys,
    least_words: int,
) -> pa.Table:
    """The names that are to be compared, once for each of their blocks."""
    rows: list[tuple[bytes, str, str, int, bool]] = []
    types: list[str] = []
    for entity in entities:
        alias = aliases.get(entity.id)
        id_, names = entity.id, [entity.key]
        if alias is not None:
            id_ = alias["heir_id"]
            names = list(dict.fromkeys([entity.key, keys.key(alias["name"], entity.type)]))
        rows += [(id_, key, entity.name, entity.count, alias is not None) for key in names]
        types += [entity.type] * len(names)
    fields = [BLOCK_SCHEMA.field(number) for number in range(1, len(BLOCK_SCHEMA))]
    columns = [pa.array([row[n] for row in rows], f.type) for n, f in enumerate(fields)]
    owners, blocks = blocks_of(types, [row[1] for row in rows], least_words=least_words)
    return pa.table([blocks, *(column.take(pa.array(owners)) for column in columns)], BLOCK_SCHEMA)
