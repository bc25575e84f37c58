"""What a job counted, on any runner: the metrics of `pfn_kg.transforms.plumbing.metrics`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

from apache_beam.metrics.metric import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from pfn_kg.transforms.plumbing.metrics import MEASURES, NAMESPACE, Phase

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


def _summed(found: Mapping[str, Any], phase: Phase) -> Metrics:
    sums: dict[str, int] = {}
    for result in found.get("counters", ()):
        name = result.key.metric.name
        sums[name] = sums.get(name, 0) + int(result.result or 0)
    spreads: dict[str, dict[str, int]] = {}
    for result in found.get("distributions", ()):
        value = result.result
        if value is None or not value.count:
            continue
        one = {"sum": value.sum, "count": value.count, "min": value.min, "max": value.max}
        name = result.key.metric.name
        spreads[name] = _merged(spreads.get(name), {k: int(v) for k, v in one.items()})
    known: Metrics = {**sums, **spreads}
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
