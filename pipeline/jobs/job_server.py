"""Jobs of a job server of Beam: that of Flink, Spark or Prism, or Beam's own."""

from __future__ import annotations

from typing import Any

from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from pfn_kg.pipeline.detached import DetachedJob
from pfn_kg.pipeline.job_metrics import Metrics, told_metrics
from pfn_kg.pipeline.jobs.refusals import no_answer, not_known
from pfn_kg.transforms.plumbing.metrics import Phase

# So long a job server may take to answer.
_ANSWER_SECONDS = 30.0


class JobServer:
    """A job server, asked for one job.

    Args:
        job: which one.
    """

    def __init__(self, job: DetachedJob):
        import grpc

        self._job = job
        self._error: type[Exception] = grpc.RpcError
        self._service = beam_job_api_pb2_grpc.JobServiceStub(grpc.insecure_channel(job.address))

    def state(self) -> str:
        """As `RunnerJob.state`."""
        try:
            answer = self._service.GetState(
                beam_job_api_pb2.GetJobStateRequest(job_id=self._job.job_id),
                timeout=_ANSWER_SECONDS,
            )
        except self._error as error:
            details: Any = error
            is_away = details.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            failure = no_answer if is_away else not_known
            raise failure(self._job, details.details()) from None
        return beam_job_api_pb2.JobState.Enum.Name(answer.state)

    def metrics(self, phase: Phase) -> Metrics:
        """As `RunnerJob.metrics`."""
        request = beam_job_api_pb2.GetJobMetricsRequest(job_id=self._job.job_id)
        return told_metrics(
            lambda: self._service.GetJobMetrics(request, timeout=_ANSWER_SECONDS), phase
        )
