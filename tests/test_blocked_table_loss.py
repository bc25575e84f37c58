"""The loss in blocks is that of the whole table, and so are its gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from pfn_kg.pfn.model import blocked_table_loss as blocked
from pfn_kg.pfn.model.blocked_table_loss import Cells, blocked_table_loss
from pfn_kg.pfn.model.loss import Labels, table_loss
from pfn_kg.pfn.model.task_units import TaskUnit, upper_triangle

pytestmark = pytest.mark.quick

HIDDEN = 6


def batch(lengths, labels, layer_norm, seed):
    torch.manual_seed(seed)
    unit = TaskUnit(HIDDEN, labels, 0.1, layer_norm).double().eval()
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    task, shared = torch.randn(2, len(lengths), longest, HIDDEN, dtype=torch.float64)
    return unit, task.requires_grad_(), shared, mask


def gradients(unit, task, loss):
    return torch.autograd.grad(loss, [task, *unit.parameters()])


@examples(60)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    labels=st.integers(1, 4),
    layer_norm=st.booleans(),
    triangle=st.booleans(),
    block=st.integers(1, 100),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_loss_and_gradients_are_those_of_the_table(
    lengths, labels, layer_norm, triangle, block, seed, data
):
    unit, task, shared, mask = batch(lengths, labels, layer_norm, seed)
    features = unit.project(task, shared, mask)
    chosen = upper_triangle(mask) if triangle else (mask[:, :, None] & mask[:, None]).nonzero().T
    chosen = tuple(chosen)
    places = [
        (*place, label) for place in torch.stack(chosen, 1).tolist() for label in range(labels)
    ]
    # Some cells hold, some perhaps.
    drawn = data.draw(
        st.dictionaries(st.sampled_from(places), st.sampled_from([1.0, 0.7, 0.02, 0.0]), max_size=8)
    )
    known = None
    if data.draw(st.booleans()):
        rows = st.lists(st.booleans(), min_size=labels, max_size=labels)
        known = torch.tensor([data.draw(rows) for _ in lengths])
    gold = Labels(
        torch.tensor(list(drawn), dtype=torch.long).reshape(-1, 4),
        torch.tensor(list(drawn.values()), dtype=torch.float64),
        known,
    )
    dense = torch.zeros(*mask.shape, mask.shape[1], labels, dtype=torch.float64)
    dense[gold.cells.unbind(-1)] = gold.targets
    counts = torch.ones_like(dense, dtype=torch.bool)
    if known is not None:
        counts = known[:, None, None, :].expand_as(dense).clone()
        counts[gold.cells.unbind(-1)] = True
    expected = table_loss(unit.cells(features, *chosen).float(), dense[chosen], counts[chosen])
    expected_gradients = gradients(unit, task, expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocked, "_CELLS", block)
        found = unit.table_loss(unit.project(task, shared, mask), mask, gold, triangle)
    torch.testing.assert_close(found.float(), expected, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(gradients(unit, task, found), expected_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("triangle", [True, False])
def test_gradients_are_those_of_the_loss_with_dropout(layer_norm, triangle):
    """Against differences of the loss, the random numbers being the same each time."""
    torch.manual_seed(8)
    rows, columns = torch.randn(2, 2, 4, HIDDEN, dtype=torch.float64).requires_grad_()
    weights = [
        torch.randn(*shape, dtype=torch.float64).requires_grad_()
        for shape in ((3, HIDDEN), (3,), *(((HIDDEN,), (HIDDEN,)) if layer_norm else ()))
    ]
    labels = Labels(
        torch.tensor([[0, 1, 2, 0], [0, 0, 3, 2], [1, 0, 1, 1]]),
        torch.tensor([1, 0.3, 1], dtype=torch.float64),
    )
    cells = Cells([4, 2], labels, triangle)

    def loss(rows, columns, label_weight, label_bias, *norm):
        torch.manual_seed(9)
        return blocked_table_loss(
            rows, columns, label_weight, label_bias, cells, *(norm or (None, None)), dropout=0.4
        )

    assert torch.autograd.gradcheck(loss, (rows, columns, *weights))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate):
    torch.manual_seed(10)
    mask = blocked._dropout_mask(torch.empty(1000, 301), rate)
    torch.testing.assert_close(mask.unique(), torch.tensor([0, 1 / (1 - rate)]), rtol=1e-4, atol=0)
    dropped = (mask == 0).double()
    # Six standard deviations of so many independent draws.
    assert dropped.mean().item() == pytest.approx(rate, abs=6 * (rate / mask.numel()) ** 0.5)
    # Neighbours, four of which come of one draw of 64 bits, know nothing of each other.
    flat = dropped.flatten() - rate
    for distance in range(1, 5):
        together = (flat[distance:] * flat[:-distance]).mean().item()
        assert abs(together) < 6 * rate / mask.numel() ** 0.5
    assert not torch.equal(mask, blocked._dropout_mask(torch.empty(1000, 301), rate))


def test_large_logits_do_not_overflow():
    rows, columns = torch.zeros(1, 2, HIDDEN), torch.zeros(1, 2, HIDDEN)
    bias = torch.tensor([1e4, -1e4]).requires_grad_()
    cells = Cells([2], Labels.of(torch.tensor([[0, 0, 0, 1]])), False)
    loss = blocked_table_loss(rows, columns, torch.zeros(2, HIDDEN), bias, cells)
    assert loss.item() == 5e4
    loss.backward()
    assert bias.grad.tolist() == [4, -1]
