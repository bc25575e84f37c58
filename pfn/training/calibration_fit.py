"""Fits calibration to what a model found in a development set (Kull et al., AISTATS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pfn_kg.pfn.calibration import MARGIN, Calibration


def fit_calibration(scores: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fits the parameters by least cross-entropy.

    The targets are smoothed as Platt (1999) does, so that a few items which the scores
    tell apart without an error don't ask for infinite certainty.

    Args:
        scores: of what was found, from the model without calibration; at least one.
        right: whether each is right.
    """
    found = torch.tensor(scores, dtype=torch.float64).clamp(MARGIN, 1 - MARGIN)
    positives = sum(right)
    negatives = len(right) - positives
    labels = torch.tensor(right, dtype=torch.float64)
    labels = labels * (positives + 1) / (positives + 2) + (1 - labels) / (negatives + 2)
    inputs = torch.stack((found.log(), -(-found).log1p(), torch.ones_like(found)), 1)
    weights = _fit(inputs, labels)
    # Neither of the two may turn the order of scores: that one is left out, as the paper does.
    if weights[:2].min() < 0:
        kept = torch.ones(3, dtype=torch.float64)
        kept[weights[:2].argmin()] = 0
        weights = _fit(inputs * kept, labels) * kept
        weights[:2].clamp_(min=0)
    low, high, bias = (round(weight, 4) for weight in weights.tolist())
    return Calibration(low, high, bias)


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
