"""Calibration: scores that mean a probability (beta calibration, Kull et al., AISTATS 2017).

A table's scores s become sigmoid(low ln s - high ln(1 - s) + bias), and so do those of a fact,
whose score in a document is that of the best triple that says so: the best of several is right
less often than one. Where low and high are equal this is temperature scaling with a bias. The
numbers are fitted on a development set (`pfn_kg.pfn.training.calibration_fit`) and travel in the
checkpoint's configuration. They don't change the order of scores.

Our own: scikit-learn has no beta calibration, and the package betacal needs scikit-learn for a
logistic regression of two variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    # The build phase knows calibration too, and needs no torch.
    from torch import Tensor


#: Nearer to 0 and 1 a score of single precision says no more.
MARGIN = 1e-7


class Calibration(NamedTuple):
    """How scores become probabilities.

    Attributes:
        low: how much it counts that a score is far from 0; not negative.
        high: how much it counts that a score is near 1; not negative.
        bias: what is added.
    """

    low: float = 1.0
    high: float = 1.0
    bias: float = 0.0

    def probability(self, logits: Tensor) -> Tensor:
        """The probabilities of logits, in single precision."""
        logits = logits.float()
        if self == Calibration():
            return logits.sigmoid()
        from torch.nn.functional import logsigmoid

        # ln(1 - s) is ln s less the logit.
        log = (self.low - self.high) * logsigmoid(logits)
        return (log + self.high * logits + self.bias).sigmoid()

    def of_scores(self, scores: np.ndarray) -> np.ndarray:
        """The probabilities that scores without this calibration come to."""
        if self == Calibration():
            return scores
        scores = scores.astype(np.float64).clip(MARGIN, 1 - MARGIN)
        logits = self.low * np.log(scores) - self.high * np.log1p(-scores) + self.bias
        return 1 / (1 + np.exp(-logits))

    def of_score(self, score: float) -> float:
        """As `of_scores`, of one."""
        return float(self.of_scores(np.array(score)))


def calibration_of(configuration: Mapping[str, Any] | None, table: str) -> Calibration:
    """The calibration of a table, as in `PFNConfig.calibration`.

    Args:
        configuration: of each table its parameters; None where nothing is calibrated. Older
            checkpoints have a temperature and a bias.
        table: `entity` or `relation`, or `fact`; a tail table is calibrated as the RE table is.
    """
    found = dict((configuration or {}).get(table, {}))
    if "temperature" in found:
        found["low"] = found["high"] = 1 / found.pop("temperature")
    return Calibration(**found)


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
