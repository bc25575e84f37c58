"""Which entities become one, of pairs that are alike: connected components, clusters, heirs.

```
pairs -> connected components
pairs, with the component of both ends -> clusters of each component -> heirs
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.merging.clusters import Candidate, Pair, cluster
from pfn_kg.transforms.merging.components import (
    ConnectedComponents,
    Link,
    by_shard,
    link_table,
    links_of,
)
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.merging.near_name_pairs import EDGE_SCHEMA
from pfn_kg.transforms.plumbing.shards import decode, decode_all

_EDGE_LABEL = "label"


class HeirsOfPairs(beam.PTransform):
    """From pairs and the same as links, both by shard of one end, to heirs and counts.

    Pairs are rows of EDGE_SCHEMA, links of LINK_SCHEMA, and so are heirs: (part of the id, rows
    from an id to the id of its heir).

    Args:
        rule: that says which are alike, for the names of counters.
        plan: side input: the number of files of each table.
        apart: for an id, those that are never one with it.
    """

    def __init__(
        self,
        rule: str,
        plan: beam.pvalue.AsSingleton,
        apart: Mapping[bytes, frozenset[bytes]],
    ):
        super().__init__()
        self._rule = rule
        self._plan = plan
        self._apart = apart

    def expand(
        self, pairs: tuple[beam.PCollection, beam.PCollection]
    ) -> tuple[beam.PCollection, beam.PCollection]:
        """Applies the transform."""
        plan = self._plan
        labelled, links = pairs
        labels = links | "Components" >> ConnectedComponents(plan, SIZE_TABLE)
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
            >> beam.ParDo(_Cluster(self._rule, self._apart), plan).with_outputs(
                _Cluster.COUNTS, main="heirs"
            )
        )
        typed = heirs["heirs"] | "HeirTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes])
        return typed, heirs[_Cluster.COUNTS]


def _same(element: Any) -> Any:
    return element


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

    def __init__(self, rule: str, apart: Mapping[bytes, frozenset[bytes]]):
        self._rule = rule
        self._apart = apart

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
            f"{self._rule}_pairs": len(cut) + sum(map(len, components.values())),
            f"{self._rule}_pairs_left_out": left_out,
            f"merged.{self._rule}": len(heirs),
        }
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)
        yield from by_shard(link_table(heirs.items()), "one", plan[SIZE_TABLE])
