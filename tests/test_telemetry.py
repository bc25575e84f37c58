"""OpenTelemetry: spans and metrics of a run, in memory and over HTTP."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from helpers.corpora import extract, write_corpus
from helpers.output_folders import read_manifest
from pfn_kg.pipeline import telemetry
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")


@pytest.fixture
def watched(monkeypatch):
    """A command's spans and metrics in memory, in the place of a collector."""
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, taken = InMemorySpanExporter(), {}

    class Reader(InMemoryMetricReader):
        def shutdown(self, **options):
            for metric in self.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
                for point in metric.data.data_points:
                    labels = point.attributes["phase"], point.attributes["statistic"]
                    taken[metric.name, *labels] = point.value
            super().shutdown(**options)

    monkeypatch.setattr(
        telemetry, "_from_environment", lambda: telemetry.Telemetry(spans, Reader())
    )
    return spans, taken


def test_a_run_has_spans_of_its_phases_and_its_metrics(tmp_path, tiny_model, watched):
    spans, metrics = watched
    output = tmp_path / "out"
    corpus = write_corpus(tmp_path / "c.parquet")
    arguments = ["run", str(corpus), "--output", str(output), "--model", str(tiny_model)]
    assert main([*arguments, "--no-rdf"]) == 0
    found = {span.name: span for span in spans.get_finished_spans()}
    assert list(found) == ["extract", "build", "pfn-kg run"]
    root = found["pfn-kg run"].context.span_id
    assert [span.parent and span.parent.span_id for span in found.values()] == [root, root, None]
    assert found["build"].attributes == {"pfn_kg.directory": str(output)}
    manifest = read_manifest(output)
    assert metrics["pfn_kg.documents", "extract", "sum"] == 5
    assert metrics["pfn_kg.build_documents", "build", "sum"] == 5
    assert (
        metrics["pfn_kg.batch_pieces", "extract", "max"]
        == manifest["extract"]["metrics"]["batch_pieces"]["max"]
    )
    assert metrics["pfn_kg.seconds", "build", "sum"] == manifest["build"]["seconds"]


def test_a_command_that_fails_ends_its_span_as_failed(watched):
    spans, _ = watched
    with pytest.raises(ConfigurationError), telemetry.telemetry("build"), telemetry.span("build"):
        raise ConfigurationError("wrong")
    assert [span.status.is_ok for span in spans.get_finished_spans()] == [False, False]


def test_a_collector_gets_them_over_http(tmp_path, tiny_model, monkeypatch):
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    got = {}

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.setdefault(self.path, []).append((self.headers["Content-Encoding"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("localhost", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://localhost:{server.server_port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    corpus = write_corpus(tmp_path / "c.parquet")
    try:
        assert extract(corpus, tmp_path / "out", tiny_model) == 0
    finally:
        server.shutdown()
        server.server_close()
    spans = ExportTraceServiceRequest.FromString(got["/v1/traces"][0][1]).resource_spans[0]
    assert ("service.name", "nightly") in {
        (a.key, a.value.string_value) for a in spans.resource.attributes
    }
    names = {span.name for span in spans.scope_spans[0].spans}
    assert names == {"extract", "pfn-kg extract"}
    metrics = ExportMetricsServiceRequest.FromString(got["/v1/metrics"][-1][1])
    named = {m.name for m in metrics.resource_metrics[0].scope_metrics[0].metrics}
    assert {"pfn_kg.documents", "pfn_kg.seconds"} <= named


def test_without_a_collector_nothing_is_watched(monkeypatch):
    for name in telemetry._ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert telemetry._from_environment() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert telemetry._from_environment() is None


def test_a_missing_extra_is_said_once_and_stops_nothing(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1")
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    monkeypatch.setattr(telemetry, "_is_installed", lambda module: False)
    with telemetry.telemetry("build"):
        telemetry.record("build", 1.0, {})
    (record,) = caplog.records
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set, but opentelemetry-sdk is not installed" in (
        record.getMessage()
    )
