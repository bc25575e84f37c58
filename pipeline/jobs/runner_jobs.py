"""What a runner is asked of a job that it runs, whatever the runner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from pfn_kg.pipeline.detached import DetachedJob
from pfn_kg.pipeline.job_metrics import Metrics
from pfn_kg.transforms.plumbing.metrics import Phase

# Between two questions, in seconds: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
# So long a runner may be away in all.
_AWAY_SECONDS = 600.0


class RunnerJob(Protocol):
    """A job that a runner is asked for by its id."""

    def state(self) -> str:
        """The state of the job, as Beam names it.

        Raises:
            ConfigurationError: if the runner does not know the job, or refuses to tell.
            OSError: if it can't be reached.
        """

    def metrics(self, phase: Phase) -> Metrics:
        """What the job has counted by now; nothing where the runner does not say."""


def runner_job(job: DetachedJob, arguments: Sequence[str] = ()) -> RunnerJob:
    """The runner of a recorded job.

    Args:
        job: the record.
        arguments: Beam's own options.
    """
    if job.runner == "FlinkRunner":
        from pfn_kg.pipeline.jobs.flink import FlinkJob

        return FlinkJob(job)
    if job.runner == "DataflowRunner":
        from pfn_kg.pipeline.jobs.dataflow import dataflow_job

        return dataflow_job(job, arguments)
    from pfn_kg.pipeline.jobs.job_server import JobServer

    return JobServer(job)


def wait_for_end(job: RunnerJob) -> str:
    """The last state of a job, once it has ended.

    Raises:
        ConfigurationError: if the runner does not know the job.
        OSError: if the runner is away for ten minutes.
    """
    from apache_beam.runners.runner import PipelineState

    pause, heard = _FIRST_PAUSE, time.monotonic()
    while True:
        try:
            state, heard = job.state(), time.monotonic()
        except OSError:
            if time.monotonic() - heard > _AWAY_SECONDS:
                raise
        else:
            if PipelineState.is_terminal(state):
                return state
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
