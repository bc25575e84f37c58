"""Fits calibration to what a model found in a development set (Kull et al., AISTATS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pfn_kg.pfn.calibration import MARGIN, Calibration, RelationCalibration
from pfn_kg.pfn.evaluation.scores import JudgedTriples

# Standard deviation of relations' shifts and of the slopes' logarithms, before anything is seen.
_SPREAD = 1.0


def fit_calibration(scores: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fits the parameters by least cross-entropy.

    The targets are smoothed as Platt (1999) does, so that a few items which the scores
    tell apart without an error don't ask for infinite certainty.

    Args:
        scores: of what was found, from the model without calibration; at least one.
        right: whether each is right.
    """
    clamped = torch.tensor(scores, dtype=torch.float64).clamp(MARGIN, 1 - MARGIN)
    labels = _smoothed(right)
    inputs = torch.stack((clamped.log(), -(-clamped).log1p(), torch.ones_like(clamped)), 1)
    weights = _fit(inputs, labels)
    # Neither of the two may turn the order of scores: that one is left out, as the paper does.
    if weights[:2].min() < 0:
        kept = torch.ones(3, dtype=torch.float64)
        kept[weights[:2].argmin()] = 0
        weights = _fit(inputs * kept, labels) * kept
        weights[:2].clamp_(min=0)
    low, high, bias = (round(weight, 4) for weight in weights.tolist())
    return Calibration(low, high, bias)


def fit_relation_calibration(triples: JudgedTriples) -> RelationCalibration:
    """Fits the calibration of triples, with a shift by relation and one for pairs across sentences.

    A relation's shift is drawn to 0 by a normal prior (`_SPREAD`), so that one with few examples
    is calibrated like all others; the slopes are drawn to those of the whole table.

    Args:
        triples: of a development set, from the model without calibration; at least one.
    """
    table = fit_calibration(triples.scores, triples.right)
    names = sorted(set(triples.relations))
    numbers = {name: number for number, name in enumerate(names)}
    of_relations = torch.tensor([numbers[name] for name in triples.relations])
    across = torch.tensor(triples.across, dtype=torch.float64)
    scores = torch.tensor(triples.scores, dtype=torch.float64).clamp(MARGIN, 1 - MARGIN)
    labels = _smoothed(triples.right)
    # The two slopes as logarithms: neither may turn the order of scores.
    of_table = torch.tensor(table[:2], dtype=torch.float64).clamp(min=1e-3).log()
    slopes = of_table.clone().requires_grad_()
    shifts = torch.zeros(len(names) + 2, dtype=torch.float64)
    shifts[-1] = table.bias
    shifts.requires_grad_()
    optimizer = torch.optim.LBFGS([slopes, shifts], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        low, high = slopes.exp()
        logits = low * scores.log() - high * (-scores).log1p() + shifts[-1]
        logits = logits + shifts[:-2][of_relations] + shifts[-2] * across
        loss = functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        loss = loss + shifts[:-1].square().sum() / (2 * _SPREAD**2)
        loss = loss + (slopes - of_table).square().sum() / (2 * _SPREAD**2)
        loss.backward()
        return loss

    optimizer.step(closure)
    low, high = (round(slope, 4) for slope in slopes.detach().exp().tolist())
    *of_names, of_across, bias = (round(shift, 4) for shift in shifts.detach().tolist())
    return RelationCalibration(
        Calibration(low, high, bias), of_across, dict(zip(names, of_names, strict=True))
    )


def _smoothed(right: Sequence[bool]) -> Tensor:
    """Targets as Platt (1999) smooths them."""
    positives = sum(right)
    negatives = len(right) - positives
    labels = torch.tensor(right, dtype=torch.float64)
    return labels * (positives + 1) / (positives + 2) + (1 - labels) / (negatives + 2)


def _fit(inputs: Tensor, labels: Tensor) -> Tensor:
    """The weights of a logistic regression; its loss is convex."""
    weights = torch.tensor((1.0, 1.0, 0.0), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(inputs @ weights, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()
