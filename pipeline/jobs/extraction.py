"""An extraction whose job runs without a command: its start, and its end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pfn_kg.pipeline.detached import (
    DetachedJob,
    JobServer,
    check_detachable,
    find_job,
    forget_job,
    submit,
    write_job,
)
from pfn_kg.pipeline.extract_phase import begin_extraction, begun_before, finish_extraction
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.pipeline.prepare_extraction import PreparedExtraction, prepare_extraction
from pfn_kg.pipeline.progress import JobProgress
from pfn_kg.pipeline.running import PROGRESS_SECONDS
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import absolute, make_folder


def start_extraction(prepared: PreparedExtraction, pipeline_args: Sequence[str]) -> DetachedJob:
    """Starts the job of an extraction and leaves it.

    Args:
        prepared: from `pfn_kg.pipeline.prepare_extraction.prepare_extraction`.
        pipeline_args: Beam's own options.

    Returns:
        The job, as it is recorded in the output folder.

    Raises:
        ConfigurationError: if the runner's jobs can't be left.
    """
    check_detachable(pipeline_args)
    output = prepared.options.output
    make_folder(output)
    with hold(output, "extract"):
        begun = begin_extraction(prepared)
        started = time.time()
        job_id, runner, endpoint = submit(begun.add_to, pipeline_args)
        job = DetachedJob(
            job_id=job_id,
            runner=runner,
            job_endpoint=endpoint,
            started=started,
            sign=begun.sign,
            before=begun.before,
            options=prepared.options.model_dump(mode="json"),
        )
        write_job(output, job)
    return job


def finish_job(directory: str, pipeline_args: Sequence[str] = ()) -> Manifest:
    """Waits for the job of a folder and writes down what it has left.

    Args:
        directory: the output folder.
        pipeline_args: Beam's own options, for its file systems.

    Returns:
        The manifest, as it was written.

    Raises:
        ConfigurationError: if the folder waits for no job, or its corpus has changed.
        RuntimeError: if the job failed or was cancelled; its record is gone then.
        OSError: if the job server can't be reached.
    """
    directory = absolute(directory)
    job = find_job(directory)
    if job is None:
        raise ConfigurationError(f"{directory}: no job was detached there")
    server = JobServer(job)
    with hold(directory, "wait"):
        with (
            hint(lambda: f"{job} goes on; wait again by `pfn-kg wait {directory}`"),
            JobProgress("extract", lambda: server.metrics("extract"), PROGRESS_SECONDS),
        ):
            state = server.wait()
        seconds = time.time() - job.started
        if state != "DONE":
            forget_job(directory)
            raise RuntimeError(
                f"{job} ended as {state}; what it extracted stays; go on by the same command"
                + ("" if job.options.get("into") else " and `resume`")
            )
        metrics = server.metrics("extract")
        options = job.extract_options()
        prepared = prepare_extraction(options, pipeline_args, is_finishing=True)
        begun = begun_before(prepared, before=job.before, sign=job.sign)
        manifest = finish_extraction(begun, seconds, metrics)
        forget_job(directory)
    return manifest
