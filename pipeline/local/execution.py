"""In which order the steps of a pipeline run, and what is held between them.

Steps run in rounds. A round begins with sources, whose elements are all there, and hands each
element from step to step. A step with side inputs is in a round after those in which they are made,
and a source that collects is there in the round after its inputs.

```
round 0: chunks -> ids -> group          round 1: group -> losers -> (kept)
round 2: chunks, again -> rows of the chunk, which need the losers -> group ...
```
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from pfn_kg.pipeline.local.held import Memory
from pfn_kg.pipeline.local.steps import Keep, Source, Step, Take


class Node(NamedTuple):
    """An applied transform.

    Attributes:
        step: what it does.
        inputs: the collections that it takes, by tag.
        outputs: the collections that it makes, by tag.
        sides: the collections that it needs whole.
    """

    step: Step
    inputs: Mapping[Any, Any]
    outputs: Mapping[Any, Any]
    sides: Sequence[Any]


class _Edge(NamedTuple):
    """A step that takes a collection, and the tag under which it does."""

    node: int
    tag: Any


def execute(nodes: Sequence[Node], memory: Memory) -> None:
    """Runs steps.

    Args:
        nodes: each after those whose output it needs.
        memory: what is held between them.
    """
    nodes = _with_kept(nodes, memory)
    rounds = _rounds(nodes)
    takers: dict[int, list[_Edge]] = defaultdict(list)
    for number, node in enumerate(nodes):
        for tag, collection in node.inputs.items():
            takers[id(collection)].append(_Edge(number, tag))
    source_of: dict[int, Source] = {
        id(collection): node.step
        for node in nodes
        if isinstance(node.step, Source)
        for collection in node.outputs.values()
    }
    last = _last_rounds(nodes, rounds, source_of)
    seen_whole = {source_of[id(side)] for node in nodes for side in node.sides}
    for current in range(max(rounds, default=-1) + 1):
        here = [number for number, of in enumerate(rounds) if of == current]
        with ExitStack() as stack:
            for number in here:
                node = nodes[number]
                outputs = {
                    tag: _give(
                        [(nodes[to].step, tag_there) for to, tag_there in takers[id(collection)]]
                    )
                    for tag, collection in node.outputs.items()
                    if not isinstance(node.step, Source)
                }
                sides = [_Whole(source_of[id(side)]) for side in node.sides]
                stack.callback(node.step.end)
                node.step.begin(outputs, sides)
            for collection, source in _asked(nodes, here, source_of):
                give = _give(
                    [
                        (nodes[edge.node].step, edge.tag)
                        for edge in takers[collection]
                        if rounds[edge.node] == current
                    ]
                )
                is_last = last[source] == current and source not in seen_whole
                for element in source.taken() if is_last else source.elements():
                    give(element)
            for number in here:
                nodes[number].step.finish()
        for source in set(source_of.values()):
            if last.get(source) == current:
                source.drop()


def _with_kept(nodes: Sequence[Node], memory: Memory) -> list[Node]:
    """The steps, and one that keeps each collection that is needed later than it is made."""
    rounds = _rounds(nodes)
    made: dict[int, int] = {}
    for number, node in enumerate(nodes):
        if not isinstance(node.step, Source):
            made |= {id(collection): number for collection in node.outputs.values()}
    later: dict[int, set[int]] = defaultdict(set)
    for number, node in enumerate(nodes):
        for collection in node.inputs.values():
            maker = made.get(id(collection))
            if maker is not None and rounds[number] > rounds[maker]:
                later[id(collection)].add(number)
        for collection in node.sides:
            if id(collection) in made:
                later[id(collection)].add(number)
    kept = {collection: object() for collection in later}
    found = []
    for number, node in enumerate(nodes):
        inputs = {
            tag: kept[id(c)] if number in later.get(id(c), ()) else c
            for tag, c in node.inputs.items()
        }
        sides = [kept.get(id(c), c) for c in node.sides]
        found.append(node._replace(inputs=inputs, sides=sides))
        for collection in node.outputs.values():
            if id(collection) in kept and id(collection) in made:
                keep = Keep(f"{node.step.label}/Keep", memory)
                found.append(Node(keep, {None: collection}, {None: kept[id(collection)]}, ()))
    return found


def _rounds(nodes: Sequence[Node]) -> list[int]:
    """The round in which each step takes its elements."""
    ready: dict[int, int] = {}  # the first round in which a collection may be taken
    whole: dict[int, int] = {}  # the first in which all of it is there
    rounds = []
    for node in nodes:
        of = max(
            [
                0,
                *(ready[id(collection)] for collection in node.inputs.values()),
                *(whole[id(collection)] for collection in node.sides),
            ]
        )
        rounds.append(of)
        is_there = isinstance(node.step, Source) and not node.inputs
        for collection in node.outputs.values():
            whole[id(collection)] = of if is_there else of + 1
            ready[id(collection)] = whole[id(collection)] if isinstance(node.step, Source) else of
    return rounds


def _last_rounds(
    nodes: Sequence[Node], rounds: Sequence[int], source_of: Mapping[int, Source]
) -> dict[Source, int]:
    """The last round in which each source is asked."""
    last: dict[Source, int] = {}
    for number, node in enumerate(nodes):
        for collection in (*node.inputs.values(), *node.sides):
            if (source := source_of.get(id(collection))) is not None:
                last[source] = max(last.get(source, 0), rounds[number])
        if isinstance(node.step, Source):
            last.setdefault(node.step, rounds[number])
    return last


def _asked(
    nodes: Sequence[Node], here: Sequence[int], source_of: Mapping[int, Source]
) -> list[tuple[int, Source]]:
    """The collections of sources that steps of a round take, each once."""
    asked: dict[int, Source] = {}
    for number in here:
        for collection in nodes[number].inputs.values():
            if (source := source_of.get(id(collection))) is not None:
                asked[id(collection)] = source
    return list(asked.items())


class _Whole:
    """All elements of a source; may be iterated again and again."""

    def __init__(self, source: Source):
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        return iter(self._source.elements())


def _give(takers: Sequence[tuple[Step, Any]]) -> Take:
    """Gives each element to all who take it."""
    if len(takers) == 1:
        take, tag = takers[0][0].take, takers[0][1]
        return lambda element: take(tag, element)

    takes: list[tuple[Callable[[Any, Any], None], Any]]
    takes = [(step.take, tag) for step, tag in takers]

    def give(element: Any) -> None:
        for take, tag in takes:
            take(tag, element)

    return give
