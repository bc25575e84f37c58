"""Windows: sentences longer than the encoder reads at once, cut on word borders."""

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
