"""Of a fact's triples in a document those stay whose arguments stand nearest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.transforms.facts.nearest import is_nearest

pytestmark = pytest.mark.quick

TRIPLES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 5), st.integers(0, 5)),
    max_size=40,
)


@given(TRIPLES)
def test_each_fact_keeps_what_is_nearest(triples):
    columns = [np.array([t[i] for t in triples], dtype=np.int64) for i in range(4)]
    kept = is_nearest(*columns)
    for triple, stays in zip(triples, kept.tolist(), strict=True):
        distances = [abs(t[2] - t[3]) for t in triples if t[:2] == triple[:2]]
        assert stays == (abs(triple[2] - triple[3]) == min(distances))


@given(TRIPLES, st.randoms())
def test_order_is_of_no_account(triples, random):
    shuffled = random.sample(triples, len(triples))

    def kept(rows):
        columns = [np.array([t[i] for t in rows], dtype=np.int64) for i in range(4)]
        return sorted(t for t, stays in zip(rows, is_nearest(*columns), strict=True) if stays)

    assert kept(triples) == kept(shuffled)


def test_sentences_by_themselves_keep_all():
    same = np.array([0, 1, 2])
    assert is_nearest(np.zeros(3, int), np.zeros(3, int), same, same).all()
