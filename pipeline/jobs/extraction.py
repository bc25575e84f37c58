"""An extraction whose job runs without a command: its start, and its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from pfn_kg.pipeline.detached import DetachedJob, write_job
from pfn_kg.pipeline.extract_phase import (
    EXTRACTIONS,
    begin_extraction,
    begun_before,
    finish_extraction,
)
from pfn_kg.pipeline.jobs.due_build import DueBuild
from pfn_kg.pipeline.jobs.submit import check_detachable, submit
from pfn_kg.pipeline.lineage import tell_start
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import Manifest, find_manifest
from pfn_kg.pipeline.prepare_extraction import PreparedExtraction, prepare_extraction
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.plumbing.files import absolute, join, make_folder
from pfn_kg.transforms.plumbing.listing import delete_partial


class LeftExtraction(BaseModel):
    """What the end of an extraction needs.

    Attributes:
        sign: as in `pfn_kg.pipeline.extract_phase.Begun`.
        before: likewise.
        options: of the extraction.
    """

    model_config = ConfigDict(frozen=True)

    sign: str
    before: int
    options: dict[str, Any]

    def extract_options(self) -> ExtractOptions:
        """The options of the extraction, which goes on where it is."""
        options = ExtractOptions.from_dict(self.options)
        return options if options.into else options.changed(resume=True)


def start_extraction(
    prepared: PreparedExtraction,
    pipeline_args: Sequence[str],
    *,
    then: BuildOptions | None = None,
) -> DetachedJob:
    """Starts the job of an extraction and leaves it.

    Args:
        prepared: from `pfn_kg.pipeline.prepare_extraction.prepare_extraction`.
        pipeline_args: Beam's own options.
        then: of the build that whoever waits for the job is to start; None where none follows.

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
        options = prepared.options.model_dump(mode="json")
        left = LeftExtraction(sign=begun.sign, before=begun.before, options=options)
        started = time.time()
        submitted = submit(begun.add_to, pipeline_args)
        job = DetachedJob(
            phase="extract",
            started=started,
            work=left.model_dump(),
            lineage_id=tell_start("extract", output),
            then=None if then is None else DueBuild.of(then).model_dump(mode="json"),
            **submitted._asdict(),
        )
        write_job(output, job)
    return job


def finish_left_extraction(
    job: DetachedJob, seconds: float, pipeline_args: Sequence[str] = ()
) -> Manifest:
    """Writes down what the job of an extraction has left; the caller holds the folder.

    Whoever is killed in it may call it again.

    Args:
        job: which is done.
        seconds: that it took.
        pipeline_args: Beam's own options, for its file systems.

    Returns:
        The manifest, as it was written.

    Raises:
        ConfigurationError: if the corpus has changed.
        OSError: if extractions are missing.
    """
    left = LeftExtraction.model_validate(job.work)
    output = absolute(left.extract_options().output)
    manifest = find_manifest(output)
    if manifest is not None and manifest.extraction.job == left.sign:
        # By a call that was killed right after it. The graph that was added to is no more what it
        # was, so nothing could be written down once more.
        delete_partial(join(output, EXTRACTIONS))
        return manifest
    prepared = prepare_extraction(left.extract_options(), pipeline_args, is_finishing=True)
    begun = begun_before(prepared, before=left.before, sign=left.sign)
    metrics = {} if job.ended is None else job.ended.metrics
    return finish_extraction(begun, seconds, metrics, is_left=True)
