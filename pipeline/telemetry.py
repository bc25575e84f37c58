"""OpenTelemetry: a span for a command and for each of its phases, and the metrics of its jobs.

Nothing is sent, and nothing is imported, unless the environment names a collector
(`OTEL_EXPORTER_OTLP_ENDPOINT`) and the extra `otel` is installed. All other settings are the
variables of OpenTelemetry's SDK, such as `OTEL_SERVICE_NAME` and `OTEL_EXPORTER_OTLP_HEADERS`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pfn_kg.schemas.installation import how_to_install

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
# Distributions of the extra, and a module of each.
_NEEDED = (
    ("opentelemetry-sdk", "opentelemetry.sdk"),
    ("opentelemetry-exporter-otlp-proto-http", "opentelemetry.exporter.otlp.proto.http"),
)
_NAME = "pfn_kg"

_logger = logging.getLogger(__name__)

# Those of the command that runs in this process, if it is watched.
_current: Telemetry | None = None


class Telemetry:
    """Spans and metrics of one command.

    Args:
        spans: where spans go.
        metrics: which takes the metrics.
    """

    def __init__(self, spans: SpanExporter, metrics: MetricReader):
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # What the environment says of the service holds before this.
        resource = Resource.create(
            {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "pfn-kg"}
        )
        self._spans = TracerProvider(resource=resource)
        self._spans.add_span_processor(BatchSpanProcessor(spans))
        self._metrics = MeterProvider([metrics], resource=resource)
        self._tracer = self._spans.get_tracer(_NAME)
        self._meter = self._metrics.get_meter(_NAME)

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Watches a command; sends what is left at the end.

        Args:
            command: such as `run`.
        """
        global _current
        before, _current = _current, self
        try:
            with self.span(f"pfn-kg {command}", {}):
                yield
        finally:
            _current = before
            for provider in (self._spans, self._metrics):
                try:
                    provider.shutdown()
                except Exception as error:
                    # No graph depends on whether somebody watched.
                    _logger.warning("OpenTelemetry: %s", error)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Any]:
        """A span in the one that is open; an exception of the block ends it as failed."""
        with self._tracer.start_as_current_span(name, attributes=dict(attributes)) as span:
            yield span

    def record(self, phase: str, seconds: float, metrics: Mapping[str, Any], **labels: str) -> None:
        """Records the metrics of a phase that has ended, each as a gauge `pfn_kg.NAME`."""
        values = {"seconds": seconds, **metrics}
        for name, value in values.items():
            gauge = self._meter.create_gauge(f"{_NAME}.{name}")
            statistics = value if isinstance(value, Mapping) else {"sum": value}
            for statistic, number in statistics.items():
                gauge.set(number, {"phase": phase, "statistic": statistic, **labels})


@contextmanager
def telemetry(command: str) -> Iterator[None]:
    """Watches a command if the environment asks for it.

    Args:
        command: such as `run`.
    """
    found = _from_environment()
    if found is None:
        yield
        return
    with found.running(command):
        yield


@contextmanager
def span(name: str, **attributes: str) -> Iterator[None]:
    """A phase of the command, if it is watched.

    Args:
        name: such as `extract`.
        attributes: what the phase works on.
    """
    if _current is None:
        yield
        return
    with _current.span(name, {f"{_NAME}.{key}": value for key, value in attributes.items()}):
        yield


def record(phase: str, seconds: float, metrics: Mapping[str, Any], **labels: str) -> None:
    """Records what a phase came to, if the command is watched.

    Args:
        phase: `extract` or `build`.
        seconds: that it took.
        metrics: as in `pfn_kg.pipeline.job_metrics.job_metrics`.
        labels: attributes of each metric.
    """
    if _current is not None:
        _current.record(phase, seconds, metrics, **labels)


def _from_environment() -> Telemetry | None:
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    named = [name for name in _ENDPOINTS if os.environ.get(name)]
    if is_off or not named:
        return None
    for package, module in _NEEDED:
        if not _is_installed(module):
            _logger.warning("%s is set, but %s", named[0], how_to_install(package, "otel"))
            return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return Telemetry(OTLPSpanExporter(), PeriodicExportingMetricReader(OTLPMetricExporter()))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False
