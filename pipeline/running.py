"""Pipelines by their options: in this process, or on a runner of Beam that an interrupt cancels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from pfn_kg.pipeline.interruption import cancelled_on_exit
from pfn_kg.pipeline.job_metrics import Metrics, job_metrics
from pfn_kg.pipeline.local.runner import local_pipeline
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.progress import JobProgress
from pfn_kg.transforms.plumbing.metrics import Phase

#: Between two lines about a job on a runner.
PROGRESS_SECONDS = 30.0


@contextmanager
def running(arguments: Sequence[str], phase: Phase | None = None) -> Iterator[beam.Pipeline]:
    """A pipeline that runs when the block is left, until it is done.

    Workers elsewhere would go on when this process is interrupted, so their job is cancelled.

    Args:
        arguments: options of Beam. Without any, `LocalRunner` runs the pipeline in this process;
            with options, but without a runner among them, Beam's FnApiRunner does.
        phase: whose metrics are printed now and then, where a runner tells them before the end;
            None prints nothing.

    Raises:
        ConfigurationError: as `pipeline_options` does.
        Exception: what the runner raises if the job fails.
    """
    options = pipeline_options(arguments)
    if not arguments:
        with local_pipeline(options) as pipeline:
            yield pipeline
        return
    pipeline = _Pipeline(options=options)
    runner = (options.view_as(StandardOptions).runner or "").rpartition(".")[2]

    def cancel() -> str:
        result = pipeline.started
        if result is None or PipelineState.is_terminal(result.state):
            return ""
        try:
            result.cancel()
        except Exception as error:
            # Each runner has errors of its own, and some can't cancel at all.
            reason = " ".join(str(error).split()) or type(error).__name__
            return f"{_job(result)} of {runner} goes on, since it can't be cancelled: {reason}"
        return f"{_job(result)} of {runner} is cancelled"

    def if_it_takes_too_long() -> str:
        result = pipeline.started
        return "" if result is None else f"{_job(result)} of {runner} may go on: cancel it there"

    def metrics() -> Metrics:
        return {} if phase is None else job_metrics(pipeline.started, phase)

    progress = nullcontext() if phase is None else JobProgress(phase, metrics, PROGRESS_SECONDS)
    with cancelled_on_exit(cancel, if_it_takes_too_long), progress, pipeline:
        yield pipeline


class _Pipeline(beam.Pipeline):
    """Keeps what its runner gave when it began; the local runner gives it at the end."""

    started: PipelineResult | None = None

    def run(self, *args: Any, **options: Any) -> PipelineResult:
        """Starts the job."""
        self.started = super().run(*args, **options)
        return self.started


def _job(result: PipelineResult) -> str:
    # Runners agree neither on a name nor on whether it is a method.
    name = getattr(result, "_job_id", None) or getattr(result, "job_id", None)
    name = name() if callable(name) else name
    return f"the job {name}" if isinstance(name, str) else "the job"
