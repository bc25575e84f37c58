"""A text cut at the borders of its mentions, which may lie in each other or overlap."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
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


def hue_of(type_: str, hues: int) -> int:
    """The number of a type's colour, which is the same in every text.

    Args:
        type_: name of the entity type.
        hues: how many colours there are.
    """
    return zlib.crc32(type_.encode()) % hues
