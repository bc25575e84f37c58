"""The end of a job that was left: waiting, what a command does at its end, and a build after it.

What is left to do stands in the record of the job at any time, so that whoever is killed may be
called again: it says of each step that it is done before the next one begins.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.pipeline.detached import DetachedJob, Ended, find_job, forget_job, write_job
from pfn_kg.pipeline.finish_build import BegunBuild, finish_build, give_up_build
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.jobs.build import start_build
from pfn_kg.pipeline.jobs.due_build import DueBuild
from pfn_kg.pipeline.jobs.extraction import finish_left_extraction
from pfn_kg.pipeline.jobs.runner_jobs import runner_job, wait_for_end
from pfn_kg.pipeline.jobs.submit import check_detachable
from pfn_kg.pipeline.lineage import build_sets, extraction_sets, tell_end, tell_failure
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import Manifest, read_extracted
from pfn_kg.pipeline.progress import JobProgress
from pfn_kg.pipeline.running import PROGRESS_SECONDS
from pfn_kg.pipeline.telemetry import span
from pfn_kg.pipeline.whole_corpus import CorpusNotWholeError
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import absolute


class FinishedJob(NamedTuple):
    """What a job came to.

    Attributes:
        job: as it was recorded; of an extraction and the build after it, the second one.
        manifest: as it is after an extraction, or after the build that followed one; else None.
        counts: of the graph, after a build; else None.
        has_corrections: whether people's corrections went into that.
    """

    job: DetachedJob
    manifest: Manifest | None = None
    counts: dict[str, int] | None = None
    has_corrections: bool = False


def finish_job(directory: str, pipeline_args: Sequence[str] = ()) -> FinishedJob:
    """Waits for the job of a folder and does what is left to do after it.

    If a build is to follow an extraction, that is started, and waited for too. Whoever is
    interrupted in it may call it again, also when the job is over.

    Args:
        directory: the output folder.
        pipeline_args: Beam's own options: for its file systems and its services, and for the job
            of a build that follows.

    Raises:
        ConfigurationError: if the folder waits for no job, its corpus has changed, another build
            has finished meanwhile, or the build that follows can't be left on a runner.
        RuntimeError: if the job failed or was cancelled; its record is gone then.
        OSError: if the runner can't be reached.
    """
    directory = absolute(directory)
    _find(directory)  # whoever holds a folder makes it
    with hold(directory, "wait"):
        job = _find(directory)
        if job.then is None:
            return _end(directory, job, pipeline_args)
        # Nobody shall hear of it only when the corpus has been read.
        _check_follower(job, pipeline_args)
        if not job.is_written:
            job = _end(directory, job, pipeline_args).job
        with hint(lambda: f"everything is extracted; {_again(directory)}"):
            options = DueBuild.model_validate(job.then).build_options()
            build = start_build(directory, options, pipeline_args, follows=True)
        return _end(directory, build, pipeline_args)


def _again(directory: str) -> str:
    return f"wait again by `pfn-kg wait {directory}`"


def _check_follower(job: DetachedJob, pipeline_args: Sequence[str]) -> None:
    """Refuses to wait for an extraction whose build could not be started after it."""
    try:
        check_detachable(pipeline_args)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{job} {job.does}, which needs Beam's options once more, after `--`: {error.reason}"
        ) from None


def _end(directory: str, job: DetachedJob, pipeline_args: Sequence[str]) -> FinishedJob:
    """Waits for one job and does what is left to do after it."""
    with hint(lambda: f"{job} goes on; {_again(directory)}"):
        job = _ended(directory, job, pipeline_args)
    sets = extraction_sets if job.phase == "extract" else build_sets
    with (
        hint(lambda: f"the job is done; {_again(directory)}"),
        span(job.phase, directory=directory),
    ):
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
        try:
            manifest = finish_left_extraction(job, seconds, pipeline_args)
        except CorpusNotWholeError as error:
            # So it stays, and no later call would come further.
            _give_up(directory, job)
            tell_failure("extract", directory, job.lineage_id, error)
            raise
        if job.then is not None:
            job = job.model_copy(update={"is_written": True})
            write_job(directory, job)
            return FinishedJob(job, manifest=manifest)
        finished = FinishedJob(job, manifest=manifest)
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
        after = read_extracted(directory) if job.follows else None
        finished = FinishedJob(job, after, counts, begun.has_corrections)
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
