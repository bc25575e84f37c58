"""Which entities become one: the best pairs first, and no cluster beyond a size.

That a is like b and b like c says little of a and c, so a chain of near names must not
draw hundreds into one entity. What a pair that would do so says is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: Entities that become one at most.
CLUSTER_ENTITIES = 50


class Candidate(NamedTuple):
    """An entity that may become one with others.

    Attributes:
        id: of the entity.
        count: mentions of its most frequent spelling.
        name: that spelling.
        is_fixed: whether the alias table says what it is called; it keeps its id then.
    """

    id: bytes
    # A tuple's method of that name is of no use for an entity.
    count: int  # type: ignore[assignment]
    name: str
    is_fixed: bool


class Pair(NamedTuple):
    """Two entities with names that are alike."""

    similarity: float
    one: Candidate
    other: Candidate


class Clusters(NamedTuple):
    """What became of the pairs.

    Attributes:
        heirs: for the id of each entity that goes to another one, the id of that one.
        left_out: pairs that would have made a cluster too large, or one of two entities
            that the alias table or a correction holds apart.
    """

    heirs: dict[bytes, bytes]
    left_out: int


def cluster(
    pairs: Iterable[Pair],
    most: int = CLUSTER_ENTITIES,
    apart: Mapping[bytes, frozenset[bytes]] | None = None,
) -> Clusters:
    """Joins entities, the best pairs first, of equals the lower ids.

    The heir of a cluster is the one that the alias table names, else the one with the
    most frequent spelling, of these the longest, of these the first: as the name of an
    entity is chosen. The outcome does not depend on the order of the pairs.

    Args:
        pairs: in any order; a pair may be there more than once.
        most: entities in a cluster.
        apart: for an id, those that are never in one cluster with it.
    """
    apart = apart or {}
    parents: dict[bytes, bytes] = {}
    members: dict[bytes, list[Candidate]] = {}

    def root(id_: bytes) -> bytes:
        while parents[id_] != id_:
            parents[id_] = parents[parents[id_]]
            id_ = parents[id_]
        return id_

    left_out = set()
    for pair in sorted(pairs, key=lambda p: (-p.similarity, p.one.id, p.other.id)):
        for candidate in (pair.one, pair.other):
            if candidate.id not in parents:
                parents[candidate.id] = candidate.id
                members[candidate.id] = [candidate]
        one, other = root(pair.one.id), root(pair.other.id)
        if one == other:
            continue
        fixed = sum(c.is_fixed for r in (one, other) for c in members[r])
        is_apart = bool(apart) and any(
            c.id in apart.get(d.id, ()) for c in members[one] for d in members[other]
        )
        if fixed > 1 or is_apart or len(members[one]) + len(members[other]) > most:
            left_out.add(frozenset((pair.one.id, pair.other.id)))
            continue
        if len(members[one]) < len(members[other]):
            one, other = other, one
        parents[other] = one
        members[one] += members.pop(other)
    heirs: dict[bytes, bytes] = {}
    for candidates in members.values():
        heir = min(candidates, key=lambda c: (not c.is_fixed, -c.count, -len(c.name), c.name, c.id))
        heirs |= {c.id: heir.id for c in candidates if c.id != heir.id}
    return Clusters(heirs, len(left_out))
