"""Vectors that are near each other, found in blocks of random hyperplanes (Charikar, 2002).

Two vectors lie on one side of a random hyperplane the more often, the smaller their angle is. Each
of several tables has its own hyperplanes, and the sides on which a vector lies are its signature
there. A block is of the vectors whose signatures begin alike. Where it is too large to compare all
with all, it is split by the next side, so that a block is as coarse as the number of names allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from pfn_kg.transforms.merging.name_vectors import cosines

#: Tables of signatures: each is another chance that two near vectors meet.
TABLES = 8

#: Sides of a signature, and those of them that tell blocks apart before they are split.
BITS, PREFIX = 32, 4

#: Vectors of a block that are compared all with all.
BLOCK_VECTORS = 400

#: Of each vector, so many neighbours in a block are kept, and others that are as near as the last.
NEAREST = 8

#: Cosine from which on a neighbour is a candidate.
LEAST_COSINE = 0.5


@cache
def _hyperplanes(width: int) -> np.ndarray:
    # Whole numbers give exact sides; the legacy generator gives the same ones in all versions.
    random = np.random.RandomState(27)
    return random.randint(0, 2, (width, TABLES * BITS)).astype(np.float32) * 2 - 1


def signatures(vectors: np.ndarray) -> np.ndarray:
    """The sides on which vectors lie.

    Args:
        vectors: int8, (vectors, width).

    Returns:
        uint32, (vectors, TABLES), the first side in the highest bit.
    """
    sides = vectors.astype(np.float32) @ _hyperplanes(vectors.shape[1]) > 0
    packed = np.packbits(sides.reshape(len(vectors), TABLES, BITS), axis=2)
    return packed.view(">u4")[:, :, 0].astype(np.uint32)


def block_of(signature: np.ndarray) -> np.ndarray:
    """The numbers of the blocks of signatures, below 2 ** PREFIX."""
    return signature >> np.uint32(BITS - PREFIX)


def near_pairs(signature: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The pairs of vectors of a block that are near each other.

    Args:
        signature: of one table, uint32, (vectors,).
        vectors: int8, (vectors, width).

    Returns:
        Positions of both, the lower first, (pairs, 2); their cosines, (pairs,); and how many blocks
        are too large though no side is left to split them by.
    """
    found, cosine, too_large = [], [], 0
    for rows in _split(signature, np.arange(len(signature)), PREFIX):
        if len(rows) > BLOCK_VECTORS:
            too_large += 1
            continue
        if len(rows) < 2:
            continue
        near = cosines(vectors[rows], vectors[rows])
        np.fill_diagonal(near, -1)
        last = np.full(len(rows), -1.0)
        if len(rows) > NEAREST:
            last = np.partition(near, -NEAREST, axis=1)[:, -NEAREST]
        is_near = (near >= last[:, None]) & (near >= LEAST_COSINE)
        ones, others = np.nonzero(np.triu(is_near | is_near.T, 1))
        found.append(np.sort(np.stack([rows[ones], rows[others]], axis=1), axis=1))
        cosine.append(near[ones, others])
    if not found:
        return np.zeros((0, 2), np.int64), np.zeros(0), too_large
    return np.concatenate(found), np.concatenate(cosine), too_large


def _split(signature: np.ndarray, rows: np.ndarray, bit: int) -> Iterator[np.ndarray]:
    """Blocks of a size that can be compared, as far as sides are left."""
    if len(rows) <= BLOCK_VECTORS or bit == BITS:
        yield rows
        return
    side = (signature[rows] >> np.uint32(BITS - 1 - bit)) & np.uint32(1)
    for value in (0, 1):
        yield from _split(signature, rows[side == value], bit + 1)
