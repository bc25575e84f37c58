"""The recurrence at inference on a CPU gives what its differentiable form gives."""

from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from pfn_kg.pfn.model import packed_linear, partition_filter
from pfn_kg.pfn.model.packed_linear import pack_linears
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder

pytestmark = pytest.mark.quick


@examples(60)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    longer=st.integers(0, 2),
    entity_gate=st.sampled_from(["cummax", "mirrored"]),
    chunk_size=st.sampled_from([None, 2]),
    reverse=st.booleans(),
    hidden_states=st.booleans(),
    packed=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_same_as_with_gradients(
    lengths, longer, entity_gate, chunk_size, reverse, hidden_states, packed, dtype
):
    torch.manual_seed(len(lengths))
    encoder = PartitionFilterEncoder(
        5, 6, 0.2, entity_gate=entity_gate, chunk_size=chunk_size, reverse=reverse
    )
    encoder = encoder.to(dtype).eval()
    length = max([1, *lengths]) + longer
    x = torch.randn(len(lengths), length, 5, dtype=dtype) * 3
    mask = torch.arange(length) < torch.tensor(lengths)[:, None]
    expected, expected_states = encoder.encode(x, mask, hidden_states)
    if packed:
        pack_linears(encoder)
    with mock.patch.object(packed_linear, "_pays", return_value=packed), torch.no_grad():
        with mock.patch.object(
            partition_filter, "features_of_steps", wraps=partition_filter.features_of_steps
        ) as steps:
            features, states = encoder.encode(x, mask, hidden_states)
        assert steps.call_count == 1
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for found, wanted in zip((*features, states), (*expected, expected_states), strict=True):
        torch.testing.assert_close(found, wanted.detach(), atol=tolerance, rtol=0)


def test_half_precision_and_training_are_read_step_by_step():
    encoder = PartitionFilterEncoder(5, 6, 0.2)
    x = torch.randn(2, 3, 5)
    with (
        mock.patch.object(partition_filter, "features_of_steps", side_effect=AssertionError),
        torch.no_grad(),
    ):
        encoder.train()(x)
        encoder.eval().to(torch.bfloat16)(x.to(torch.bfloat16))
