"""Submission of a job that nobody of this process waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)

from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.places import remote_runner
from pfn_kg.schemas.errors import ConfigurationError


class Submitted(NamedTuple):
    """A job that runs; as the fields of `DetachedJob` of these names."""

    job_id: str
    runner: str
    address: str


def check_detachable(arguments: Sequence[str]) -> str:
    """Refuses runners whose jobs end with the command, or can't be asked for by their id.

    Args:
        arguments: Beam's own options.

    Returns:
        The name of the runner.

    Raises:
        ConfigurationError: says why, and which runners can.
    """
    runner = remote_runner(arguments) if arguments else None
    if runner is None:
        raise ConfigurationError(
            "the workers of this runner end with the command; detach a job of a runner elsewhere",
            field="detach",
        )
    options = pipeline_options(arguments)
    endpoint = options.view_as(PortableOptions).job_endpoint
    if runner == "FlinkRunner" and endpoint:
        raise ConfigurationError(
            "FlinkRunner hands a job that is left to the Flink at flink_master; with a "
            "job_endpoint, name PortableRunner",
            field="detach",
        )
    if runner == "DataflowRunner" and not _dataflow_place(options):
        raise ConfigurationError(
            "DataflowRunner is asked for a job by project and region; name both", field="detach"
        )
    has_server = runner == "PortableRunner" and endpoint and endpoint != "embed"
    if not has_server and runner not in ("FlinkRunner", "DataflowRunner"):
        raise ConfigurationError(
            f"{runner} can't be asked for a job by its id here; FlinkRunner, DataflowRunner and "
            "PortableRunner can, the last one with the address of a job server (of Flink, Spark "
            "or Prism) as its job_endpoint",
            field="detach",
        )
    return runner


def submit(add_steps: Callable[[beam.Pipeline], None], arguments: Sequence[str]) -> Submitted:
    """Starts a job and leaves it.

    Args:
        add_steps: adds the steps to a pipeline.
        arguments: Beam's own options, which `check_detachable` accepts.

    Returns:
        What the job is asked for by.
    """
    runner = check_detachable(arguments)
    options = pipeline_options(arguments)
    # Beam changes some of these while it submits.
    address = _address(runner, options)
    if runner == "FlinkRunner":
        # Beam's other way is a job server of its own, which ends with this process.
        options.view_as(FlinkRunnerOptions).flink_submit_uber_jar = True
    pipeline = beam.Pipeline(options=options)
    add_steps(pipeline)
    result: Any = pipeline.run()
    if runner == "DataflowRunner":
        return Submitted(str(result.job_id()), runner, address)
    if runner == "FlinkRunner":
        job = result._job_service._jobs[result._job_id]
        # Flink has distributed what the job needs. Nobody would delete it later.
        job.delete_jar()
        return Submitted(str(job._flink_job_id), runner, address)
    return Submitted(str(result._job_id), runner, address)


def _address(runner: str, options: PipelineOptions) -> str:
    if runner == "DataflowRunner":
        return _dataflow_place(options)
    if runner == "FlinkRunner":
        from apache_beam.runners.portability.flink_runner import FlinkRunner

        return FlinkRunner.add_http_scheme(options.view_as(FlinkRunnerOptions).flink_master)
    return str(options.view_as(PortableOptions).job_endpoint)


def _dataflow_place(options: PipelineOptions) -> str:
    cloud = options.view_as(GoogleCloudOptions)
    return f"{cloud.project}/{cloud.region}" if cloud.project and cloud.region else ""
