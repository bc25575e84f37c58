"""One name of several things: documents whose facts contradict are told apart by their context.

A relation that has one object, such as a date of birth, holds in all documents of one person. Where
two documents give two values, either the name is of two people or one of the documents, or the
model, errs. The other names of the documents tell: they agree for one person, and hardly for two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pfn_kg.transforms.plumbing.ids import content_id

#: Two groups that have more of their partners in common, as a share of the smaller group's, are of
#: one thing that someone erred about.
MOST_IN_COMMON = 0.1

#: What a relation says: its name and the object, by value or by id.
Claim = tuple[str, str]


class Occurrence(NamedTuple):
    """A name in a document.

    Attributes:
        chunk: number of the document's chunk.
        document_id: its id.
        claims: what relations with one object say of the name there.
        partners: hashes of other names there.
    """

    chunk: int
    document_id: str
    claims: frozenset[Claim]
    partners: frozenset[int]


class Sense(NamedTuple):
    """One of the things that a name may be of.

    Attributes:
        claims: what is said of it, least first.
        occurrences: its documents, in order.
        errs: whether some of its documents contradict each other, and their context agrees.
    """

    claims: tuple[Claim, ...]
    occurrences: tuple[Occurrence, ...]
    errs: bool

    def heir(self, old: bytes) -> bytes:
        """The id of the entity of this sense, where it is not the main one of the name.

        Args:
            old: the id of the name's entity.
        """
        relation, value = self.claims[0]
        return content_id("homonym", old.hex(), relation, value)


def senses(occurrences: Iterable[Occurrence]) -> list[Sense]:
    """The things that a name is of; the first one has most documents.

    Nothing depends on the order of the documents.

    Args:
        occurrences: all documents of the name.
    """
    ordered = sorted(occurrences, key=lambda o: (o.chunk, o.document_id))
    clusters = _clusters([o for o in ordered if o.claims])
    groups: list[_Group] = []
    for cluster in sorted(clusters, key=lambda c: (-len(c.occurrences), min(c.claims))):
        _place(cluster, groups)
    if len(groups) < 2:
        errs = bool(groups) and groups[0].errs
        claims = tuple(sorted(groups[0].claims)) if groups else ()
        return [Sense(claims, tuple(ordered), errs)] if ordered else []
    for one in (o for o in ordered if not o.claims):
        # Without a claim, the document goes where its context leads, else to the main sense.
        best = max(range(len(groups)), key=lambda i: (len(one.partners & groups[i].partners), -i))
        groups[best].silent.append(one)
    found = [
        Sense(
            tuple(sorted(group.claims)),
            tuple(sorted(group.occurrences + group.silent, key=lambda o: (o.chunk, o.document_id))),
            group.errs,
        )
        for group in groups
    ]
    return sorted(found, key=lambda sense: (-len(sense.occurrences), sense.claims))


class _Group:
    """Documents that are of one thing."""

    def __init__(self, occurrences: Iterable[Occurrence]):
        self.occurrences: list[Occurrence] = []
        self.silent: list[Occurrence] = []
        self.claims: set[Claim] = set()
        self.partners: set[int] = set()
        self.errs = False
        self.add(occurrences)

    def add(self, occurrences: Iterable[Occurrence]) -> None:
        """Adds documents that have claims."""
        for one in occurrences:
            self.occurrences.append(one)
            self.claims |= one.claims
            self.partners |= one.partners

    def in_common(self, other: _Group) -> float:
        """The share of the smaller one's partners that the other one has too."""
        fewest = min(len(self.partners), len(other.partners))
        return len(self.partners & other.partners) / fewest if fewest else 0.0


def _place(cluster: _Group, groups: list[_Group]) -> None:
    """Adds documents to the group that they are of, or as a group of their own."""
    if not groups:
        groups.append(cluster)
        return
    fits = [g for g in groups if not contradict(cluster.claims, g.claims)]
    near = [g for g in groups if g not in fits and cluster.in_common(g) > MOST_IN_COMMON]
    if fits and not near:
        host = max(fits, key=lambda g: (cluster.in_common(g), -groups.index(g)))
    elif near:
        host = max(near, key=lambda g: (cluster.in_common(g), -groups.index(g)))
        host.errs = True
    else:
        groups.append(cluster)
        return
    host.add(cluster.occurrences)


def _clusters(occurrences: Sequence[Occurrence]) -> list[_Group]:
    """Documents that say the same by some relation, together."""
    parents: dict[int, int] = {}

    def root(number: int) -> int:
        while parents[number] != number:
            number = parents[number]
        return number

    by_claim: dict[Claim, int] = {}
    whole = _whole({claim for o in occurrences for claim in o.claims})
    for number, one in enumerate(occurrences):
        parents[number] = number
        for claim in sorted(one.claims):
            other = by_claim.setdefault(whole[claim], number)
            a, b = sorted((root(number), root(other)))
            parents[b] = a
    members: dict[int, list[Occurrence]] = {}
    for number, one in enumerate(occurrences):
        members.setdefault(root(number), []).append(one)
    return [_Group(of) for _, of in sorted(members.items())]


def _whole(claims: Iterable[Claim]) -> dict[Claim, Claim]:
    """For each claim the most exact one that says the same: a year is of the one day in it."""
    listed = sorted(claims)
    exact: dict[Claim, Claim] = {}
    for relation, value in listed:
        longer = [(r, v) for r, v in listed if r == relation and v != value and is_part(value, v)]
        days = [claim for claim in longer if not any(is_part(claim[1], v) for _, v in longer
                                                     if v != claim[1])]  # fmt: skip
        exact[relation, value] = days[0] if len(days) == 1 else (relation, value)
    return exact


def is_part(shorter: str, longer: str) -> bool:
    """Whether a value says the same as a more exact one: 1815 and 1815-12-10."""
    return longer.startswith(f"{shorter}-") or longer == shorter


def contradict(one: Iterable[Claim], other: Iterable[Claim]) -> bool:
    """Whether two sets of claims can't be of one thing: no values of some relation agree."""
    left, right = _by_relation(one), _by_relation(other)
    return any(
        not any(is_part(v, w) or is_part(w, v) for v in left[relation] for w in right[relation])
        for relation in left.keys() & right.keys()
    )


def _by_relation(claims: Iterable[Claim]) -> Mapping[str, set[str]]:
    values: dict[str, set[str]] = {}
    for relation, value in claims:
        values.setdefault(relation, set()).add(value)
    return values
