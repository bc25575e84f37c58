"""Eq. 1-7 against a transcription of the paper's formulas, step by step, in double precision."""

import numpy as np
import pytest
import torch

from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder, cummax

INPUT, HIDDEN, LENGTH = 5, 4, 7


def paper_cummax(x):
    probabilities = np.exp(x) / np.exp(x).sum()
    return np.array([sum(probabilities[: i + 1]) for i in range(len(x))])


def paper_encoder(model, x, entity_gate_is_cummax):
    """Features of one sequence by eq. 1-7, all partitions spelt out."""

    def weights(layer):
        return layer.weight.detach().numpy(), layer.bias.detach().numpy()

    (w_x, b_x), (w_h, b_h) = weights(model.input_transform), weights(model.hidden_transform)
    w_c, b_c = weights(model.cell_transform)
    w_h = w_h * (1 - model.dropconnect)
    h, c = np.zeros(HIDDEN), np.zeros(HIDDEN)
    features = []
    for x_t in x:
        # Linear([x_t; h_{t-1}]) for the candidate cell and the four gates.
        candidate, *gates = np.split(w_x @ x_t + b_x + w_h @ h + b_h, 5)
        c_tilde = np.tanh(candidate)  # eq. 1
        rho = {}
        for cell, of_entity, of_relation in (("c", *gates[:2]), ("c~", *gates[2:])):
            if entity_gate_is_cummax:  # eq. 2
                e, r = paper_cummax(of_entity), 1 - paper_cummax(of_relation)
            else:
                e, r = 1 - paper_cummax(of_entity), paper_cummax(of_relation)
            shared = e * r  # eq. 3
            rho[cell] = {"s": shared, "e": e - shared, "r": r - shared}
        # eq. 4: information of both cells, by partition.
        of = {p: rho["c"][p] * c + rho["c~"][p] * c_tilde for p in "ers"}
        # eq. 5: memories.
        mu_e, mu_r, mu_s = of["e"] + of["s"], of["r"] + of["s"], of["s"]
        features.append([np.tanh(mu) for mu in (mu_e, mu_r, mu_s)])  # eq. 6
        c = w_c @ np.concatenate((mu_e, mu_r, mu_s)) + b_c  # eq. 7
        h = np.tanh(c)
    return np.array(features)


@pytest.fixture
def model(request):
    torch.manual_seed(3)
    return PartitionFilterEncoder(INPUT, HIDDEN, 0.1, request.param).double().eval()


@pytest.mark.parametrize("model", ["cummax", "mirrored"], indirect=True)
def test_matches_the_formulas(model):
    x = torch.randn(3, LENGTH, INPUT, dtype=torch.float64, generator=torch.manual_seed(1)) * 2
    with torch.no_grad():
        features = torch.stack(model(x), 2).numpy()
    for found, sequence in zip(features, x.numpy(), strict=True):
        expected = paper_encoder(model, sequence, not model.mirrored)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model", ["cummax", "mirrored"], indirect=True)
def test_padding_is_not_read(model, training):
    model.train(training)
    model.dropconnect = 0.0
    lengths = [3, LENGTH, 1, 0, 5]
    x = torch.randn(5, LENGTH, INPUT, dtype=torch.float64, generator=torch.manual_seed(1))
    mask = torch.arange(LENGTH) < torch.tensor(lengths)[:, None]
    x.requires_grad_(training)
    features = torch.stack(model(x, mask), 2)
    for row, length in enumerate(lengths):
        assert not features[row, length:].any()
        if length:
            alone = torch.stack(model(x[row : row + 1, :length]), 2)[0]
            torch.testing.assert_close(features[row, :length], alone, atol=1e-12, rtol=0)
    if training:
        features.sum().backward()
        assert (x.grad.abs().sum(-1) > 0).equal(mask)


def test_the_gate_orders_differ():
    x = torch.randn(1, LENGTH, INPUT, generator=torch.manual_seed(1))
    found = []
    for order in ("cummax", "mirrored"):
        torch.manual_seed(3)
        found.append(PartitionFilterEncoder(INPUT, HIDDEN, 0.1, order).eval()(x).entity)
    assert (found[0] - found[1]).abs().max() > 0.01


def test_cummax_rises_to_one():
    x = torch.randn(6, 9, dtype=torch.float64, generator=torch.manual_seed(2)) * 5
    found = cummax(x)
    np.testing.assert_allclose(found, [paper_cummax(row) for row in x.numpy()], atol=1e-12)
    assert (found.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(found[:, -1], torch.ones(6, dtype=torch.float64))


@pytest.mark.parametrize("model", ["cummax"], indirect=True)
def test_dropconnect_is_random_in_training_alone(model):
    x = torch.randn(1, LENGTH, INPUT, dtype=torch.float64, generator=torch.manual_seed(1))
    assert torch.equal(model(x).shared, model(x).shared)
    model.train()
    model.dropconnect = 0.5
    assert not torch.equal(model(x).shared, model(x).shared)
    model.dropconnect = 0.0
    in_training = model(x).shared
    assert torch.equal(in_training, model.eval()(x).shared)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_gradients_are_those_of_the_features(training, chunk_size):
    """Against differences of the features, the same weights being dropped each time."""
    torch.manual_seed(2)
    model = PartitionFilterEncoder(3, HIDDEN, 0.3, chunk_size=chunk_size).double().train(training)
    x = torch.randn(3, 4, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(4) < torch.tensor([2, 4, 1])[:, None]
    parameters = dict(model.named_parameters())

    def features(x, *values):
        torch.manual_seed(3)
        replaced = dict(zip(parameters, values, strict=True))
        return tuple(torch.func.functional_call(model, replaced, (x, mask)))

    assert torch.autograd.gradcheck(features, (x, *parameters.values()))
