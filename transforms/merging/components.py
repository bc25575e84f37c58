"""Connected components in a fixed number of rounds, none of which sees the whole graph.

Large star and small star by turns (Kiveris et al., Connected Components in MapReduce and
Beyond, 2014): every node links its larger neighbours to its smallest one, then its
smaller ones. Each round about halves distances; what these rounds don't bring together
are chains of more than twenty near names, of which the ends say nothing of each other.
What a round gives depends on the edges alone, not on order or shards.

```
edges -> (large star -> small star) x ROUNDS -> (node, the least node that it is tied to)
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of
from pfn_kg.transforms.plumbing.shards import decode, encode, split

#: How often both stars are applied.
ROUNDS = 4

#: An edge between two nodes, in whatever direction.
LINK_SCHEMA = pa.schema({"one": ID_TYPE, "other": ID_TYPE})

Link = tuple[bytes, bytes]


def large_star(node: bytes, neighbours: Iterable[bytes]) -> Iterator[Link]:
    """Links each neighbour that is larger than the node to the least of all."""
    others = set(neighbours)
    least = min(others | {node})
    return ((other, least) for other in others if other > node)


def small_star(node: bytes, neighbours: Iterable[bytes]) -> Iterator[Link]:
    """Links the node and each neighbour that is smaller to the least of all."""
    smaller = {other for other in neighbours if other < node}
    if not smaller:
        return
    least = min(smaller)
    yield node, least
    yield from ((other, least) for other in smaller if other != least)


def components_of(links: Iterable[Link], rounds: int = ROUNDS) -> dict[bytes, bytes]:
    """The same of a small graph: for each node but the least of each component the least."""
    current = set(links)
    for star in (large_star, small_star) * rounds:
        at: dict[bytes, list[bytes]] = {}
        for one, other in current:
            at.setdefault(one, []).append(other)
            at.setdefault(other, []).append(one)
        current = {link for node, others in at.items() for link in star(node, others)}
    return _least(current)


def _least(links: Iterable[Link]) -> dict[bytes, bytes]:
    least: dict[bytes, bytes] = {}
    for one, other in links:
        node, end = max(one, other), min(one, other)
        least[node] = min(end, least.get(node, end))
    return least


class ConnectedComponents(beam.PTransform):
    """From (shard, links as Arrow IPC bytes) to (shard of the node, (node, least) as links).

    Args:
        plan: side input, the number of shards by name.
        name: of the number of shards.
    """

    def __init__(self, plan: beam.pvalue.AsSingleton, name: str):
        super().__init__()
        self._plan = plan
        self._name = name

    def expand(self, links: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        for number in range(ROUNDS):
            for star in ("large", "small"):
                links = (
                    links
                    | f"By node {star} {number}"
                    >> beam.FlatMap(_by_node, self._plan, self._name).with_output_types(
                        tuple[int, bytes]
                    )
                    | f"Group {star} {number}" >> beam.GroupByKey()
                    | f"{star} star {number}"
                    >> beam.FlatMap(_star, star).with_output_types(tuple[int, bytes])
                )
        return (
            links
            | "By larger node"
            >> beam.FlatMap(_by_larger, self._plan, self._name).with_output_types(tuple[int, bytes])
            | "Group labels" >> beam.GroupByKey()
            | "Labels" >> beam.FlatMap(_labels).with_output_types(tuple[int, bytes])
        )


def link_table(links: Iterable[Link]) -> pa.Table:
    """Links as rows of LINK_SCHEMA."""
    distinct = sorted(set(links))
    columns = [pa.array([link[i] for link in distinct], ID_TYPE) for i in range(2)]
    return pa.table(columns, schema=LINK_SCHEMA)


def links_of(parts: Iterable[bytes]) -> list[Link]:
    """The rows of LINK_SCHEMA as tuples."""
    all_links: list[Link] = []
    for part in parts:
        table = decode(part)
        all_links += zip(table["one"].to_pylist(), table["other"].to_pylist(), strict=True)
    return all_links


def by_shard(table: pa.Table, column: str, shards: int) -> Iterator[tuple[int, bytes]]:
    """Rows as Arrow IPC bytes, by the shard of the ids of a column."""
    yield from split(table, shard_of(from_arrow(table[column]), shards), shards)


def _by_node(
    group: tuple[int, bytes], plan: Mapping[str, int], name: str
) -> Iterator[tuple[int, bytes]]:
    links = decode(group[1])
    turned = pa.table([links["other"], links["one"]], schema=LINK_SCHEMA)
    yield from by_shard(pa.concat_tables([links, turned]), "one", plan[name])


def _star(group: tuple[int, Iterable[bytes]], star: str) -> Iterator[tuple[int, bytes]]:
    at: dict[bytes, list[bytes]] = {}
    for one, other in links_of(group[1]):
        at.setdefault(one, []).append(other)
    star_links = large_star if star == "large" else small_star
    yield from _encoded(
        group[0], (link for node, others in at.items() for link in star_links(node, others))
    )


def _by_larger(
    group: tuple[int, bytes], plan: Mapping[str, int], name: str
) -> Iterator[tuple[int, bytes]]:
    links = links_of([group[1]])
    ordered = link_table((max(link), min(link)) for link in links)
    yield from by_shard(ordered, "one", plan[name])


def _labels(group: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
    yield from _encoded(group[0], _least(links_of(group[1])).items())


def _encoded(key: int, links: Iterable[Link]) -> Iterator[tuple[int, bytes]]:
    table = link_table(links)
    if len(table):
        yield key, encode(table)
