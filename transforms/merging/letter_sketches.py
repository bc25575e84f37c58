"""Which letters a name has, in 64 bits: a bound that spares most comparisons of names.

A sketch has two bits for each of 32 classes of letters: one or more are there, two or more are.
Each bit in which two sketches differ takes a deletion or an insertion of its own, so names are at
least as far apart in Indel distance as their sketches have different bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_CLASSES = 32
# The counts of all classes of so many names are a table of 4 MiB.
_NAMES = 1 << 14
# The bits set in each number of 16 bits. `np.bitwise_count` needs NumPy 2.
_BITS = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


def sketches(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The sketch and the length of each name.

    Args:
        names: in any script.

    Returns:
        Numbers of 64 bits, and code points (int64).
    """
    parts = [_sketches(names[begin : begin + _NAMES]) for begin in range(0, len(names), _NAMES)]
    if not parts:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    found, lengths = zip(*parts, strict=True)
    return np.concatenate(found), np.concatenate(lengths)


def _sketches(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.fromiter(map(len, names), dtype=np.int64, count=len(names))
    points = np.frombuffer("".join(names).encode("utf-32-le"), dtype="<u4")
    places = np.repeat(np.arange(len(names)) * _CLASSES, lengths) + points % _CLASSES
    counts = np.bincount(places, minlength=len(names) * _CLASSES).reshape(-1, _CLASSES)
    bits = np.concatenate([counts > 0, counts > 1], axis=1)
    return np.packbits(bits, axis=1).view(np.uint64).reshape(-1), lengths


def least_differences(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """At most the Indel distance of the names of each pair of sketches.

    Args:
        ones: sketches.
        others: as many.
    """
    halves = _BITS[np.bitwise_xor(ones, others).view(np.uint16)].reshape(-1, 4)
    return halves.sum(axis=1, dtype=np.uint8)
