"""A Flink cluster of several processes on this machine, which lack a folder and can be killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from helpers.corpora import ROOT
from helpers.ports import free_port
from pfn_kg.pipeline.interruption import descendants

_PATIENCE = 300.0


class FlinkCluster:
    """A job manager, task managers of one slot each, and Beam's job server.

    Args:
        home: a Flink with Beam's job server, as PFN_KG_FLINK names it.
        folder: for configuration, logs and artifacts.
        hidden: a folder of which the task managers and their workers see nothing.
    """

    def __init__(self, home: Path, folder: Path, hidden: Path):
        self._home = home
        self._folder = folder
        self._hidden = hidden
        self._rest, self._jobs = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.task_managers: list[subprocess.Popen[bytes]] = []
        conf = (home / "conf" / "flink-conf.yaml").read_text(encoding="utf-8")
        for name, value in (
            ("rest.port", self._rest),
            ("jobmanager.rpc.port", free_port()),
            ("restart-strategy.fixed-delay.attempts", 2),
        ):
            conf = re.sub(rf"(?m)^{re.escape(name)}:.*$", f"{name}: {value}", conf)
        (folder / "conf").mkdir()
        (folder / "conf" / "flink-conf.yaml").write_text(conf, encoding="utf-8")

    @property
    def options(self) -> list[str]:
        """Beam's options for a job, with a worker process at each task manager."""
        worker = {
            "command": str(self._home / "bin" / "sdk-worker"),
            "env": {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        }
        return [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{self._jobs}",
            "--parallelism=1",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps(worker)}",
        ]

    @property
    def address(self) -> str:
        """The URL of its REST API."""
        return f"http://127.0.0.1:{self._rest}"

    @property
    def takes_whole_jobs(self) -> bool:
        """Whether jars can be handed to it, which needs the jar flink-runtime-web in its lib/."""
        return any(self._home.glob("lib/flink-runtime-web*.jar"))

    @property
    def whole_job_options(self) -> list[str]:
        """Beam's options for a job that Flink gets as a jar, without a job server."""
        jar = self._folder / "job-server.jar"
        # A published job server has its libraries inside; this one names where they are.
        paths = " ".join(path.as_uri() for path in sorted(self._home.glob("lib/beam-*.jar")))
        line = f"Class-Path: {paths}"
        lines = [line[:70], *(f" {line[at : at + 69]}" for at in range(70, len(line), 69))]
        with zipfile.ZipFile(jar, "w") as file:
            manifest = "\r\n".join(["Manifest-Version: 1.0", *lines, "", ""])
            file.writestr("META-INF/MANIFEST.MF", manifest)
        return [
            "--runner=FlinkRunner",
            f"--flink_master={self.address}",
            f"--flink_job_server_jar={jar}",
            *self.options[2:],
        ]

    def start(self, task_managers: int) -> None:
        """Starts all processes and waits until jobs can be sent."""
        self._processes.append(self._start("jobmanager"))
        for _ in range(task_managers):
            hide = f"mount -t tmpfs none '{self._hidden}' && exec"
            manager = str(self._home / "bin" / "taskmanager")
            self.task_managers.append(
                self._start("taskmanager", "unshare", "-m", "sh", "-c", f"{hide} '{manager}'")
            )
        self._wait(lambda: self.overview()["slots-total"] == task_managers)
        server = str(self._home / "bin" / "beam-job-server")
        address = f"127.0.0.1:{self._rest}"
        self._processes.append(self._start("beam-job-server", server, str(self._jobs), address))
        log = self._folder / "beam-job-server.log"
        self._wait(lambda: "JobService started" in log.read_text(errors="replace"))

    def stop(self) -> None:
        """Ends all processes, the job server first."""
        for process in (*self._processes[::-1], *self.task_managers):
            workers = descendants(process.pid)
            with suppress(OSError):
                process.kill()
            process.wait(30)
            for worker in workers:
                with suppress(OSError):
                    os.kill(worker, 9)

    def overview(self) -> dict[str, Any]:
        """What Flink says of its slots and jobs."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._rest}/overview", timeout=10) as said:
            return json.load(said)

    def busy(self) -> list[subprocess.Popen[bytes]]:
        """The task managers that have a worker."""
        return [manager for manager in self.task_managers if descendants(manager.pid)]

    def kill(self, manager: subprocess.Popen[bytes]) -> None:
        """Ends a task manager and its workers, at once."""
        workers = descendants(manager.pid)
        manager.kill()
        manager.wait(30)
        for worker in workers:
            with suppress(OSError):
                os.kill(worker, 9)

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "FLINK_CONF": str(self._folder / "conf"),
            "HEAP_SIZE": "400m",
            "ARTIFACTS_DIR": str(self._folder / "artifacts"),
        }
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                list(command) or [str(self._home / "bin" / name)],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            assert time.monotonic() < end, "Flink does not start"
            assert all(p.poll() is None for p in (*self._processes, *self.task_managers))
            with suppress(OSError):
                if condition():
                    return
            time.sleep(0.2)


@contextmanager
def flink_cluster(folder: Path, hidden: Path, task_managers: int = 2) -> Iterator[FlinkCluster]:
    """A cluster from PFN_KG_FLINK; skips where there is none, or no folder can be hidden."""
    home = os.environ.get("PFN_KG_FLINK")
    if not home:
        pytest.skip("PFN_KG_FLINK names no folder with Flink")
    if not shutil.which("java"):
        pytest.skip("no java to run Flink")
    can_hide = (
        shutil.which("unshare")
        and not subprocess.run(
            ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none '{hidden}'"],
            capture_output=True,
            check=False,
        ).returncode
    )
    if not can_hide:
        pytest.skip("no folder can be hidden from a process here")
    cluster = FlinkCluster(Path(home), folder, hidden)
    try:
        cluster.start(task_managers)
        yield cluster
    finally:
        cluster.stop()
