"""Beam runners beside the default one, where the environment names an installation of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from helpers.ports import free_port, wait_for_port


def prism_options() -> list[str] | None:
    """Options of Beam for the Prism that PFN_KG_PRISM names; None where it names none."""
    binary = os.environ.get("PFN_KG_PRISM")
    return ["--runner=PrismRunner", f"--prism_location={binary}"] if binary else None


@contextmanager
def job_server() -> Iterator[tuple[list[str], str]]:
    """Beam's own job server, in a process of its own.

    Gives the options of Beam for it, with workers in the process that starts the job, and its
    address.
    """
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    server = subprocess.Popen([sys.executable, "-m", module, "--port", str(port)])
    address = f"localhost:{port}"
    try:
        wait_for_port(port, server)
        yield (
            ["--runner=PortableRunner", f"--job_endpoint={address}", "--environment_type=LOOPBACK"],
            address,
        )
    finally:
        server.terminate()
        server.wait(300)


def job_states(address: str) -> list[str]:
    """The states of all jobs of a job server."""
    with grpc.insecure_channel(address) as channel:
        stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
        jobs = stub.GetJobs(beam_job_api_pb2.GetJobsRequest()).job_info
    return [beam_job_api_pb2.JobState.Enum.Name(job.state) for job in jobs]


@contextmanager
def flink(folder: Path) -> Iterator[list[str]]:
    """A job server with a Flink inside, from PFN_KG_FLINK; gives the options of Beam for it."""
    home = os.environ.get("PFN_KG_FLINK")
    if not home:
        pytest.skip("PFN_KG_FLINK names no folder with Flink")
    if not shutil.which("java"):
        pytest.skip("no java to run Flink")
    port = free_port()
    artifacts, log = folder / "artifacts", folder / "flink.log"
    artifacts.mkdir()
    with log.open("wb") as output:
        server = subprocess.Popen(
            [Path(home) / "bin" / "beam-job-server", str(port)],
            env=os.environ | {"HEAP_SIZE": "1g", "ARTIFACTS_DIR": str(artifacts)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_port(port, server, log.read_text)
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{port}",
            "--environment_type=LOOPBACK",
            "--parallelism=2",
        ]
    finally:
        server.terminate()
        server.wait(300)
