"""Jobs that were handed to a Flink whole, asked for over its REST API."""

from __future__ import annotations

from typing import Any

import requests
from apache_beam.portability.api import beam_job_api_pb2
from google.protobuf import json_format

from pfn_kg.pipeline.detached import DetachedJob
from pfn_kg.pipeline.job_metrics import Metrics, told_metrics
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.metrics import Phase

# So long Flink may take to answer.
_ANSWER_SECONDS = 30.0
# The states of Flink in which a job ends, as Beam names them; in any other one it goes on.
_LAST_STATES = {"FINISHED": "DONE", "FAILED": "FAILED", "CANCELED": "CANCELLED"}
# Under this name Beam's runner for Flink keeps the metrics of all steps.
_METRICS = "__metricscontainers"


class FlinkJob:
    """A job of a Flink.

    Args:
        job: which one; its address is the URL of Flink's REST API.
    """

    def __init__(self, job: DetachedJob):
        self._job = job

    def state(self) -> str:
        """As `RunnerJob.state`."""
        return _LAST_STATES.get(str(self._ask()["state"]), "RUNNING")

    def metrics(self, phase: Phase) -> Metrics:
        """As `RunnerJob.metrics`."""
        return told_metrics(self._told, phase)

    def _told(self) -> beam_job_api_pb2.GetJobMetricsResponse:
        for found in self._ask("/accumulators")["user-task-accumulators"]:
            if found["name"] == _METRICS:
                return json_format.Parse(found["value"], beam_job_api_pb2.GetJobMetricsResponse())
        raise LookupError(f"{self._job} has no metrics")

    def _ask(self, path: str = "") -> dict[str, Any]:
        url = f"{self._job.address}/v1/jobs/{self._job.job_id}{path}"
        try:
            answer = requests.get(url, timeout=_ANSWER_SECONDS)
        except requests.RequestException as error:
            raise OSError(f"{self._job}: no answer: {' '.join(str(error).split())}") from None
        if answer.status_code >= 500:
            # A job manager that is started anew answers before it knows its jobs.
            raise OSError(f"{self._job}: no answer: HTTP {answer.status_code}")
        if not answer.ok:
            said = " ".join(answer.text.split())[:200]
            raise ConfigurationError(f"{self._job} is not known there: {said}")
        found: dict[str, Any] = answer.json()
        return found
