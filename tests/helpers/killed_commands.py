"""`pfn-kg` that is killed at a step: SIGKILL, after which nothing of the process is tidied up."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from helpers.corpora import ROOT

# Each call is a fork of a process that has imported the program, since imports take seconds.
_SERVER = """
import importlib, json, os, signal, sys
import pfn_kg.pipeline.jobs.wait
from pfn_kg.pipeline.cli import main

def killed(module, name, when):
    module = importlib.import_module(module)
    real = getattr(module, name)
    def step(*arguments, **options):
        if when == "after":
            real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, name, step)

for line in sys.stdin:
    step, arguments = json.loads(line)
    child = os.fork()
    if not child:
        killed(*step)
        os.dup2(2, 1)
        os._exit(main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

#: Runs `pfn-kg` until a step: the function `module.name`, `before` or `after` it; gives the exit
#: code, which is -9 where the step was come to.
KilledAt = Callable[..., int]


@contextmanager
def killed_commands() -> Iterator[KilledAt]:
    """A function that runs `pfn-kg` and kills it at a step."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", _SERVER],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def killed_at(when: str, step: str, *arguments: object) -> int:
        module, _, name = step.rpartition(".")
        call = [[f"pfn_kg.pipeline.{module}", name, when], list(map(str, arguments))]
        server.stdin.write(json.dumps(call) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    try:
        yield killed_at
    finally:
        server.stdin.close()
        server.wait(30)
