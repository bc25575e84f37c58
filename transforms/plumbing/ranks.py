"""Rows of equal keys next to each other: which of its run each one is."""

from __future__ import annotations

import numpy as np


def rank_in_runs(*keys: np.ndarray) -> np.ndarray:
    """The place of each row in its run of equal keys, from 0.

    Args:
        keys: columns of one length, in the order of the rows; a run ends where any changes.
    """
    count = len(keys[0])
    is_first = np.ones(count, dtype=bool)
    is_first[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.arange(count) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
