"""Fits calibration to what a model found in a development set (Platt, 1999; Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pfn.calibration import Calibration


def fit_calibration(scores: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fits temperature and bias by least cross-entropy.

    The targets are smoothed as Platt (1999) does, so that a few items which the scores
    tell apart without an error don't ask for infinite certainty.

    Args:
        scores: of what was found, from the model without calibration; at least one.
        right: whether each is right.
    """
    logits = torch.tensor(scores, dtype=torch.float64).clamp(1e-7, 1 - 1e-7).logit()
    positives = sum(right)
    negatives = len(right) - positives
    labels = torch.tensor(right, dtype=torch.float64)
    labels = labels * (positives + 1) / (positives + 2) + (1 - labels) / (negatives + 2)
    # Slope in place of the temperature: the loss is convex in it.
    slope = torch.ones((), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(logits * slope + bias, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return Calibration(round(1 / slope.clamp(min=1e-3).item(), 4), round(bias.item(), 4))
