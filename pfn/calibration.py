"""Calibration: scores that mean a probability (temperature scaling, Guo et al., ICML 2017).

A table's logits are divided by a temperature and shifted before the sigmoid. Both
numbers are fitted on a development set and travel in the checkpoint's configuration.
Neither changes the order of scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Calibration(NamedTuple):
    """How the logits of a table become probabilities: sigmoid(logit / temperature + bias)."""

    temperature: float = 1.0
    bias: float = 0.0

    def probability(self, logits: Tensor) -> Tensor:
        """The probabilities of logits, in single precision."""
        logits = logits.float()
        if self != Calibration():
            logits = logits / self.temperature + self.bias
        return logits.sigmoid()

    def of_score(self, score: float) -> float:
        """The probability that a score of the model without calibration comes to."""
        return float(self.probability(torch.tensor(score).logit()))


def calibration_of(configuration: Mapping[str, Any] | None, table: str) -> Calibration:
    """The calibration of a table, as in `PFNConfig.calibration`.

    Args:
        configuration: of each table its parameters; None where nothing is calibrated.
        table: `entity` or `relation`; a tail table is calibrated as the RE table is.
    """
    return Calibration(**(configuration or {}).get(table, {}))


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


class Reliability(NamedTuple):
    """How often what has about one score is right.

    Attributes:
        error: expected calibration error: the mean over all items of the distance between
            score and share that is right, bin by bin.
        bins: of each bin with items their mean score, the share that is right, their number.
    """

    error: float
    bins: list[tuple[float, float, int]]


def reliability(scores: Sequence[float], right: Sequence[bool], bins: int = 10) -> Reliability:
    """The expected calibration error, in bins of equal width.

    Args:
        scores: probabilities.
        right: whether each item is right.
        bins: number of bins.
    """
    of_bin: dict[int, list[tuple[float, bool]]] = {}
    for score, is_right in zip(scores, right, strict=True):
        of_bin.setdefault(min(int(score * bins), bins - 1), []).append((score, is_right))
    found = []
    for _, items in sorted(of_bin.items()):
        count = len(items)
        found.append((sum(s for s, _ in items) / count, sum(r for _, r in items) / count, count))
    total = sum(count for _, _, count in found)
    error = sum(abs(score - share) * count for score, share, count in found) / max(total, 1)
    return Reliability(error, found)
