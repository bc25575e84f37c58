"""Calibration: scores that mean a probability (beta calibration, Kull et al., AISTATS 2017).

A table's scores s become sigmoid(low ln s - high ln(1 - s) + bias), and so do those of a fact,
whose score in a document is that of the best triple that says so: the best of several is right
less often than one. Where low and high are equal this is temperature scaling with a bias. The
numbers are fitted on a development set (`pfn_kg.pfn.training.calibration_fit`) and travel in the
checkpoint's configuration. They don't change the order of scores.

Triples are calibrated by relation as well, and apart for pairs inside a sentence and across
sentences (`RelationCalibration`): a rare relation scores low where it is right, and a pair across
sentences is right less often than its score says.

Our own: scikit-learn has no beta calibration, and the package betacal needs scikit-learn for a
logistic regression of two variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    # The build phase knows calibration too, and needs no torch.
    from torch import Tensor


#: Nearer to 0 and 1 a score of single precision says no more.
MARGIN = 1e-7


# A calibration that moves scores less than this, from the lowest to the highest of training's
# data, says nothing by them.
_LEAST_SLOPE = 0.01


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

    @property
    def ranks(self) -> bool:
        """Whether a better score is more probable; without, all scores become about one."""
        return self.low + self.high >= _LEAST_SLOPE

    def probability(self, logits: Tensor, shift: Tensor | None = None) -> Tensor:
        """The probabilities of logits, in single precision.

        Args:
            logits: of any shape.
            shift: what is added to the bias of each, if anything; same shape.
        """
        logits = logits.float()
        if self == Calibration():
            return (logits if shift is None else logits + shift).sigmoid()
        from torch.nn.functional import logsigmoid

        # ln(1 - s) is ln s less the logit.
        log = (self.low - self.high) * logsigmoid(logits)
        calibrated = log + self.high * logits + self.bias
        return (calibrated if shift is None else calibrated + shift).sigmoid()

    def of_scores(self, scores: np.ndarray, shift: np.ndarray | None = None) -> np.ndarray:
        """The probabilities that scores without this calibration come to.

        Args:
            scores: of any shape.
            shift: what is added to the bias of each, if anything; same shape.
        """
        if self == Calibration() and shift is None:
            return scores
        scores = scores.astype(np.float64).clip(MARGIN, 1 - MARGIN)
        logits = self.low * np.log(scores) - self.high * np.log1p(-scores) + self.bias
        if shift is not None:
            logits = logits + shift
        # Beyond 700 the exponential overflows; the probability is 0 there all the same.
        return 1 / (1 + np.exp((-logits).clip(max=700)))

    def of_score(self, score: float) -> float:
        """As `of_scores`, of one."""
        return float(self.of_scores(np.array(score)))

    def score_of(self, probability: float) -> float:
        """The score without this calibration that comes to a probability, or the nearest one."""
        if self == Calibration():
            return probability
        low, high = MARGIN, 1 - MARGIN
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.of_score(middle) < probability else (low, middle)
        return high


def calibration_of(configuration: Mapping[str, Any] | None, table: str) -> Calibration:
    """The calibration of a table, as in `PFNConfig.calibration`.

    Args:
        configuration: of each table its parameters; None where nothing is calibrated. Older
            checkpoints have a temperature and a bias.
        table: `entity` or `relation`, or `fact`; a tail table is calibrated as the RE table is.
    """
    parameters = dict((configuration or {}).get(table, {}))
    if "temperature" in parameters:
        parameters["low"] = parameters["high"] = 1 / parameters.pop("temperature")
    return Calibration(
        **{name: parameters[name] for name in Calibration._fields if name in parameters}
    )


class RelationCalibration(NamedTuple):
    """How scores of triples become probabilities.

    Attributes:
        table: the calibration of the whole table.
        across: what is added to its bias for a pair in two sentences.
        relations: what is added to its bias for a relation, by name; 0 for one without.
    """

    table: Calibration = Calibration()
    across: float = 0.0
    relations: Mapping[str, float] = MappingProxyType({})

    @classmethod
    def of(cls, configuration: Mapping[str, Any] | None) -> RelationCalibration:
        """The calibration of triples, as in `PFNConfig.calibration`."""
        parameters = (configuration or {}).get("relation", {})
        return cls(
            calibration_of(configuration, "relation"),
            parameters.get("across", 0.0),
            MappingProxyType(dict(parameters.get("relations", {}))),
        )

    def as_dict(self) -> dict[str, Any]:
        """The parameters, as `of` reads them under `relation`."""
        parameters: dict[str, Any] = self.table._asdict()
        if self.across:
            parameters["across"] = self.across
        if self.relations:
            parameters["relations"] = dict(self.relations)
        return parameters

    @property
    def shifts(self) -> bool:
        """Whether any pair or relation is calibrated differently from the others."""
        return bool(self.across or self.relations)

    def of_scores(
        self, scores: np.ndarray, relations: Sequence[str], across: np.ndarray
    ) -> np.ndarray:
        """The probabilities that scores without this calibration come to.

        Args:
            scores: of triples, (n,).
            relations: of the same triples.
            across: whether their arguments are in two sentences, (n,).
        """
        if not self.shifts:
            return self.table.of_scores(scores)
        of_relations = np.array([self.relations.get(name, 0.0) for name in relations])
        return self.table.of_scores(scores, of_relations + self.across * across)


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
    filled = []
    for _, items in sorted(of_bin.items()):
        count = len(items)
        filled.append((sum(s for s, _ in items) / count, sum(r for _, r in items) / count, count))
    total = sum(count for _, _, count in filled)
    error = sum(abs(score - share) * count for score, share, count in filled) / max(total, 1)
    return Reliability(error, filled)
