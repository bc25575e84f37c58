"""A job server whose workers outlive the command that starts a job."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from helpers.corpora import ROOT

# One process is both, and its workers are threads: Beam is imported once, whatever is run.
_SERVER = """
import threading
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

workers, _ = BeamFnExternalWorkerPoolServicer.start(use_process=False)
print(LocalJobServicer().start_grpc_server(), workers, flush=True)
threading.Event().wait()
"""


@contextmanager
def job_server_with_workers(**environment: str) -> Iterator[list[str]]:
    """Options of Beam for a job server with workers, all of them in a process of their own.

    Args:
        environment: variables of that process.
    """
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", _SERVER],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port, workers = server.stdout.readline().split()
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{port}",
            "--environment_type=EXTERNAL",
            f"--environment_config={workers}",
        ]
    finally:
        server.terminate()
        server.wait(30)
