"""Entities whose names are spelt nearly alike: from blocks of names to the heirs of entities.

```
names by block -> capped blocks -> pairs that are alike -> HeirsOfPairs -> heirs
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.transforms.merging.capped_blocks import CappedBlocks
from pfn_kg.transforms.merging.components import LINK_SCHEMA, by_shard
from pfn_kg.transforms.merging.heirs_of_pairs import HeirsOfPairs
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.merging.near_name_pairs import edges_of
from pfn_kg.transforms.plumbing.shards import decode

# Parts of a part: what many workers bring of one hot block is trimmed before it meets.
_FAN_OUT = 4


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
        links = edges[_Compare.LINKS] | "LinkTypes" >> beam.Map(_same).with_output_types(
            tuple[int, bytes]
        )
        alike = edges["edges"] | "EdgeTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes])
        heirs, of_clusters = (alike, links) | "Heirs" >> HeirsOfPairs("fuzzy", plan, self._apart)
        return heirs, (edges[_Compare.COUNTS], of_clusters) | beam.Flatten()


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
