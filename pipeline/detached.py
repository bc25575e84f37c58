"""A job that outlives the command that started it: its record in the output folder, and its end.

The record, `DIR/job.json`, holds what `pfn-kg wait` needs to find the job and to write down what it
left: no option of Beam, since those may hold secrets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PortableOptions
from pydantic import BaseModel, ConfigDict, ValidationError

from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.places import remote_runner
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.label_schema import first_reason
from pfn_kg.transforms.plumbing.files import delete, join, read_if_there, replace

if TYPE_CHECKING:
    from pfn_kg.pipeline.job_metrics import Metrics
    from pfn_kg.transforms.plumbing.metrics import Phase

#: The record of the job.
JOB_FILE = "job.json"

# Between two questions to a job server, in seconds: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
# So long a job server may take to answer, and be away in all.
_ANSWER_SECONDS, _AWAY_SECONDS = 30.0, 600.0


class DetachedJob(BaseModel):
    """A job of an extraction that runs without a command.

    Attributes:
        version: of these fields.
        job_id: as the job server calls it.
        runner: name of the runner.
        job_endpoint: address of the job server.
        started: when it was submitted, in seconds since 1970.
        sign: as in `pfn_kg.pipeline.extract_phase.Begun`.
        before: likewise.
        options: of the extraction.
    """

    model_config = ConfigDict(frozen=True)

    version: int = 1
    job_id: str
    runner: str
    job_endpoint: str
    started: float
    sign: str
    before: int
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"the job {self.job_id} of {self.runner} at {self.job_endpoint}"

    def extract_options(self) -> ExtractOptions:
        """The options of the extraction, which goes on where it is."""
        options = ExtractOptions.from_dict(self.options)
        return options if options.into else options.changed(resume=True)


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


def refuse_while_detached(directory: str) -> None:
    """Refuses to change the extractions of a folder that a job without a command reads for.

    Raises:
        ConfigurationError: if there is such a job; says what to do.
    """
    job = find_job(directory)
    if job is not None:
        raise ConfigurationError(
            f"{directory}: {job} reads for it; `pfn-kg wait {directory}` finishes that first"
        )


def forget_job(directory: str) -> None:
    """Deletes the record of a job that has ended."""
    delete(join(directory, JOB_FILE))


def check_detachable(arguments: Sequence[str]) -> None:
    """Refuses runners whose jobs end with the command, or can't be asked for by their id.

    Args:
        arguments: Beam's own options.

    Raises:
        ConfigurationError: says why, and which runners can.
    """
    runner = remote_runner(arguments) if arguments else None
    if runner is None:
        raise ConfigurationError(
            "the workers of this runner end with the command; detach a job of a runner elsewhere",
            field="detach",
        )
    endpoint = pipeline_options(arguments).view_as(PortableOptions).job_endpoint
    if runner != "PortableRunner" or not endpoint or endpoint == "embed":
        raise ConfigurationError(
            f"{runner} can't be asked for a job by its id here; PortableRunner can, with the "
            "address of a job server (of Flink, Spark or Prism) as its job_endpoint",
            field="detach",
        )


def submit(
    add_steps: Callable[[beam.Pipeline], None], arguments: Sequence[str]
) -> tuple[str, str, str]:
    """Starts a job and leaves it.

    Args:
        add_steps: adds the steps to a pipeline.
        arguments: Beam's own options, which `check_detachable` has accepted.

    Returns:
        The id of the job, the name of its runner, and the address of the job server.
    """
    options = pipeline_options(arguments)
    pipeline = beam.Pipeline(options=options)
    add_steps(pipeline)
    result: Any = pipeline.run()
    endpoint = options.view_as(PortableOptions).job_endpoint
    return str(result._job_id), remote_runner(arguments) or "", str(endpoint)


def write_job(directory: str, job: DetachedJob) -> None:
    """Writes the record of a job that was started."""
    replace(join(directory, JOB_FILE), f"{job.model_dump_json(indent=2)}\n".encode())


class JobServer:
    """A job server, asked for one job.

    Args:
        job: which one.
    """

    def __init__(self, job: DetachedJob):
        import grpc
        from apache_beam.portability.api import beam_job_api_pb2_grpc

        self._job = job
        self._error: type[Exception] = grpc.RpcError
        self._service = beam_job_api_pb2_grpc.JobServiceStub(
            grpc.insecure_channel(job.job_endpoint)
        )

    def state(self) -> str:
        """The state of the job, as Beam names it.

        Raises:
            ConfigurationError: if the server does not know the job.
            OSError: if it can't be reached.
        """
        from apache_beam.portability.api import beam_job_api_pb2

        try:
            answer = self._service.GetState(
                beam_job_api_pb2.GetJobStateRequest(job_id=self._job.job_id),
                timeout=_ANSWER_SECONDS,
            )
        except self._error as error:
            details: Any = error
            said = " ".join(str(details.details()).split())
            if details.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise OSError(f"{self._job}: no answer: {said}") from None
            raise ConfigurationError(f"{self._job} is not known there: {said}") from None
        return beam_job_api_pb2.JobState.Enum.Name(answer.state)

    def metrics(self, phase: Phase) -> Metrics:
        """What the job has counted by now; nothing where the server does not say."""
        from apache_beam.portability.api import beam_job_api_pb2
        from apache_beam.runners.portability.portable_runner import PortableMetrics

        from pfn_kg.pipeline.job_metrics import job_metrics

        service, job_id = self._service, self._job.job_id

        class Result:
            @staticmethod
            def metrics() -> PortableMetrics:
                request = beam_job_api_pb2.GetJobMetricsRequest(job_id=job_id)
                return PortableMetrics(service.GetJobMetrics(request, timeout=_ANSWER_SECONDS))

        result: Any = Result()
        return job_metrics(result, phase)

    def wait(self) -> str:
        """The last state of the job, once it has ended.

        Raises:
            ConfigurationError: as `state` does.
            OSError: if the server is away for ten minutes.
        """
        from apache_beam.runners.runner import PipelineState

        pause, heard = _FIRST_PAUSE, time.monotonic()
        while True:
            try:
                state, heard = self.state(), time.monotonic()
            except OSError:
                if time.monotonic() - heard > _AWAY_SECONDS:
                    raise
            else:
                if PipelineState.is_terminal(state):
                    return state
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
