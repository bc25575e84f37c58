"""Entities that may be one by their names, and are if their facts agree.

Two rules compare the entities of a block. Type votes: equal names of several types are of the type
that a clear majority of mentions has. Middle names: people whose names differ in middle names and
initials alone are one. Both ask for a fact that the two have in common: the same relation with the
same other end, such as a date of birth or an employer. Without one, both stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from pfn_kg.schemas.shuffled_rows import Move

#: The rules, as the table of entities and the counters call them.
TYPE_VOTES, MIDDLE_NAMES = "type_votes", "middle_names"

#: Mentions of the most frequent type for one of any other.
MAJORITY = 3

#: Blocks of more entities are left out and counted.
MOST_ENTITIES = 200

_GENERATIONS = frozenset(("jr", "sr", "ii", "iii", "iv", "junior", "senior"))


class Compared(NamedTuple):
    """An entity of a block.

    Attributes:
        id: of the entity.
        type: its type.
        key: of its name.
        mentions: how many it has.
        facts: hashes of some of its facts.
    """

    id: bytes
    type: str
    key: str
    mentions: int
    facts: frozenset[bytes]


def middle_block(key: str) -> str | None:
    """The block of a person's name: first letter and last word; None if the name has one word.

    Example:
        >>> middle_block("george w. bush")
        'g bush'
    """
    words = _words(key)
    return None if len(words) < 2 else f"{words[0][0]} {words[-1]}"


def _words(key: str) -> list[str]:
    return [word for word in key.replace(".", ". ").split() if any(map(str.isalnum, word))]


def are_compatible(one: str, other: str) -> bool:
    """Whether two names of people differ in middle names and initials alone.

    Example:
        >>> are_compatible("george w. bush", "george bush")
        True
        >>> are_compatible("george h. bush", "george w. bush")
        False
    """
    ones, others = _words(one), _words(other)
    if len(ones) > len(others):
        ones, others = others, ones
    if len(ones) < 2 or ones[-1] != others[-1] or not _are_alike(ones[0], others[0]):
        return False
    # A son is not his father.
    if {w.strip(".,") for w in ones} & _GENERATIONS != {
        w.strip(".,") for w in others
    } & _GENERATIONS:
        return False
    at = 1
    for word in ones[1:-1]:
        while at < len(others) - 1 and not _are_alike(word, others[at]):
            at += 1
        if at == len(others) - 1:
            return False
        at += 1
    return True


def _are_alike(one: str, other: str) -> bool:
    one, other = one.strip("."), other.strip(".")
    return one == other or (min(len(one), len(other)) == 1 and one[:1] == other[:1])


def type_votes(entities: Sequence[Compared]) -> Iterator[Move]:
    """Sends entities of one key to that of the type that a clear majority of mentions has."""
    if len(entities) < 2:
        return
    first, second = sorted(entities, key=lambda e: (-e.mentions, e.type, e.id))[:2]
    others = [entity for entity in entities if entity.id != first.id]
    if first.mentions < MAJORITY * second.mentions:
        return
    for entity in others:
        if entity.facts & first.facts:
            yield Move(entity.id, first.id, TYPE_VOTES, first.type)


def middle_names(entities: Sequence[Compared]) -> Iterator[Move]:
    """Makes people one whose names differ in middle names alone, and whose facts agree.

    A name that is compatible with two that are not so with each other stays for itself, and so do
    these.
    """
    pairs = {
        frozenset((one.id, other.id))
        for one, other in combinations(entities, 2)
        if one.type == other.type and are_compatible(one.key, other.key)
    }
    by_id = {entity.id: entity for entity in entities}
    agreeing: dict[bytes, set[bytes]] = {}
    for one, other in map(sorted, pairs):
        if by_id[one].facts & by_id[other].facts:
            agreeing.setdefault(one, {one}).add(other)
            agreeing.setdefault(other, {other}).add(one)
    done: set[bytes] = set()
    for start in sorted(agreeing):
        if start in done:
            continue
        group = _reached(start, agreeing)
        done |= group
        if any(frozenset(pair) not in pairs for pair in combinations(sorted(group), 2)):
            continue
        heir = min(
            (by_id[id_] for id_ in group),
            key=lambda e: (-e.mentions, -len(e.key), e.key, e.id),
        )
        for id_ in sorted(group - {heir.id}):
            yield Move(id_, heir.id, MIDDLE_NAMES)


def _reached(start: bytes, neighbours: dict[bytes, set[bytes]]) -> set[bytes]:
    group, open_ = {start}, [start]
    while open_:
        for other in neighbours[open_.pop()] - group:
            group.add(other)
            open_.append(other)
    return group


def compared(rows: Iterable[tuple[bytes, str, str, int, Iterable[bytes] | None]]) -> list[Compared]:
    """The entities of rows of (id, type, key, mentions, facts), each once, by id."""
    mentions: Counter[bytes] = Counter()
    facts: dict[bytes, set[bytes]] = {}
    told: dict[bytes, tuple[str, str]] = {}
    for id_, type_, key, count, some in rows:
        mentions[id_] += count
        facts.setdefault(id_, set()).update(some or ())
        # Of several keys, which a rule before may give an entity, the first in order.
        told[id_] = min(told.get(id_, (type_, key)), (type_, key))
    return [Compared(id_, *told[id_], mentions[id_], frozenset(facts[id_])) for id_ in sorted(told)]
