"""Jobs that were handed to a Flink whole, asked for over its REST API."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from apache_beam.portability.api import beam_job_api_pb2
from google.protobuf import json_format

from pfn_kg.pipeline.detached import DetachedJob
from pfn_kg.pipeline.job_metrics import Metrics, told_metrics
from pfn_kg.pipeline.jobs.refusals import no_answer, not_known
from pfn_kg.pipeline.printable import one_line
from pfn_kg.transforms.plumbing.metrics import Phase

# So long Flink may take to answer.
_ANSWER_SECONDS = 30.0
# Characters of what it says where it refuses.
_SHOWN = 200
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
            with urlopen(url, timeout=_ANSWER_SECONDS) as answer:
                found: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            said = one_line(error.read().decode(errors="replace"))[:_SHOWN]
            if error.code >= 500:
                # A job manager that is started anew answers before it knows its jobs.
                raise no_answer(self._job, f"HTTP {error.code}: {said}") from None
            raise not_known(self._job, said) from None
        except (OSError, ValueError) as error:
            raise no_answer(self._job, error) from None
        return found
