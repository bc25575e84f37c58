"""Windows: what the encoder reads at once.

A sentence that is longer is cut on word borders; sentences that are shorter are read
together, so that relations across them can be found.
"""

from __future__ import annotations

from collections.abc import Sequence


def cut_windows(lengths: Sequence[int], size: int, overlap: int) -> list[tuple[int, int]]:
    """Cuts a sequence of words into overlapping windows.

    Args:
        lengths: number of pieces of each word, each at most `size`.
        size: most pieces in a window.
        overlap: pieces that neighbouring windows share, at least where words allow.

    Returns:
        (first word, one past the last word) of each window; together they hold all words,
        and each begins and ends later than the one before it.

    Example:
        >>> cut_windows([1] * 10, size=6, overlap=2)
        [(0, 6), (4, 10)]
    """
    windows: list[tuple[int, int]] = []
    begin = 0
    while True:
        end, pieces = begin, 0
        while end < len(lengths) and (pieces + lengths[end] <= size or end == begin):
            pieces += lengths[end]
            end += 1
        if end > begin:
            windows.append((begin, end))
        if end >= len(lengths):
            return windows
        following, shared = end, 0
        while following - 1 > begin and shared + lengths[following - 1] <= overlap:
            following -= 1
            shared += lengths[following]
        # The overlap gives way to the next word, or the next window would end where this does.
        while shared + lengths[end] > size:
            shared -= lengths[following]
            following += 1
        begin = following


def join_sentences(
    lengths: Sequence[int | None], budget: int, shared: int
) -> list[tuple[int, int]]:
    """Puts consecutive sentences together to windows.

    Args:
        lengths: number of pieces of each sentence; None for one that stands alone.
        budget: most pieces in a window of more than one sentence.
        shared: most sentences that neighbouring windows share, where the budget allows.

    Returns:
        (first sentence, one past the last) of each window; together they hold all sentences,
        and each begins and ends later than the one before it.

    Example:
        >>> join_sentences([4, 4, 4, 4], budget=12, shared=1)
        [(0, 3), (2, 4)]
    """
    windows: list[tuple[int, int]] = []
    begin = 0
    while begin < len(lengths):
        pieces, end = lengths[begin], begin + 1
        while pieces is not None and end < len(lengths):
            following = lengths[end]
            if following is None or pieces + following > budget:
                break
            pieces, end = pieces + following, end + 1
        windows.append((begin, end))
        following = lengths[end] if end < len(lengths) else None
        begin = end
        if following is None or pieces is None:
            continue
        # What is shared gives way to the next sentence, or the next window would end here.
        room = budget - following
        while begin - 1 > windows[-1][0] and end - begin < shared:
            room -= lengths[begin - 1] or 0
            if room < 0:
                break
            begin -= 1
    return windows
