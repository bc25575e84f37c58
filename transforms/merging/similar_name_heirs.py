"""Entities whose names mean the same: from names of chunks to heirs, and to pairs for people.

```
names of chunks -> by part of the id -> vectors -> by block, in each of several tables -> near pairs
near pairs, with the entities of both ends -> scores -> HeirsOfPairs -> heirs
                                                     '-> doubtful pairs
```

An encoder reads the names of a part in order, all of them at once, so that its rounding is the same
in whichever order they come. Vectors travel as bytes, and products of bytes are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import FACT_BYTES, ID_TYPE
from pfn_kg.transforms.facts.entity_rows import lowest_names
from pfn_kg.transforms.merging.components import LINK_SCHEMA, by_shard
from pfn_kg.transforms.merging.doubtful_names import DoubtfulName
from pfn_kg.transforms.merging.heirs_of_pairs import HeirsOfPairs
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE, MergeOptions
from pfn_kg.transforms.merging.name_vectors import vectors_of
from pfn_kg.transforms.merging.near_name_pairs import EDGE_SCHEMA
from pfn_kg.transforms.merging.similar_names import (
    DOUBTFUL,
    JOINED,
    SIMILAR_NAMES,
    Described,
    evidence,
    may_be_one,
    score,
)
from pfn_kg.transforms.merging.vector_blocks import PREFIX, TABLES, block_of, near_pairs, signatures
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.shards import decode, decode_all, split

#: Parts of the ids, whose names an encoder reads at once. Their number is that of no machine.
_PARTS = 64

#: Facts of an entity that are compared.
_FACTS = 64

_DESCRIBED_SCHEMA = pa.schema(
    {
        "id": ID_TYPE,
        "type": pa.string(),
        "key": pa.string(),
        "name": pa.string(),
        "count": pa.int64(),
        "vector": pa.binary(),
        "context": pa.binary(),
        "facts": pa.list_(pa.binary(FACT_BYTES)),
        "partners": pa.list_(pa.string()),
        "seen_in": pa.list_(pa.binary(FACT_BYTES)),
    }
)
_SETS = ("facts", "partners", "seen_in")
_POINT_SCHEMA = pa.schema({"id": ID_TYPE, "signature": pa.uint32(), "vector": pa.binary()})


class SimilarNameHeirs(beam.PTransform):
    """From (part of the id, CHUNK_NAME_SCHEMA as Arrow IPC bytes) to heirs, pairs and counts.

    Heirs are (part of the id, rows of LINK_SCHEMA from an id to the id of its heir). Pairs are
    `DoubtfulName`.

    Args:
        options: keys of names, and what is never made one.
        plan: side input: the number of files of each table.
    """

    def __init__(self, options: MergeOptions, plan: beam.pvalue.AsSingleton):
        super().__init__()
        self._options = options
        self._plan = plan

    def expand(
        self, names: beam.PCollection
    ) -> tuple[beam.PCollection, beam.PCollection, beam.PCollection]:
        """Applies the transform."""
        plan = self._plan
        described = (
            names
            | "Parts" >> beam.FlatMap(_parts).with_output_types(tuple[int, bytes])
            | "GroupParts" >> beam.GroupByKey()
            | "Describe"
            >> beam.ParDo(_Describe(self._options.keys), plan).with_outputs(
                _Describe.POINTS, main="entities"
            )
        )
        entities = described["entities"] | "EntityTypes" >> _typed()
        near = (
            described[_Describe.POINTS]
            | "PointTypes" >> _typed()
            | "GroupBlocks" >> beam.GroupByKey()
            | "Near" >> beam.ParDo(_Near(), plan).with_outputs(_Near.COUNTS, main="pairs")
        )
        first = (
            {"pairs": near["pairs"] | "PairTypes" >> _typed(), "entities": entities}
            | "GroupFirst" >> beam.CoGroupByKey()
            | "First" >> beam.FlatMap(_first, plan).with_output_types(tuple[int, bytes])
        )
        scored = (
            {"pairs": first, "entities": entities}
            | "GroupSecond" >> beam.CoGroupByKey()
            | "Score"
            >> beam.ParDo(_Score(self._options), plan).with_outputs(
                _Score.LINKS, _Score.DOUBTFUL, _Score.COUNTS, main="edges"
            )
        )
        alike = scored["edges"] | "EdgeTypes" >> _typed()
        links = scored[_Score.LINKS] | "LinkTypes" >> _typed()
        heirs, of_heirs = (alike, links) | "Heirs" >> HeirsOfPairs(
            SIMILAR_NAMES, plan, self._options.apart.others
        )
        of_pairs = of_heirs | "CountPairs" >> beam.Map(_without_moves)
        counts = (near[_Near.COUNTS], scored[_Score.COUNTS], of_pairs) | "Counts" >> beam.Flatten()
        return heirs, scored[_Score.DOUBTFUL], counts


def _typed() -> beam.PTransform:
    return beam.Map(_same).with_output_types(tuple[int, bytes])


def _same(element: Any) -> Any:
    return element


def _without_moves(counts: Mapping[str, int]) -> dict[str, int]:
    # An heir may yet give way to another rule: who makes the moves counts them.
    return {name: number for name, number in counts.items() if not name.startswith("merged.")}


def _parts(group: tuple[int, bytes]) -> Iterator[tuple[int, bytes]]:
    """Names by parts of the ids whose number does not depend on the plan."""
    rows = decode(group[1])
    first = [id_[0] % _PARTS for id_ in rows["entity_id"].to_pylist()]
    yield from split(rows, np.array(first, np.int64), _PARTS)


class _Describe(beam.DoFn):
    """Puts the names of entities together and reads them; yields the entities, by part of the id.

    On `points` their vectors, by table and block.
    """

    POINTS = "points"

    def __init__(self, keys: EntityKeys):
        self._keys = keys

    def process(self, group: tuple[int, Iterable[bytes]], plan: Mapping[str, int]) -> Iterator[Any]:
        rows = [row for part in group[1] for row in decode(part).to_pylist()]
        entities = describe(rows, self._keys)
        if not entities:
            return
        rows = [e._asdict() | {name: sorted(getattr(e, name)) for name in _SETS} for e in entities]
        table = pa.Table.from_pylist(rows, _DESCRIBED_SCHEMA)
        yield from by_shard(table, "id", plan[SIZE_TABLE])
        sides = signatures(_stacked([entity.vector for entity in entities]))
        for number in range(TABLES):
            signature = pa.array(sides[:, number], pa.uint32())
            points = pa.table([table["id"], signature, table["vector"]], schema=_POINT_SCHEMA)
            blocks = block_of(sides[:, number]).astype(np.int64)
            for block, data in split(points, blocks, 1 << PREFIX):
                yield beam.pvalue.TaggedOutput(self.POINTS, ((number << PREFIX) + block, data))


def describe(rows: Iterable[Mapping[str, Any]], keys: EntityKeys) -> list[Described]:
    """The entities of names, each once, by id.

    Args:
        rows: of CHUNK_NAME_SCHEMA, in any order.
        keys: of names.
    """
    spelt: dict[tuple[bytes, str], Counter[str]] = {}
    facts: dict[bytes, set[bytes]] = {}
    partners: dict[bytes, set[str]] = {}
    seen_in: dict[bytes, set[bytes]] = {}
    for row in rows:
        # Names that corrections speak of are in no chunk.
        if row["chunk"] < 0:
            continue
        id_ = row["entity_id"]
        if row["rule"] is None:
            spelt.setdefault((id_, row["type"]), Counter())[row["name"]] += row["mentions"]
        facts.setdefault(id_, set()).update(row["facts"] or ())
        partners.setdefault(id_, set()).update(row["partners"] or ())
        seen_in.setdefault(id_, set()).update(row["seen_in"] or ())
    named = [
        (id_, type_, *min(names.items(), key=lambda item: (-item[1], -len(item[0]), item[0])))
        for (id_, type_), names in sorted(spelt.items())
    ]
    contexts = [", ".join(lowest_names(partners[id_])) for id_, *_ in named]
    vectors = vectors_of([name for _, _, name, _ in named] + contexts)
    return [
        Described(
            id_,
            type_,
            keys.key(name, type_),
            name,
            count,
            vectors[number].tobytes(),
            vectors[len(named) + number].tobytes() if contexts[number] else b"",
            frozenset(sorted(facts[id_])[:_FACTS]),
            frozenset(keys.key(partner, None) for partner in lowest_names(partners[id_])),
            frozenset(sorted(seen_in[id_])[:_FACTS]),
        )
        for number, (id_, type_, name, count) in enumerate(named)
    ]


def _stacked(vectors: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(vectors), np.int8).reshape(len(vectors), -1)


class _Near(beam.DoFn):
    """Finds the near pairs of a block; yields them by part of the lower id."""

    COUNTS = "counts"

    def process(self, group: tuple[int, Iterable[bytes]], plan: Mapping[str, int]) -> Iterator[Any]:
        points = decode_all(group[1])
        assert points is not None, "a group has a part"
        points = points.sort_by("id")
        signature = points["signature"].to_numpy()
        places, _, too_large = near_pairs(signature, _stacked(points["vector"].to_pylist()))
        ids = points["id"].to_pylist()
        columns = [pa.array([ids[row] for row in places[:, end]], ID_TYPE) for end in (0, 1)]
        yield beam.pvalue.TaggedOutput(
            self.COUNTS, {f"{SIMILAR_NAMES}_blocks_too_large": too_large}
        )
        yield from by_shard(pa.table(columns, schema=LINK_SCHEMA), "one", plan[SIZE_TABLE])


def _first(
    group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Each pair once, with the entity at its lower end, by part of the other one."""
    pairs, entities = decode_all(group[1]["pairs"]), decode_all(group[1]["entities"])
    if pairs is None or entities is None:
        return
    pairs = pairs.group_by(["one", "other"], use_threads=False).aggregate([])
    at = {id_: row for row, id_ in enumerate(entities["id"].to_pylist())}
    rows = entities.take([at[id_] for id_ in pairs["one"].to_pylist()])
    yield from by_shard(rows.append_column("other", pairs["other"]), "other", plan[SIZE_TABLE])


class _Score(beam.DoFn):
    """Scores pairs; yields those that are alike, and on other outputs what else there is to say."""

    LINKS, DOUBTFUL, COUNTS = "links", "doubtful", "counts"

    def __init__(self, options: MergeOptions):
        self._apart = options.apart.others

    def process(
        self, group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
    ) -> Iterator[Any]:
        pairs, entities = decode_all(group[1]["pairs"]), decode_all(group[1]["entities"])
        if pairs is None or entities is None:
            return
        known = {entity.id: entity for entity in _described(entities)}
        edges = []
        doubtful = 0
        for one, id_ in zip(_described(pairs), pairs["other"].to_pylist(), strict=True):
            other = known[id_]
            if other.id in self._apart.get(one.id, ()) or not may_be_one(one, other):
                continue
            said = evidence(one, other)
            if said is None:
                continue
            likely = score(said)
            if likely >= JOINED and said.same_type:
                told = ((entity.name, entity.count, False) for entity in (one, other))
                edges.append((one.id, other.id, likely, *(v for row in told for v in row)))
            elif likely >= DOUBTFUL:
                doubtful += 1
                found = DoubtfulName.of(likely, one, other, said)
                yield beam.pvalue.TaggedOutput(self.DOUBTFUL, found)
        yield beam.pvalue.TaggedOutput(self.COUNTS, {f"{SIMILAR_NAMES}_doubtful": doubtful})
        columns = zip(*edges, strict=True) if edges else [[]] * len(EDGE_SCHEMA)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, EDGE_SCHEMA, strict=True)]
        table = pa.table(arrays, schema=EDGE_SCHEMA)
        yield from by_shard(table, "a", plan[SIZE_TABLE])
        links = pa.table([table["a"], table["b"]], schema=LINK_SCHEMA)
        for shard, data in by_shard(links, "one", plan[SIZE_TABLE]):
            yield beam.pvalue.TaggedOutput(self.LINKS, (shard, data))


def _described(table: pa.Table) -> Iterator[Described]:
    columns = (table[name].to_pylist() for name in _DESCRIBED_SCHEMA.names)
    for *rest, facts, partners, seen_in in zip(*columns, strict=True):
        sets = map(frozenset, (facts, partners, seen_in))
        yield Described._make((*rest, *sets))
