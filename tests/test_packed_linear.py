"""Packed layers give what PyTorch's linear layers give, and stay layers."""

import copy
import pickle
import platform
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from helpers.examples import examples
from pfn_kg.pfn.model import packed_linear
from pfn_kg.pfn.model.packed_linear import PackedLinear, pack_linears

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True, scope="module")
def everywhere():
    """Packs where it does not pay too: on all processors of the kind."""
    known = platform.machine().lower() in ("x86_64", "amd64")
    with mock.patch.object(packed_linear, "_pays", return_value=known):
        yield


def pair(inputs, outputs, bias=True):
    torch.manual_seed(inputs + outputs)
    plain = nn.Linear(inputs, outputs, bias)
    return plain, PackedLinear(plain)


@examples(40)
@given(
    rows=st.sampled_from([(0,), (1,), (7,), (3, 5), (2, 1, 4)]),
    inputs=st.integers(1, 40),
    outputs=st.integers(1, 40),
    bias=st.booleans(),
)
def test_same_as_linear(rows, inputs, outputs, bias):
    plain, packed = pair(inputs, outputs, bias)
    x = torch.randn(*rows, inputs)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), plain(x), atol=1e-5, rtol=1e-5)
        # Rows that do not lie one after the other.
        x = torch.randn(*rows, 2 * inputs)[..., ::2]
        torch.testing.assert_close(packed(x), plain(x), atol=1e-5, rtol=1e-5)


def test_a_changed_weight_is_packed_again():
    plain, packed = pair(8, 4)
    x = torch.randn(3, 8)
    with torch.no_grad():
        before = packed(x)
        packed.weight.mul_(2)
        packed.bias.zero_()
        torch.testing.assert_close(packed(x), plain(x))
        assert (packed(x) - before).abs().max() > 0.01
        packed.load_state_dict(nn.Linear(8, 4).state_dict())
        torch.testing.assert_close(packed(x), nn.functional.linear(x, packed.weight, packed.bias))


def test_a_weight_that_a_fused_optimizer_changed_is_packed_again():
    """Such an optimizer leaves no trace in a weight's version."""
    _, packed = pair(8, 4)
    x = torch.randn(3, 8)
    optimizer = torch.optim.AdamW(packed.parameters(), lr=0.1, fused=True)
    for _ in range(2):
        packed.eval()
        with torch.no_grad():
            found = packed(x)
        torch.testing.assert_close(found, nn.functional.linear(x, packed.weight, packed.bias))
        packed.train()
        packed(x).sum().backward()
        optimizer.step()


def test_gradients_copies_and_other_precisions():
    plain, packed = pair(8, 4)
    x = torch.randn(3, 8)
    packed(x).sum().backward()
    torch.testing.assert_close(packed.weight.grad, x.sum(0).expand(4, 8))
    with torch.no_grad():
        expected = packed(x)
        for other in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
            assert torch.equal(other(x), expected)
        half = copy.deepcopy(packed).to(torch.bfloat16)
        assert half(x.bfloat16()).dtype == torch.bfloat16
        double = copy.deepcopy(packed).double()
        torch.testing.assert_close(double(x.double()).float(), expected)
    assert packed.state_dict().keys() == plain.state_dict().keys()


def test_all_layers_of_a_module():
    module = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 2), nn.ReLU()))
    parameters = dict(module.named_parameters())
    pack_linears(module)
    pack_linears(module)
    assert [type(m) for m in module.modules()].count(PackedLinear) == 2
    found = dict(module.named_parameters())
    assert found.keys() == parameters.keys()
    assert all(found[name] is parameters[name] for name in found)


@pytest.fixture
def without_onednn(monkeypatch):
    def missing(*_):
        raise AttributeError("no such operator")

    packed_linear._works.cache_clear()
    monkeypatch.setattr(packed_linear, "_pack", missing)
    yield
    packed_linear._works.cache_clear()


@pytest.mark.usefixtures("without_onednn")
def test_without_onednn_it_is_a_linear_layer():
    plain, packed = pair(8, 4)
    x = torch.randn(3, 8)
    with torch.no_grad():
        assert torch.equal(packed(x), plain(x))
