"""The record of a job that outlives the command that started it, in the output folder.

The record, `DIR/job.json`, holds what `pfn-kg wait` needs to find the job and to write down what it
left: no option of Beam, since those may hold secrets.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pfn_kg.pipeline.job_metrics import Metrics
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import first_reason
from pfn_kg.transforms.plumbing.files import delete, join, read_if_there, replace
from pfn_kg.transforms.plumbing.metrics import Phase

#: The record of the job.
JOB_FILE = "job.json"

_logger = logging.getLogger(__name__)

_WORK = {"extract": "reads the corpus", "build": "builds the graph"}


class Ended(BaseModel):
    """What is known of a job that is done.

    Attributes:
        seconds: that it took.
        metrics: what it counted.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    metrics: Metrics


class DetachedJob(BaseModel):
    """A job that runs without a command.

    `pfn-kg run` leaves a job that reads the corpus, and the build that is to follow it. The record
    then goes through three states, and each one replaces the other in one step: the job of the
    extraction, with the build in `then`; the same one, `is_written`, where the build alone is left
    to do; the job of the build, which `follows`.

    Attributes:
        version: of these fields.
        phase: what it is a job of.
        job_id: as its runner calls it.
        runner: name of the runner.
        address: where the runner is asked: `HOST:PORT` of a job server, the URL of a Flink, or
            project and region of Dataflow, as `PROJECT/REGION`.
        started: when it was submitted, in seconds since 1970.
        work: what the end of the phase needs: the fields of
            `pfn_kg.pipeline.jobs.extraction.LeftExtraction` or of
            `pfn_kg.pipeline.finish_build.BegunBuild`.
        lineage_id: of this run of it, as OpenLineage was told; None where nobody was told.
        ended: what came out; None until somebody has waited for its end.
        then: of an extraction, the build that follows it: the fields of
            `pfn_kg.pipeline.jobs.due_build.DueBuild`; None where none does.
        is_written: of such an extraction, whether all that it found is written down.
        follows: of a build, whether it followed an extraction.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[3] = 3
    phase: Phase
    job_id: str
    runner: str
    address: str
    started: float
    work: dict[str, Any]
    lineage_id: str | None = None
    ended: Ended | None = None
    then: dict[str, Any] | None = None
    is_written: bool = False
    follows: bool = False

    def __str__(self) -> str:
        return f"the job {self.job_id} of {self.runner} at {self.address}"

    @property
    def does(self) -> str:
        """What it does, for messages."""
        if self.then is None:
            return _WORK[self.phase]
        return f"{'has read' if self.is_written else 'reads'} the corpus, and a build follows"


def find_job(directory: str) -> DetachedJob | None:
    """The job that a folder waits for, or None.

    Raises:
        ConfigurationError: if its record is damaged.
    """
    path = join(directory, JOB_FILE)
    content = read_if_there(path)
    if content is None:
        return None
    try:
        return DetachedJob.model_validate_json(content)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_reason(error)}") from None


def refuse_while_detached(directory: str, changes: Phase) -> None:
    """Refuses to change what a job without a command works on.

    A job of a build reads the extractions and makes the next graph. One of an extraction leaves
    the graph alone, unless a build follows it: no other command comes between the two.

    Args:
        directory: the output folder.
        changes: the phase whose results the caller changes.

    Raises:
        ConfigurationError: if there is such a job; says what to do.
    """
    job = find_job(directory)
    if job is None or (job.phase == "extract" and job.then is None and changes == "build"):
        return
    raise ConfigurationError(
        f"{directory}: {job} {job.does}; `pfn-kg wait {directory}` finishes that first"
    )


def take_due_build(directory: str) -> None:
    """Forgets a build that was to follow an extraction, since another one begins in its place.

    Does nothing where none is due.
    """
    job = find_job(directory)
    if job is not None and job.is_written:
        _logger.warning(
            "%s: this build takes the place of the one that was to follow the extraction", directory
        )
        forget_job(directory)


def refuse_build_while_detached(directory: str) -> None:
    """Refuses a build while a job works on the same, unless the build alone is left to do.

    Raises:
        ConfigurationError: as in `refuse_while_detached`.
    """
    job = find_job(directory)
    if job is None or not job.is_written:
        refuse_while_detached(directory, "build")


def write_job(directory: str, job: DetachedJob) -> None:
    """Writes the record of a job that was started, or has ended."""
    replace(join(directory, JOB_FILE), f"{job.model_dump_json(indent=2)}\n".encode())


def forget_job(directory: str) -> None:
    """Deletes the record of a job that has ended."""
    delete(join(directory, JOB_FILE))
