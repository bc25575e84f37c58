"""Index arithmetic on arrays of parts of unequal length."""

from __future__ import annotations

import numpy as np


def ranges(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The integers from each begin on, so many as its count says, one run after the other.

    Args:
        begins: first integer of each run, (runs,).
        counts: how many it has, (runs,).

    Example:
        >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - counts), counts)


def bounds_of(counts: np.ndarray) -> np.ndarray:
    """Where parts of these sizes begin, and where the last one ends, (parts + 1,)."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
