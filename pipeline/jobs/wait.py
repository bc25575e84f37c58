"""The end of a job that was left: waiting, and what a command does at its own end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.pipeline.detached import DetachedJob, Ended, find_job, forget_job, write_job
from pfn_kg.pipeline.finish_build import BegunBuild, finish_build, give_up_build
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.jobs.extraction import finish_left_extraction
from pfn_kg.pipeline.jobs.runner_jobs import runner_job, wait_for_end
from pfn_kg.pipeline.lineage import build_sets, extraction_sets, tell_end, tell_failure
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import Manifest, read_extracted
from pfn_kg.pipeline.progress import JobProgress
from pfn_kg.pipeline.running import PROGRESS_SECONDS
from pfn_kg.pipeline.telemetry import span
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import absolute


class FinishedJob(NamedTuple):
    """What a job came to.

    Attributes:
        job: as it was recorded.
        manifest: as it was written, after an extraction; else None.
        counts: of the graph, after a build; else None.
        has_corrections: whether people's corrections went into that.
    """

    job: DetachedJob
    manifest: Manifest | None = None
    counts: dict[str, int] | None = None
    has_corrections: bool = False


def finish_job(directory: str, pipeline_args: Sequence[str] = ()) -> FinishedJob:
    """Waits for the job of a folder and does what is left to do after it.

    Whoever is interrupted in it may call it again, also when the job is over.

    Args:
        directory: the output folder.
        pipeline_args: Beam's own options, for its file systems and its services.

    Raises:
        ConfigurationError: if the folder waits for no job, its corpus has changed, or another build
            has finished meanwhile.
        RuntimeError: if the job failed or was cancelled; its record is gone then.
        OSError: if the runner can't be reached.
    """
    directory = absolute(directory)
    _find(directory)  # whoever holds a folder makes it
    with hold(directory, "wait"):
        job = _find(directory)
        again = f"wait again by `pfn-kg wait {directory}`"
        with hint(lambda: f"{job} goes on; {again}"):
            job = _ended(directory, job, pipeline_args)
        sets = extraction_sets if job.phase == "extract" else build_sets
        with hint(lambda: f"the job is done; {again}"), span(job.phase, directory=directory):
            finished = _finished(directory, job, pipeline_args)
        tell_end(job.phase, directory, job.lineage_id, lambda: sets(directory))
        return finished


def _find(directory: str) -> DetachedJob:
    job = find_job(directory)
    if job is None:
        raise ConfigurationError(f"{directory}: no job was detached there")
    return job


def _ended(directory: str, job: DetachedJob, pipeline_args: Sequence[str]) -> DetachedJob:
    """The job with what is known once it is done; the record has it too."""
    if job.ended is not None:
        return job
    asked = runner_job(job, pipeline_args)
    with JobProgress(job.phase, lambda: asked.metrics(job.phase), PROGRESS_SECONDS):
        state = wait_for_end(asked)
    if state != "DONE":
        failure = RuntimeError(f"{job} ended as {state}; {_give_up(directory, job)}")
        tell_failure(job.phase, directory, job.lineage_id, failure)
        raise failure
    ended = Ended(seconds=time.time() - job.started, metrics=asked.metrics(job.phase))
    changes: dict[str, object] = {"ended": ended}
    if job.phase == "build":
        # Nobody finds them again once the snapshot is finished.
        begun = BegunBuild.model_validate(job.work).with_counts(directory)
        changes["work"] = begun.model_dump(mode="json")
    job = job.model_copy(update=changes)
    write_job(directory, job)
    return job


def _finished(directory: str, job: DetachedJob, pipeline_args: Sequence[str]) -> FinishedJob:
    assert job.ended is not None
    seconds, metrics = job.ended.seconds, job.ended.metrics
    if job.phase == "extract":
        finished = FinishedJob(job, manifest=finish_left_extraction(job, seconds, pipeline_args))
    else:
        begun = BegunBuild.model_validate(job.work)
        try:
            counts = finish_build(directory, begun, seconds, metrics)
        except ConfigurationError as error:
            if read_extracted(directory).graph not in (begun.graph, begun.path):
                # Another build was faster, and no later call would come further.
                _give_up(directory, job)
                tell_failure("build", directory, job.lineage_id, error)
            raise
        finished = FinishedJob(job, counts=counts, has_corrections=begun.has_corrections)
    forget_job(directory)
    return finished


def _give_up(directory: str, job: DetachedJob) -> str:
    """Forgets a job that came to nothing; says how to go on."""
    if job.phase == "build":
        give_up_build(directory, BegunBuild.model_validate(job.work).path)
        forget_job(directory)
        return f"the graph before it stays; build again by `pfn-kg build {directory}`"
    forget_job(directory)
    resume = "" if job.work.get("options", {}).get("into") else " and `resume`"
    return f"what it extracted stays; go on by the same command{resume}"
