"""Near vectors that are found in blocks of random hyperplanes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfn_kg.transforms.merging.name_vectors import cosines
from pfn_kg.transforms.merging.vector_blocks import (
    BITS,
    BLOCK_VECTORS,
    LEAST_COSINE,
    NEAREST,
    PREFIX,
    TABLES,
    block_of,
    near_pairs,
    signatures,
)

pytestmark = pytest.mark.quick


def vectors(number, seed=0, width=24):
    """Random vectors, each with a near one."""
    random = np.random.RandomState(seed)
    rows = random.randint(-100, 101, (number, width))
    rows[1::2] = np.clip(
        rows[: number - 1 : 2] + random.randint(-25, 26, (number // 2, width)), -127, 127
    )
    return rows.astype(np.int8)


@given(st.integers(2, 40), st.integers(0, 99))
def test_all_near_pairs_of_a_small_block(number, seed):
    rows = vectors(number, seed)
    pairs, cosine, too_large = near_pairs(signatures(rows)[:, 0], rows)
    near = cosines(rows, rows)
    np.fill_diagonal(near, -1)
    expected = set()
    for one in range(number):
        last = np.sort(near[one])[::-1][:NEAREST][-1] if number > NEAREST else -1
        for other in np.flatnonzero((near[one] >= last) & (near[one] >= LEAST_COSINE)).tolist():
            expected.add((min(one, other), max(one, other)))
    assert set(map(tuple, pairs.tolist())) == expected
    assert len(pairs) == len(expected)
    assert cosine.tolist() == [near[one, other] for one, other in pairs]
    assert too_large == 0


@settings(max_examples=10)
@given(st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_vectors_is_of_no_account(seed, rng):
    rows = vectors(2 * BLOCK_VECTORS + 100, seed)
    sides = signatures(rows)[:, 0]
    order = list(range(len(rows)))
    rng.shuffle(order)
    pairs, _, _ = near_pairs(sides, rows)
    shuffled, _, _ = near_pairs(sides[order], rows[order])
    at = np.array(order)
    assert {frozenset(p) for p in pairs.tolist()} == {frozenset(p) for p in at[shuffled].tolist()}


def test_near_vectors_meet_in_one_of_the_tables_however_many_there_are():
    rows = vectors(3000)
    sides = signatures(rows)
    found = set()
    for table in range(TABLES):
        blocks = block_of(sides[:, table])
        assert blocks.max() < 1 << PREFIX
        for block in np.unique(blocks):
            of_block = np.flatnonzero(blocks == block)
            pairs, _, _ = near_pairs(sides[of_block, table], rows[of_block])
            found |= {tuple(of_block[pair].tolist()) for pair in pairs}
    wanted = {(n, n + 1) for n in range(0, 3000, 2)}
    assert len(wanted & found) > 0.99 * len(wanted)


def test_vectors_that_no_side_tells_apart_are_counted():
    rows = np.repeat(vectors(2), BLOCK_VECTORS + 1, axis=0)
    pairs, _, too_large = near_pairs(signatures(rows)[:, 0], rows)
    assert too_large == len(np.unique(signatures(rows)[:, 0]))
    assert not len(pairs)


def test_signatures_do_not_change_with_the_library():
    """They are whole numbers of a frozen generator: a change would change graphs."""
    rows = np.arange(-12, 12, dtype=np.int8).reshape(1, -1).repeat(2, axis=0)
    rows[1] *= -1
    first, second = signatures(rows)
    assert first.shape == (TABLES,)
    # The other side of each hyperplane, but of those that the vector lies in.
    assert ((first & second) == 0).all()
    assert BITS == 32


def test_cosines_of_bytes_are_exact():
    rows = vectors(50, width=384)
    exact = rows.astype(np.int64) @ rows.astype(np.int64).T
    norms = np.sqrt(np.diag(exact).astype(np.float64))
    assert (cosines(rows, rows) == exact / (norms[:, None] * norms[None, :])).all()
    assert cosines(np.zeros((1, 4), np.int8), np.ones((1, 4), np.int8)).tolist() == [[0.0]]
