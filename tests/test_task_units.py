"""Eq. 8-12 against a transcription of the paper's formulas in double precision."""

import numpy as np
import pytest
import torch

from pfn_kg.pfn.model.loss import table_loss
from pfn_kg.pfn.model.task_units import TaskUnit, _elu_, upper_triangle

pytestmark = pytest.mark.quick

HIDDEN, LENGTH, LABELS = 4, 5, 3


@pytest.fixture(params=[True, False], ids=["layer_norm", "plain"])
def unit(request):
    torch.manual_seed(4)
    return TaskUnit(HIDDEN, LABELS, 0.1, request.param).double().eval()


def features(length=LENGTH):
    generator = torch.manual_seed(5)
    return torch.randn(2, 1, length, HIDDEN, dtype=torch.float64, generator=generator)


def linear(layer, x):
    return layer.weight.detach().numpy() @ x + layer.bias.detach().numpy()


def paper_table(unit, task, shared):
    """Logits of the table, one concatenated pair at a time."""
    pooled = [
        np.tanh(linear(unit.global_representation.linear, np.concatenate(pair)))
        for pair in zip(task, shared, strict=True)
    ]
    h_g = np.max(pooled, axis=0)  # eq. 8
    table = np.zeros((len(task), len(task), LABELS))
    for i, h_i in enumerate(task):
        for j, h_j in enumerate(task):
            pair = linear(unit.pair, np.concatenate((h_i, h_j, h_g)))
            if not isinstance(unit.layer_norm, torch.nn.Identity):
                pair = (pair - pair.mean()) / np.sqrt(pair.var() + unit.layer_norm.eps)
                pair = pair * unit.layer_norm.weight.detach().numpy()
            elu = np.where(pair > 0, pair, np.exp(pair) - 1)  # eq. 9
            table[i, j] = linear(unit.label, elu)  # eq. 10, 11 before the sigmoid
    return table


@torch.no_grad()
def test_table_matches_the_formulas(unit):
    task, shared = features()
    mask = torch.ones(1, LENGTH, dtype=torch.bool)
    found = unit.table(unit.project(task, shared, mask))[0]
    expected = paper_table(unit, task[0].numpy(), shared[0].numpy())
    np.testing.assert_allclose(found, expected, atol=1e-12)


@torch.no_grad()
def test_cells_are_those_of_the_table(unit):
    task, shared = features()
    mask = torch.tensor([[True] * 3 + [False] * 2])
    projections = unit.project(task, shared, mask)
    cells = upper_triangle(mask)
    assert list(zip(*(c.tolist() for c in cells), strict=True)) == [
        (0, i, j) for i in range(3) for j in range(i, 3)
    ]
    np.testing.assert_allclose(
        unit.cells(projections, *cells), unit.table(projections)[cells], atol=1e-12
    )


@torch.no_grad()
def test_a_pair_sees_how_many_sentences_are_between(unit):
    torch.manual_seed(6)
    seeing = TaskUnit(HIDDEN, LABELS, 0.1, True, sentence_distance=True).double().eval()
    seeing.distance.weight[1:].normal_()
    task, shared = features()
    mask = torch.ones(1, LENGTH, dtype=torch.bool)
    ids = torch.tensor([[0, 0, 1, 4, 9]])
    pairs = torch.ones(1, LENGTH, LENGTH, dtype=torch.bool).nonzero(as_tuple=True)
    read = seeing.project(task, shared, mask, ids)
    found = seeing.table(read)[0]
    np.testing.assert_allclose(seeing.cells(read, *pairs), found.flatten(0, 1), atol=1e-12)
    blind = seeing.table(seeing.project(task, shared, mask))[0]
    for i, j in np.ndindex(LENGTH, LENGTH):
        # Inside a sentence it is as if nothing were added.
        assert torch.equal(found[i, j], blind[i, j]) == (ids[0, i] == ids[0, j])
    # Three sentences are as far as nine, and the order counts.
    far = seeing.table(seeing.project(task, shared, mask, torch.tensor([[0, 0, 1, 4, 7]])))[0]
    assert torch.equal(found[:3], far[:3])
    assert not torch.equal(seeing.distance.weight[1], seeing.distance.weight[-1])
    assert not unit.state_dict().keys() & {"distance.weight"}


@torch.no_grad()
def test_the_vector_of_one_sentence_is_not_learnt():
    unit = TaskUnit(HIDDEN, LABELS, 0.0, True, sentence_distance=True)
    torch.nn.init.zeros_(unit.distance.weight)
    with torch.enable_grad():
        task, shared = (part.float() for part in features())
        read = unit.project(
            task, shared, torch.ones(1, LENGTH, dtype=torch.bool), torch.tensor([[0, 0, 1, 2, 2]])
        )
        pairs = torch.ones(1, LENGTH, LENGTH, dtype=torch.bool).nonzero(as_tuple=True)
        unit.cells(read, *pairs).square().sum().backward()
    gradient = unit.distance.weight.grad.abs().sum(1)
    assert (gradient > 0).tolist() == [False, True, True, False, False, True, True]


@pytest.mark.parametrize("block", [1, 4, 5, 6, 512])
def test_blocks_change_nothing(unit, monkeypatch, block):
    task, shared = features()
    mask = torch.ones(1, LENGTH, dtype=torch.bool)
    projections = unit.project(task, shared, mask)
    # Some rows and columns are in no cell.
    cells = tuple(c[::3] for c in upper_triangle(mask))
    with_gradients = unit.cells(projections, *cells)
    assert with_gradients.requires_grad
    monkeypatch.setattr("pfn_kg.pfn.model.task_units._CPU_BLOCK", block)
    with torch.no_grad():
        found = unit.cells(projections, *cells)
    torch.testing.assert_close(found, with_gradients.detach(), atol=1e-12, rtol=0)


@torch.no_grad()
def test_what_is_masked_changes_nothing(unit):
    task, shared = features()
    mask = torch.tensor([[True] * 3 + [False] * 2])
    whole = unit.table(unit.project(task, shared, mask))[:, :3, :3]
    part = unit.table(unit.project(task[:, :3], shared[:, :3], mask[:, :3]))
    torch.testing.assert_close(whole, part, atol=1e-12, rtol=0)


def test_loss_is_summed_binary_cross_entropy():
    logits = torch.tensor([[0.3, -2.0], [4.0, 0.0]])
    labels = torch.tensor([[1, 0], [0, 1]])
    p = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    expected = -np.sum(np.where(labels.numpy() == 1, np.log(p), np.log(1 - p)))
    assert table_loss(logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_cells_of_the_ner_table_are_spans_inside_one_sentence():
    """All pairs, one at a time: first <= last, both in one sentence, no longer than the bound."""
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    ids = torch.tensor([[0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 1, 1]])
    for sentence_ids in (None, ids):
        for max_span in (None, 1, 2):
            expected = [
                (window, first, last)
                for window in range(2)
                for first in range(6)
                for last in range(first, 6)
                if mask[window, first] and mask[window, last]
                if sentence_ids is None or ids[window, first] == ids[window, last]
                if max_span is None or last - first < max_span
            ]
            cells = torch.stack(upper_triangle(mask, sentence_ids, max_span), 1)
            assert cells.tolist() == [list(cell) for cell in expected]


def test_elu_at_single_precision():
    x = torch.cat((torch.linspace(-120, 20, 5001), torch.linspace(-1e-4, 1e-4, 501)))
    expected = torch.nn.functional.elu(x.double())
    torch.testing.assert_close(_elu_(x.clone()).double(), expected, atol=2e-7, rtol=2e-7)
    assert torch.equal(
        _elu_(torch.tensor([torch.inf, -torch.inf])), torch.tensor([torch.inf, -1.0])
    )
    assert _elu_(torch.tensor([torch.nan])).isnan()
