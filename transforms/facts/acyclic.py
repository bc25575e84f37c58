"""Which edges of a graph close a cycle of better ones, edge after edge.

The edges are inserted in their order, and a topological order of the nodes is kept up to date
(Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic graphs", JEA 2007): an
edge that follows the order costs nothing, and one against it looks only at the nodes between its
ends. networkx has no incremental order; asking it for a path before each edge is quadratic.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: Edges that are followed before the rest is left unchecked: some seconds of one core.
MOST_VISITS = 5_000_000


class ClosingEdges(NamedTuple):
    """Edges by their place in the order in which they were given.

    Attributes:
        closing: those that close a cycle of the edges before them.
        unchecked: those that were not looked at, since the work had grown too large.
    """

    closing: list[int]
    unchecked: list[int]


def closing_edges(edges: Iterable[tuple[int, int]], most_visits: int = MOST_VISITS) -> ClosingEdges:
    """Finds the edges that close a cycle.

    Args:
        edges: from node to node, the best first.
        most_visits: how many edges are followed in all. The result depends on the edges alone,
            not on time.

    Returns:
        Without the closing and the unchecked edges the graph has no cycle.
    """
    order = _TopologicalOrder()
    result = ClosingEdges([], [])
    for number, (source, target) in enumerate(edges):
        if order.visits > most_visits:
            result.unchecked.append(number)
        elif not order.insert(source, target):
            result.closing.append(number)
    return result


class _TopologicalOrder:
    """Nodes in an order that all inserted edges follow."""

    def __init__(self) -> None:
        self.visits = 0
        self._place: dict[int, int] = {}
        self._after: dict[int, list[int]] = {}
        self._before: dict[int, list[int]] = {}

    def insert(self, source: int, target: int) -> bool:
        """Inserts an edge; False if it would close a cycle, and then nothing changes."""
        for node in (source, target):
            self._place.setdefault(node, len(self._place))
        lowest, highest = self._place[target], self._place[source]
        if lowest <= highest:
            behind = self._reach(target, self._after, lowest, highest)
            if source in behind:
                return False
            ahead = self._reach(source, self._before, lowest, highest)
            self._reorder(ahead, behind)
        self._after.setdefault(source, []).append(target)
        self._before.setdefault(target, []).append(source)
        return True

    def _reach(
        self, start: int, edges: dict[int, list[int]], lowest: int, highest: int
    ) -> set[int]:
        """The nodes that can be reached from one on nodes whose place is from lowest to highest."""
        reached, waiting, place, visits = {start}, [start], self._place, 0
        while waiting:
            others = edges.get(waiting.pop(), ())
            visits += 1 + len(others)
            for other in others:
                if lowest <= place[other] <= highest and other not in reached:
                    reached.add(other)
                    waiting.append(other)
        self.visits += visits
        return reached

    def _reorder(self, ahead: set[int], behind: set[int]) -> None:
        """Puts what leads to an edge's source before what its target leads to."""
        place = self._place
        nodes = sorted(ahead, key=place.__getitem__) + sorted(behind, key=place.__getitem__)
        for node, new in zip(nodes, sorted(place[node] for node in nodes), strict=True):
            place[node] = new
