"""Training batches hold like lengths, and their order is random."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.training.length_sampler import LengthSampler

pytestmark = pytest.mark.quick

LENGTHS = [1 + (i * 37) % 100 for i in range(203)]


def batches(sampler, size):
    items = list(sampler)
    return [items[at : at + size] for at in range(0, len(items), size)]


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 8), st.integers(0, 99))
def test_each_item_once_and_the_longest_first(lengths, size, seed):
    sampler = LengthSampler(size, lengths, seed)
    found = batches(sampler, size)
    assert sorted(item for batch in found for item in batch) == list(range(len(lengths)))
    assert len(sampler) == len(lengths)
    if len(lengths) >= size:
        assert max(lengths) in [lengths[item] for item in found[0]]


def test_a_batch_holds_like_lengths_and_a_pass_does_not_end_with_the_shortest():
    sampler = LengthSampler(8, LENGTHS, 13)
    first, second = batches(sampler, 8), batches(sampler, 8)
    for found in (first, second):
        spreads = [
            max(map(LENGTHS.__getitem__, b)) - min(map(LENGTHS.__getitem__, b)) for b in found
        ]
        assert max(spreads) <= 5
        longest = [LENGTHS[batch[0]] for batch in found]
        assert longest[1:-1] != sorted(longest[1:-1], reverse=True)
        # Of the second half of a pass about half are longer than the median.
        middle = sorted(longest)[len(longest) // 2]
        late = longest[len(longest) // 2 : -1]
        assert 2 <= sum(length > middle for length in late) <= len(late) - 2
    assert first != second
    assert first == batches(LengthSampler(8, LENGTHS, 13), 8)
