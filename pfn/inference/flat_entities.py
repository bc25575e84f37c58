"""Flat entities: of mentions that overlap, the one with the best score.

The NER table says of each span by itself whether it is an entity (eq. 10), so it may say it of
"University of Bergen" and of "Bergen" in there. Where the data a model was trained on has no
entity inside another, at most one of the two is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pfn_kg.schemas.records import HeadTriple, Mention


def flat_spans(
    begin: np.ndarray, end: np.ndarray, type_: np.ndarray, score: np.ndarray
) -> np.ndarray:
    """The spans that overlap none with a better score which stays.

    Whether a span stays depends on better ones alone: those that reach a threshold are the
    same, whether the others are there or not.

    Args:
        begin: of each span, (spans,); those of several texts must not overlap.
        end: one past its last place, behind its begin, (spans,).
        type_: a number that is ordered like its type's name, (spans,).
        score: of equal ones the longer span stays, then the first by place and type, (spans,).

    Returns:
        Which ones stay, as a mask.
    """
    stays = np.zeros(len(begin), bool)
    left = np.lexsort((end, begin))
    while len(left):
        # Runs of spans each of which overlaps one before it.
        first, until = begin[left], np.maximum.accumulate(end[left])
        is_new = np.ones(len(left), bool)
        is_new[1:] = first[1:] >= until[:-1]
        starts = np.flatnonzero(is_new)
        sizes = np.diff(starts, append=len(left))
        single = sizes == 1
        stays[left[starts[single]]] = True
        if single.all():
            break
        run = np.repeat(np.arange(len(starts)), sizes)
        is_left = ~single[run]
        left, run = left[is_left], run[is_left]
        # The best of a run stays, whatever its other spans are; and what overlaps it goes.
        order = np.lexsort(
            (type_[left], end[left], begin[left], begin[left] - end[left], -score[left], run)
        )
        best = np.zeros(len(starts), np.int64)
        best[run[order][::-1]] = left[order][::-1]
        stays[best[np.flatnonzero(~single)]] = True
        of = best[run]
        left = left[(end[left] <= begin[of]) | (begin[left] >= end[of])]
    return stays


def flat_mentions(mentions: Sequence[Mention]) -> list[Mention]:
    """As `flat_spans`, of the mentions of one text; those that stay, in their order."""
    if not mentions:
        return []
    begin, end, _, types, score = zip(*mentions, strict=True)
    numbers = np.unique(np.array(types), return_inverse=True)[1]
    stays = flat_spans(np.array(begin), np.array(end), numbers, np.array(score))
    return [m for m, stay in zip(mentions, stays.tolist(), strict=True) if stay]


def between(triples: Sequence[HeadTriple], places: set[int]) -> list[HeadTriple]:
    """The head triples whose heads both are among some places; tail triples likewise."""
    return [t for t in triples if t.subject in places and t.object in places]
