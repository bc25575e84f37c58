"""How often the model is right, by the facts that people judged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

#: Bounds of the bands of confidence: from one to below the next.
BANDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

_LEVEL = 0.95


class Precision(NamedTuple):
    """A share of right facts, with the interval in which it lies by what was judged.

    Attributes:
        judged: how many facts people judged.
        right: how many of them hold.
        precision: the share.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    judged: int
    right: int
    precision: float
    low: float
    high: float

    @classmethod
    def of(cls, right: int, judged: int) -> Precision:
        """The share with its Wilson score interval (Wilson 1927), which holds for few facts too.

        Args:
            right: how many hold.
            judged: of how many, at least 1.
        """
        z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
        share = right / judged
        middle = (share + z * z / (2 * judged)) / (1 + z * z / judged)
        spread = math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
        half = z * spread / (1 + z * z / judged)
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        # At both ends the formula gives these but for rounding.
        low, high = 0.0 if right == 0 else low, 1.0 if right == judged else high
        return cls(judged, right, *(round(x, 4) for x in (share, low, high)))

    def __str__(self) -> str:
        share, low, high = (round(100 * x) for x in self[2:])
        return f"{share} % right, {low} to {high}"


def precision_record(outcomes: pa.Table) -> dict[str, Any]:
    """What judged facts say of the model, as the manifest records it; empty without any.

    Facts count that people rejected, confirmed or changed, and that the model says at the
    thresholds of this build. Their confidence is the one without corrections.

    Args:
        outcomes: as in `pfn_kg.transforms.corrections.outcomes.OUTCOME_SCHEMA`.

    Returns:
        `all`, `from` (the lowest confidence of a judged fact), `by_relation` and
        `by_confidence`, a list of bands with `from` and `below`.
    """
    judged = outcomes.filter(pc.is_valid(outcomes["confidence"]))
    if not len(judged):
        return {}
    is_right = judged["is_right"].to_pylist()
    relations = judged["relation"].to_pylist()
    confidences = judged["confidence"].to_pylist()
    by_relation = {
        name: _of([r for r, of in zip(is_right, relations, strict=True) if of == name])
        for name in sorted(set(relations))
    }
    bands = []
    for low, high in itertools.pairwise(BANDS):
        top = math.inf if high == BANDS[-1] else high
        inside = [
            right
            for right, confidence in zip(is_right, confidences, strict=True)
            if low <= round(confidence, 6) < top
        ]
        if inside:
            bands.append({"from": low, "below": high, **_of(inside)})
    return {
        "all": _of(is_right),
        "from": round(min(confidences), 4),
        "by_relation": by_relation,
        "by_confidence": bands,
    }


def _of(is_right: Sequence[bool]) -> dict[str, Any]:
    return Precision.of(sum(is_right), len(is_right))._asdict()


def precision_line(record: dict[str, Any]) -> str | None:
    """The precision in one line: `of 120 facts judged at 0.5 and more, 87 % right, 80 to 92`.

    Args:
        record: from `precision_record`.
    """
    if not record:
        return None
    precision = Precision(**record["all"])
    facts = "fact" if precision.judged == 1 else "facts"
    least = math.floor(10 * record["from"] + 1e-6) / 10
    return f"of {precision.judged} {facts} judged at {least:g} and more, {precision}"
