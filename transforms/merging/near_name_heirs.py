"""Entities whose names are spelt nearly alike: from blocks of names to the heirs of entities.

```
names by block -> capped blocks -> pairs that are alike -> connected components
pairs, with the component of both ends -> clusters of each component -> heirs
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.merging.capped_blocks import CappedBlocks
from pfn_kg.transforms.merging.clusters import Candidate, Pair, cluster
from pfn_kg.transforms.merging.components import (
    LINK_SCHEMA,
    ConnectedComponents,
    Link,
    by_shard,
    link_table,
    links_of,
)
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.merging.near_names import EDGE_SCHEMA, edges_of
from pfn_kg.transforms.plumbing.shards import decode, decode_all

# Parts of a part: what many workers bring of one hot block is trimmed before it meets.
_FAN_OUT = 4

_EDGE_LABEL = "label"


class NearNameHeirs(beam.PTransform):
    """From (shard of the block, BLOCK_SCHEMA as Arrow IPC bytes) to heirs and counts.

    Heirs are (part of the id, rows of LINK_SCHEMA from an id to the id of its heir).

    Args:
        options: how alike names must be.
        plan: side input: the number of files of each table.
        apart: for an id, those that are never one with it.
    """

    def __init__(
        self,
        options: NearNameOptions,
        plan: beam.pvalue.AsSingleton,
        apart: Mapping[bytes, frozenset[bytes]] | None = None,
    ):
        super().__init__()
        self._options = options
        self._plan = plan
        self._apart = apart or {}

    def expand(self, blocks: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        """Applies the transform."""
        plan = self._plan
        edges = (
            blocks
            | "BlockTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes])
            | "CapBlocks"
            >> beam.CombinePerKey(CappedBlocks())
            .with_hot_key_fanout(_FAN_OUT)
            .with_output_types(tuple[int, bytes])
            | "Compare"
            >> beam.ParDo(_Compare(self._options.similarity), plan).with_outputs(
                _Compare.LINKS, _Compare.COUNTS, main="edges"
            )
        )
        labels = edges[_Compare.LINKS] | "Components" >> ConnectedComponents(plan, SIZE_TABLE)
        labelled = edges["edges"] | "EdgeTypes" >> beam.Map(_same).with_output_types(
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
            | "Cluster"
            >> beam.ParDo(_Cluster(self._apart), plan).with_outputs(_Cluster.COUNTS, main="heirs")
        )
        typed = heirs["heirs"] | "HeirTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes])
        counts = (edges[_Compare.COUNTS], heirs[_Cluster.COUNTS]) | beam.Flatten()
        return typed, counts


def _same(element: Any) -> Any:
    return element


class _Compare(beam.DoFn):
    """Compares the names of blocks; yields the pairs, and on `links` the same for components."""

    LINKS, COUNTS = "links", "counts"

    def __init__(self, similarity: float):
        self._similarity = similarity

    def process(self, group: tuple[int, bytes], plan: Mapping[str, int]) -> Iterator[Any]:
        edges, capped = edges_of(decode(group[1]), self._similarity)
        yield beam.pvalue.TaggedOutput(self.COUNTS, {"fuzzy_blocks_too_large": capped})
        yield from by_shard(edges, "a", plan[SIZE_TABLE])
        links = pa.table([edges["a"], edges["b"]], schema=LINK_SCHEMA)
        for shard, data in by_shard(links, "one", plan[SIZE_TABLE]):
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
        # A component that the rounds did not finish is cut here; `_Cluster` counts the pairs.
        is_whole = pc.equal(edges[_EDGE_LABEL].combine_chunks(), labels)
        edges = edges.append_column("is_whole", is_whole)
    yield from by_shard(edges, onward, plan[SIZE_TABLE])


class _Cluster(beam.DoFn):
    """Clusters the pairs of components; yields the heirs, by part of the id."""

    COUNTS = "counts"

    def __init__(self, apart: Mapping[bytes, frozenset[bytes]] | None = None):
        self._apart = apart or {}

    def process(self, group: tuple[int, Iterable[bytes]], plan: Mapping[str, int]) -> Iterator[Any]:
        components: dict[bytes, dict[Link, Pair]] = {}
        cut: set[Link] = set()
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
            clusters = cluster(pairs.values(), apart=self._apart)
            heirs |= clusters.heirs
            left_out += clusters.left_out
        counts = {
            "fuzzy_pairs": len(cut) + sum(map(len, components.values())),
            "fuzzy_pairs_left_out": left_out,
            "merged.fuzzy": len(heirs),
        }
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)
        yield from by_shard(link_table(heirs.items()), "one", plan[SIZE_TABLE])
