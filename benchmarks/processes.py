"""A part of a benchmark in a process of its own, whose memory and caches are its own too."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Imports take longer than a small command, so commands are forked from a process that has them.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "pfn_kg.pipeline.cli",
        "pfn_kg.pipeline.extract_phase",
        "pfn_kg.pipeline.build_phase",
        "pfn_kg.pipeline.export",
        "pfn_kg.pipeline.load",
        "pfn_kg.pipeline.verify",
        "pfn_kg.pipeline.remove",
        "pfn_kg.pfn.extractor",
    ]
)


def in_process(module: str, *arguments: object) -> dict[str, Any]:
    """Runs a module with one thread; gives the JSON that is the last line it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


class Command:
    """A command of `pfn-kg` in a process group of its own, forked from a process that never works.

    Args:
        arguments: of the command.
    """

    def __init__(self, arguments: Sequence[object]):
        os.environ["OMP_NUM_THREADS"] = "1"
        self._cpu = 0.0
        self._said = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self._process = _FORKS.Process(
            target=_run_command, args=([*map(str, arguments)], self._said.name)
        )
        self._process.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code once the command has ended; None if it has not after so many seconds."""
        self._process.join(seconds)
        return self._process.exitcode

    def cpu(self) -> float:
        """Seconds of processor time that it has taken so far, in steps of a hundredth."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return self._cpu
        user, system = stat.rpartition(")")[2].split()[11:13]
        self._cpu = max(self._cpu, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"))
        return self._cpu

    def wait_for_cpu(self, seconds: float = math.inf) -> int | None:
        """As `wait`, for so much processor time, of which a busy machine makes no more."""
        while self.cpu() < seconds:
            if (code := self.wait(0.005)) is not None:
                return code
        return None

    def kill(self) -> None:
        """Ends it and all that it started, at once."""
        assert self._process.pid is not None  # since it was started
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()  # it has no group yet
        self._process.join()

    def last_line(self) -> str:
        """The last line that it has said, on either stream."""
        with open(self._said.name, encoding="utf-8", errors="replace") as file:
            return ([line.strip() for line in file if line.strip()] or [""])[-1]


def _run_command(arguments: list[str], says: str) -> None:
    from pfn_kg.pipeline.cli import main

    os.setsid()
    log = os.open(says, os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["pfn-kg", *arguments]
    sys.exit(main())
