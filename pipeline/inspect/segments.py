"""A text cut at the borders of its mentions, which may lie in each other or overlap."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from pfn_kg.schemas.records import Mention


class Segment(NamedTuple):
    """A part of a text within which no mention begins or ends.

    Attributes:
        begin: offset in the text, in code points.
        end: offset in the text.
        inside: the numbers of the mentions that cover it, the longest first.
    """

    begin: int
    end: int
    inside: tuple[int, ...]


def segments(text: str, mentions: Sequence[Mention]) -> list[Segment]:
    """The parts of a text in their order; none is empty, and together they are the text.

    Args:
        text: of the mentions.
        mentions: in any order.
    """
    borders = sorted({0, len(text), *(m.begin for m in mentions), *(m.end for m in mentions)})
    order = sorted(range(len(mentions)), key=lambda i: _outermost_first(mentions[i], i))
    found = []
    waiting = sorted(order, key=lambda i: mentions[i].begin, reverse=True)
    open_: list[int] = []
    rank = {number: place for place, number in enumerate(order)}
    for begin, end in pairwise(borders):
        open_ = [number for number in open_ if mentions[number].end > begin]
        while waiting and mentions[waiting[-1]].begin <= begin:
            number = waiting.pop()
            if mentions[number].end > begin:
                open_.append(number)
        open_.sort(key=lambda number: rank[number])
        found.append(Segment(begin, end, tuple(open_)))
    return found


def _outermost_first(mention: Mention, number: int) -> tuple[int, int, int]:
    return mention.begin - mention.end, mention.begin, number


def hues_of(types: Iterable[str], hues: int) -> dict[str, int]:
    """The number of the colour of each type.

    Two types have two colours as long as there are enough. A type mostly has the same colour in
    every text: it begins with that of its name, and takes the next one where that is taken.

    Args:
        types: names of entity types.
        hues: how many colours there are.
    """
    found: dict[str, int] = {}
    for type_ in sorted(set(types)):
        first = zlib.crc32(type_.encode()) % hues
        free = (n for n in range(first, first + hues) if n % hues not in found.values())
        found[type_] = next(free, first) % hues
    return found
