"""Entities across documents: which of them are one, by the alias table and by near names.

```
names of chunks -> by id --.
alias table     -> by id --+-> what aliases move
                           '-> names by block -> capped blocks -> pairs that are alike
pairs -> connected components -> clusters of each -> what fuzzy matching moves
what moves -> by id, with the chunks of its names -> by chunk
```

No step sees all names: those of an id meet, those of a block up to a number, and the
pairs of a component. What comes out is small: the ids that go to another one, for the
chunks whose names have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.schemas.job import FuzzyOptions
from pfn_kg.transforms.facts.chunk_rows import NAME_SCHEMA
from pfn_kg.transforms.merging.alias_table import expand_keys
from pfn_kg.transforms.merging.clusters import Candidate, Pair, cluster
from pfn_kg.transforms.merging.components import (
    LINK_SCHEMA,
    ConnectedComponents,
    by_shard,
    link_table,
    links_of,
)
from pfn_kg.transforms.merging.near_names import (
    BLOCK_NAMES,
    BLOCK_SCHEMA,
    EDGE_SCHEMA,
    blocks_of,
    edges_of,
    words_of,
)
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import open_raw
from pfn_kg.transforms.plumbing.ids import ID_TYPE
from pfn_kg.transforms.plumbing.ranks import rank_in_runs
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode, split

#: What is shuffled of names: NAME_SCHEMA and the chunk that they are of.
CHUNK_NAME_SCHEMA = NAME_SCHEMA.append(pa.field("chunk", pa.int64()))

#: The id that a name's own key gives, and the entity that it goes to.
Move = tuple[bytes, bytes]

# The table whose number of files says into how many parts entities are cut.
_SIZE = "entities"
# Names stand in several blocks each.
_BLOCK_SHARDS = 4
# Parts of a part: what many workers bring of one hot block is trimmed before it meets.
_FAN_OUT = 4

_EDGE_LABEL = "label"


class MergeOptions(NamedTuple):
    """What makes entities of different keys one.

    Attributes:
        keys: of names.
        alias_keys: a Parquet file of `pfn_kg.transforms.merging.alias_table.KEY_SCHEMA`, if any.
        alias_groups: how many row groups it has.
        fuzzy: how alike names must be; None compares none.
    """

    keys: EntityKeys
    alias_keys: str | None = None
    alias_groups: int = 0
    fuzzy: FuzzyOptions | None = None


class Merged(NamedTuple):
    """What `MergeEntities` gives.

    Attributes:
        moves: (chunk, list of `Move`).
        names: rows of NAME_SCHEMA that the alias table gives, as ((`entities`, shard), bytes).
        counts: dictionaries.
    """

    moves: beam.PCollection
    names: beam.PCollection
    counts: beam.PCollection


class MergeEntities(beam.PTransform):
    """From (part of the ids, CHUNK_NAME_SCHEMA as Arrow IPC bytes) to `Merged`.

    Args:
        options: what makes entities one.
        plan: side input: how many files each table has.
    """

    def __init__(self, options: MergeOptions, plan: beam.pvalue.AsSingleton):
        super().__init__()
        self._options = options
        self._plan = plan

    def expand(self, names: beam.PCollection) -> Merged:
        """Applies the transform."""
        options, plan = self._options, self._plan
        aliases = (
            names.pipeline
            | "AliasGroups" >> beam.Create(range(options.alias_groups), reshuffle=True)
            | "Aliases"
            >> beam.FlatMap(_read_aliases, options, plan).with_output_types(tuple[int, bytes])
        )
        joined = (
            {"names": names, "aliases": aliases}
            | "GroupById" >> beam.CoGroupByKey()
            | "JoinAliases"
            >> beam.ParDo(_JoinAliases(options), plan).with_outputs(
                _JoinAliases.NAMES, _JoinAliases.BLOCKS, _JoinAliases.COUNTS, main="moves"
            )
        )
        found = Merged(joined["moves"], joined[_JoinAliases.NAMES], joined[_JoinAliases.COUNTS])
        if options.fuzzy is None:
            return found
        heirs, counts = joined[_JoinAliases.BLOCKS] | "Fuzzy" >> _FuzzyHeirs(options.fuzzy, plan)
        chunks = names | "ChunksOfIds" >> beam.MapTuple(_chunks_of_ids).with_output_types(
            tuple[int, bytes]
        )
        moves = (
            {"chunks": chunks, "heirs": heirs}
            | "GroupMovesById" >> beam.CoGroupByKey()
            | "MovesOfChunks" >> beam.FlatMap(_route).with_output_types(tuple[int, Any])
        )
        return Merged(
            (found.moves, moves) | "AllMoves" >> beam.Flatten(),
            found.names,
            (found.counts, counts) | "AllCounts" >> beam.Flatten(),
        )


def _read_aliases(
    group: int, options: MergeOptions, plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    assert options.alias_keys is not None  # since it has row groups
    with open_raw(options.alias_keys) as file:
        table = pq.ParquetFile(file).read_row_group(group, use_threads=False)
    yield from by_shard(expand_keys(table, options.keys), "entity_id", plan[_SIZE])


class _Entity(NamedTuple):
    """An entity of its own key, in one part of the ids."""

    id: bytes
    type: str
    key: str
    name: str
    # A tuple's method of that name is of no use for an entity.
    count: int  # type: ignore[assignment]


class _JoinAliases(beam.DoFn):
    """Looks the names of some entities up in the alias table.

    Gives what moves by chunk; on `names` what the table calls entities, on `blocks` what
    is to be compared, on `counts` what it counted.
    """

    NAMES, BLOCKS, COUNTS = "names", "blocks", "counts"

    def __init__(self, options: MergeOptions):
        self._fuzzy = options.fuzzy
        self._keys = options.keys

    def process(
        self, group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
    ) -> Iterator[Any]:
        names = decode_all(group[1]["names"])
        if names is None:
            return
        aliases = _aliases_of(names, group[1]["aliases"])
        moves = [(id_, alias["heir_id"]) for id_, alias in aliases.items()]
        moves = [(old, heir) for old, heir in moves if old != heir]
        chunks = names.select(["entity_id", "chunk"])
        yield from route(moves, chunks)
        if moves:
            yield beam.pvalue.TaggedOutput(self.COUNTS, {"merged.aliases": len(moves)})
        if aliases:
            shards = plan[_SIZE]
            for shard, data in by_shard(_canonical(aliases.values()), "entity_id", shards):
                yield beam.pvalue.TaggedOutput(self.NAMES, ((_SIZE, shard), data))
        if self._fuzzy is not None:
            entities = _entities_of(names, self._keys)
            rows = _block_rows(entities, aliases, self._keys, self._fuzzy.words)
            shards = _BLOCK_SHARDS * plan[_SIZE]
            of_block = (_block_numbers(rows) % np.uint64(shards)).astype(np.int64)
            for shard, data in split(rows, of_block, shards):
                yield beam.pvalue.TaggedOutput(self.BLOCKS, (shard, data))


def _aliases_of(names: pa.Table, parts: Iterable[bytes]) -> dict[bytes, dict[str, Any]]:
    """What the alias table says of entities that have names, by their ids."""
    ids = pc.unique(names["entity_id"])
    found: dict[bytes, dict[str, Any]] = {}
    for part in parts:
        table = decode(part)
        wanted = table.filter(pc.is_in(table["entity_id"], value_set=ids))
        for row in wanted.to_pylist():
            id_ = row["entity_id"]
            if id_ not in found or _order(row) < _order(found[id_]):
                found[id_] = row
    return dict(sorted(found.items()))


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
        }
        for alias in aliases
    }
    return pa.Table.from_pylist([rows[id_] for id_ in sorted(rows)], NAME_SCHEMA)


def _entities_of(names: pa.Table, keys: EntityKeys) -> Iterator[_Entity]:
    """The entities that some names are of, each with its most frequent spelling.

    Short forms, which have another key, come after those of its own.
    """
    found = names.group_by(["entity_id", "type", "name"], use_threads=False).aggregate(
        [("mentions", "sum"), ("own", "sum")]
    )
    found = found.append_column("is_own", pc.greater(found["own_sum"], 0))
    found = found.append_column("length", pc.utf8_length(found["name"])).sort_by(
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
    for id_, type_, name, count in zip(*(found[c].to_pylist() for c in columns), strict=True):
        if id_ != last:
            # An entity has a name of its own key: a short form goes to one that is there.
            yield _Entity(id_, type_, keys.key(name, type_), name, count)
        last = id_


def _block_rows(
    entities: Iterable[_Entity],
    aliases: Mapping[bytes, dict[str, Any]],
    keys: EntityKeys,
    least_words: int,
) -> pa.Table:
    """The names that are to be compared, once for each of their blocks."""
    rows: list[tuple[bytes, bytes, str, str, int, bool]] = []
    for entity in entities:
        alias = aliases.get(entity.id)
        id_, names = entity.id, [entity.key]
        if alias is not None:
            id_ = alias["heir_id"]
            names = list(dict.fromkeys([entity.key, keys.key(alias["name"], entity.type)]))
        for key in names:
            words = words_of(key)
            if len(words) < least_words or not words:
                continue
            rest = (id_, key, entity.name, entity.count, alias is not None)
            rows += [(block, *rest) for block in blocks_of(entity.type, words)]
    columns = [[row[number] for row in rows] for number in range(len(BLOCK_SCHEMA))]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, BLOCK_SCHEMA, strict=True)]
    return pa.table(arrays, schema=BLOCK_SCHEMA)


def _block_numbers(rows: pa.Table) -> np.ndarray:
    return np.frombuffer(b"".join(rows["block"].to_pylist()), dtype=">u8").astype(np.uint64)


class CappedBlocks(beam.CombineFn):
    """Of each block the names with the lowest ids, one more than are compared.

    Which they are does not depend on the order, so that parts may be trimmed before they
    meet. A block that has one more than BLOCK_NAMES of them is known to be too large.
    """

    def create_accumulator(self) -> list[bytes]:
        """Nothing."""
        return []

    def add_input(self, accumulator: list[bytes], part: bytes) -> list[bytes]:
        """Adds rows of BLOCK_SCHEMA as Arrow IPC bytes."""
        return _trim_some([*accumulator, part])

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        """Adds up."""
        return _trim_some([part for parts in accumulators for part in parts])

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        """The rows, trimmed and in order."""
        return _trim(accumulator)


def _trim_some(parts: list[bytes]) -> list[bytes]:
    # As often as the parts beside the first outgrow it: each row is sorted a few times.
    if len(parts) > 1 and sum(map(len, parts[1:])) > max(len(parts[0]), 1 << 20):
        return [_trim(parts)]
    return parts


def _trim(parts: Iterable[bytes]) -> bytes:
    rows = decode_all(parts)
    if rows is None:
        return encode(BLOCK_SCHEMA.empty_table())
    order = ["block", "entity_id", "key", "name", "count", "is_fixed"]
    rows = rows.sort_by([(name, "ascending") for name in order]).combine_chunks()
    if not len(rows):
        return encode(rows)
    numbers = _block_numbers(rows)
    # The canonical name of an alias comes once for each of its names.
    same = np.zeros(len(rows), dtype=bool)
    keys = (rows[name].combine_chunks() for name in ("entity_id", "key"))
    same[1:] = numbers[1:] == numbers[:-1]
    for key in keys:
        same[1:] &= pc.equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
    rows, numbers = rows.filter(pa.array(~same)), numbers[~same]
    return encode(rows.filter(pa.array(rank_in_runs(numbers) <= BLOCK_NAMES)))


class _FuzzyHeirs(beam.PTransform):
    """From (shard of the block, BLOCK_SCHEMA) to heirs and counts.

    Heirs are (part of the id, `Move` as LINK_SCHEMA).
    """

    def __init__(self, fuzzy: FuzzyOptions, plan: beam.pvalue.AsSingleton):
        super().__init__()
        self._fuzzy = fuzzy
        self._plan = plan

    def expand(self, blocks: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        plan = self._plan
        edges = (
            blocks
            | "BlockTypes" >> beam.Map(_identity).with_output_types(tuple[int, bytes])
            | "CapBlocks"
            >> beam.CombinePerKey(CappedBlocks())
            .with_hot_key_fanout(_FAN_OUT)
            .with_output_types(tuple[int, bytes])
            | "Compare"
            >> beam.ParDo(_Compare(self._fuzzy.similarity), plan).with_outputs(
                _Compare.LINKS, _Compare.COUNTS, main="edges"
            )
        )
        labels = edges[_Compare.LINKS] | "Components" >> ConnectedComponents(plan, _SIZE)
        labelled = edges["edges"] | "EdgeTypes" >> beam.Map(_identity).with_output_types(
            tuple[int, bytes]
        )
        for end, onward in (("a", "b"), ("b", _EDGE_LABEL)):
            labelled = (
                {"edges": labelled, "labels": labels}
                | f"Group {end}" >> beam.CoGroupByKey()
                | f"Label {end}"
                >> beam.FlatMap(_label, end, onward, plan).with_output_types(tuple[int, bytes])
            )
        heirs = (
            labelled
            | "GroupComponents" >> beam.GroupByKey()
            | "Cluster" >> beam.ParDo(_Cluster(), plan).with_outputs(_Cluster.COUNTS, main="heirs")
        )
        typed = heirs["heirs"] | "HeirTypes" >> beam.Map(_identity).with_output_types(
            tuple[int, bytes]
        )
        counts = (edges[_Compare.COUNTS], heirs[_Cluster.COUNTS]) | beam.Flatten()
        return typed, counts


def _identity(element: Any) -> Any:
    return element


class _Compare(beam.DoFn):
    """Compares the names of blocks; gives pairs, and the same as links for components."""

    LINKS, COUNTS = "links", "counts"

    def __init__(self, similarity: float):
        self._similarity = similarity

    def process(self, group: tuple[int, bytes], plan: Mapping[str, int]) -> Iterator[Any]:
        edges, capped = edges_of(decode(group[1]), self._similarity)
        yield beam.pvalue.TaggedOutput(self.COUNTS, {"fuzzy_blocks_too_large": capped})
        yield from by_shard(edges, "a", plan[_SIZE])
        links = pa.table([edges["a"], edges["b"]], schema=LINK_SCHEMA)
        for shard, data in by_shard(links, "one", plan[_SIZE]):
            yield beam.pvalue.TaggedOutput(self.LINKS, (shard, data))


def _label(
    group: tuple[int, Mapping[str, Iterable[bytes]]],
    end: str,
    onward: str,
    plan: Mapping[str, int],
) -> Iterator[tuple[int, bytes]]:
    """Adds the component of one end of each pair, and sends the pair on."""
    edges = decode_all(group[1]["edges"])
    if edges is None:
        return
    least = dict(links_of(group[1]["labels"]))
    labels = pa.array([least.get(id_, id_) for id_ in edges[end].to_pylist()], ID_TYPE)
    if end == "a":
        edges = edges.append_column(_EDGE_LABEL, labels)
    else:
        # Components that were not finished are cut there; whoever clusters counts it.
        is_whole = pc.equal(edges[_EDGE_LABEL].combine_chunks(), labels)
        edges = edges.append_column("is_whole", is_whole)
    yield from by_shard(edges, onward, plan[_SIZE])


class _Cluster(beam.DoFn):
    """Clusters the pairs of components; gives what moves, by part of the id."""

    COUNTS = "counts"

    def process(self, group: tuple[int, Iterable[bytes]], plan: Mapping[str, int]) -> Iterator[Any]:
        components: dict[bytes, dict[Move, Pair]] = {}
        cut: set[Move] = set()
        columns = [*EDGE_SCHEMA.names, _EDGE_LABEL, "is_whole"]
        for part in group[1]:
            table = decode(part)
            for row in zip(*(table[name].to_pylist() for name in columns), strict=True):
                a, b, similarity, *ends, label, is_whole = row
                if not is_whole:
                    cut.add((a, b))
                    continue
                one = Candidate(a, ends[1], ends[0], ends[2])
                other = Candidate(b, ends[4], ends[3], ends[5])
                # A pair comes once for each block in which its names meet.
                known = components.setdefault(label, {})
                if (a, b) not in known or known[a, b].similarity < similarity:
                    known[a, b] = Pair(similarity, one, other)
        heirs: dict[bytes, bytes] = {}
        left_out = len(cut)
        for pairs in components.values():
            found = cluster(pairs.values())
            heirs |= found.heirs
            left_out += found.left_out
        counts = {
            "fuzzy_pairs": len(cut) + sum(map(len, components.values())),
            "fuzzy_pairs_left_out": left_out,
            "merged.fuzzy": len(heirs),
        }
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)
        yield from by_shard(link_table(heirs.items()), "one", plan[_SIZE])


def _chunks_of_ids(part: int, names: bytes) -> tuple[int, bytes]:
    rows = decode(names).select(["entity_id", "chunk"])
    return part, encode(rows.group_by(["entity_id", "chunk"], use_threads=False).aggregate([]))


def _route(group: tuple[int, Mapping[str, Iterable[bytes]]]) -> Iterator[tuple[int, list[Move]]]:
    chunks = decode_all(group[1]["chunks"])
    if chunks is not None:
        yield from route(links_of(group[1]["heirs"]), chunks)


def route(moves: Sequence[Move], chunks: pa.Table) -> Iterator[tuple[int, list[Move]]]:
    """Gives each chunk the moves of the ids that it has.

    Args:
        moves: each id once.
        chunks: columns `entity_id` and `chunk`.
    """
    if not moves:
        return
    heirs = dict(moves)
    rows = chunks.filter(pc.is_in(chunks["entity_id"], value_set=pa.array(heirs, ID_TYPE)))
    found: dict[int, set[bytes]] = {}
    for id_, chunk in zip(rows["entity_id"].to_pylist(), rows["chunk"].to_pylist(), strict=True):
        found.setdefault(chunk, set()).add(id_)
    for chunk, ids in sorted(found.items()):
        yield chunk, [(id_, heirs[id_]) for id_ in sorted(ids)]
