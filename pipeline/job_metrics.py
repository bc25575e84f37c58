"""What a job counted, on any runner: the metrics of `pfn_kg.transforms.plumbing.metrics`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from apache_beam.metrics.metric import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from pfn_kg.transforms.plumbing.metrics import MEASURES, NAMESPACE, Phase

if TYPE_CHECKING:
    from apache_beam.portability.api import beam_job_api_pb2

#: Sums of counters, and `sum`, `count`, `min` and `max` of distributions, by name.
Metrics: TypeAlias = dict[str, int | dict[str, int]]

_logger = logging.getLogger(__name__)


def job_metrics(result: PipelineResult | None, phase: Phase) -> Metrics:
    """The metrics of a job, as far as it has come.

    Args:
        result: of a pipeline that was run; None has no metrics.
        phase: whose metrics are wanted.

    Returns:
        Metrics of all steps by name, in the order of `MEASURES`; those that are 0 may be missing.
        Nothing where the runner has no metrics or can't tell them now.
    """
    if result is None:
        return {}
    # The portable runner keeps its first answer.
    if hasattr(result, "_metrics") and hasattr(result, "_job_service"):
        result._metrics = None
    try:
        found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    except Exception as error:
        # Each runner has errors of its own, and no graph depends on metrics.
        _logger.debug("no metrics: %s", error)
        return {}
    return _summed(found, phase)


def told_metrics(
    ask: Callable[[], beam_job_api_pb2.GetJobMetricsResponse], phase: Phase
) -> Metrics:
    """The metrics of a job of which only the answer of a job server is at hand.

    Args:
        ask: gives the answer; what it raises means that the server can't tell now.
        phase: as in `job_metrics`, as is what is returned.
    """
    # Whoever runs in this process needs none of its imports.
    from apache_beam.runners.portability.portable_runner import PortableMetrics

    class Result:
        @staticmethod
        def metrics() -> PortableMetrics:
            return PortableMetrics(ask())

    result: Any = Result()
    return job_metrics(result, phase)


def _summed(found: Mapping[str, Any], phase: Phase) -> Metrics:
    spreads = [
        (r.key.metric.name, {n: getattr(r.result, n) for n in ("sum", "count", "min", "max")})
        for r in found.get("distributions", ())
        if r.result is not None
    ]
    counters = [(r.key.metric.name, r.result or 0) for r in found.get("counters", ())]
    return summed_metrics(counters, spreads, phase)


def summed_metrics(
    counters: Iterable[tuple[str, float]],
    spreads: Iterable[tuple[str, Mapping[str, float]]],
    phase: Phase,
) -> Metrics:
    """The metrics of all steps by name, from those of each.

    Args:
        counters: name and count.
        spreads: name, and `sum`, `count`, `min` and `max`.
        phase: as in `job_metrics`, as is what is returned.
    """
    sums: dict[str, int] = {}
    for name, count in counters:
        sums[name] = sums.get(name, 0) + int(count)
    merged: dict[str, dict[str, int]] = {}
    for name, spread in spreads:
        if spread["count"]:
            one = {key: int(spread[key]) for key in ("sum", "count", "min", "max")}
            merged[name] = _merged(merged.get(name), one)
    known: Metrics = {**sums, **merged}
    return {m.name: known[m.name] for m in MEASURES if m.phase == phase and m.name in known}


def _merged(one: dict[str, int] | None, other: dict[str, int]) -> dict[str, int]:
    if one is None:
        return other
    return {
        "sum": one["sum"] + other["sum"],
        "count": one["count"] + other["count"],
        "min": min(one["min"], other["min"]),
        "max": max(one["max"], other["max"]),
    }
