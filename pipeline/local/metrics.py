"""Beam's metrics in this process: what steps count while the local runner runs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from apache_beam.metrics.cells import DistributionResult
from apache_beam.metrics.execution import MetricResult, MetricsContainer
from apache_beam.metrics.metric import MetricResults, MetricsFilter
from apache_beam.runners.worker.statesampler import get_current_tracker, set_current_tracker


class LocalMetrics(MetricResults):
    """The metrics of one pipeline. All steps share a container; so none tells its step."""

    def __init__(self) -> None:
        self._container = MetricsContainer("")

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Collects what is counted in this thread while the block runs."""
        before = get_current_tracker()
        set_current_tracker(_Tracker(self._container))
        try:
            yield
        finally:
            set_current_tracker(before)

    def query(self, filter: MetricsFilter | None = None) -> dict[str, list[MetricResult]]:
        """The metrics by kind, as of any runner."""
        updates = self._container.get_cumulative()

        def results(values: Mapping[Any, Any], make: Any = lambda value: value) -> list[Any]:
            return [
                MetricResult(key, make(value), make(value))
                for key, value in values.items()
                if self.matches(filter, key)
            ]

        return {
            self.COUNTERS: results(updates.counters),
            self.DISTRIBUTIONS: results(updates.distributions, DistributionResult),
            self.GAUGES: [],
            self.STRINGSETS: [],
            self.BOUNDED_TRIES: [],
            self.HISTOGRAMS: [],
        }


class _Tracker:
    """What Beam asks for the container that holds at a time."""

    def __init__(self, container: MetricsContainer):
        self._container = container
        self._state = SimpleNamespace(metrics_container=container)

    def update_metric(self, name: Any, value: Any) -> None:
        self._container.get_metric_cell(name).update(value)

    def current_state(self) -> Any:
        return self._state
