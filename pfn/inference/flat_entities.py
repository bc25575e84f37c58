"""Flat entities: of mentions that overlap, the one with the best score.

The NER table says of each span by itself whether it is an entity (eq. 10), so it may say it of
"University of Bergen" and of "Bergen" in there. Where the data a model was trained on has no
entity inside another, at most one of the two is right.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from pfn_kg.schemas.records import HeadTriple, Mention


def flat_mentions(mentions: Sequence[Mention]) -> list[Mention]:
    """The mentions that overlap none with a better score which stays.

    Whether a mention stays depends on better ones alone: those that reach a threshold are the
    same, whether the others are there or not.

    Args:
        mentions: of one text; of equal scores the longer one stays, then the first by place and
            type.

    Returns:
        Those that stay, in their order.
    """
    order = sorted(
        range(len(mentions)),
        key=lambda i: (-mentions[i].score, mentions[i].begin - mentions[i].end, mentions[i]),
    )
    # Ends of those that stay, and their begins in the same order: none overlap, so both rise.
    begins: list[int] = []
    ends: list[int] = []
    stay = []
    for index in order:
        mention = mentions[index]
        # If it overlaps any, then the first of those that end behind its begin.
        after = bisect_right(ends, mention.begin)
        if after == len(ends) or begins[after] >= mention.end:
            begins.insert(after, mention.begin)
            ends.insert(after, mention.end)
            stay.append(index)
    return [mentions[index] for index in sorted(stay)]


def between(triples: Sequence[HeadTriple], places: set[int]) -> list[HeadTriple]:
    """The head triples whose heads both are among some places; tail triples likewise."""
    return [t for t in triples if t.subject in places and t.object in places]
