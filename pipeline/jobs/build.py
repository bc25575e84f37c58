"""A build whose job runs without a command: its start."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pfn_kg.pipeline.build_phase import begin_build
from pfn_kg.pipeline.detached import DetachedJob, write_job
from pfn_kg.pipeline.finish_build import given_up_on_failure
from pfn_kg.pipeline.jobs.submit import check_detachable, submit
from pfn_kg.pipeline.lineage import tell_start
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import read_extracted
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.transforms.plumbing.files import absolute


def start_build(
    directory: str, options: BuildOptions, pipeline_args: Sequence[str], *, follows: bool = False
) -> DetachedJob:
    """Starts the job of a build and leaves it.

    Args:
        directory: the output folder.
        options: of the build.
        pipeline_args: Beam's own options.
        follows: whether it is the build that was to follow an extraction. The record of that stays
            until this one takes its place, so that a killed command can be called again.

    Returns:
        The job, as it is recorded in the output folder.

    Raises:
        ConfigurationError: if the folder or an option is wrong, or the runner's jobs can't be left.
    """
    check_detachable(pipeline_args)
    directory = absolute(directory)
    read_extracted(directory)
    with hold(directory, "build"):
        started = time.time()
        begun, add_to = begin_build(directory, options, pipeline_args, is_due=follows)
        with given_up_on_failure(directory, begun.path):
            submitted = submit(add_to, pipeline_args)
            job = DetachedJob(
                phase="build",
                started=started,
                work=begun.model_dump(mode="json"),
                lineage_id=tell_start("build", directory),
                follows=follows,
                **submitted._asdict(),
            )
            write_job(directory, job)
    return job
