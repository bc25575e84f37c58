"""`pfn-kg` in a process of its own, without the seconds that its imports take.

A server has imported the program, and forks for each call. A small program of the name `pfn-kg`
hands its arguments, folder, environment and standard streams to the server, hands signals on, and
ends as the fork ends. Tests of pages and scripts that call `pfn-kg` many times find it in PATH.
What a start itself does is for tests that run `python -m pfn_kg`.

    python -m helpers.command_server SOCKET
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from helpers.corpora import ROOT

# Runs isolated and without `site`, so it starts in an instant.
_CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = {{"arguments": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(server, [b"\\n"], [0, 1, 2])
server.sendall(json.dumps(call).encode() + b"\\n")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: server.send(bytes([number])))
code = int(server.makefile().readline() or 1)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@contextmanager
def command_folder() -> Iterator[Path]:
    """A folder with the program `pfn-kg`; only Linux forks for it."""
    folder = Path(tempfile.mkdtemp(prefix="pfn-kg-"))
    program, address = folder / "pfn-kg", folder / "socket"
    server = None
    try:
        if sys.platform == "linux":
            paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
            server = subprocess.Popen(
                [sys.executable, "-W", "ignore::DeprecationWarning", "-m", __name__, str(address)],
                env={"OMP_NUM_THREADS": "1"} | os.environ | {"PYTHONPATH": paths},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            text = _CLIENT.format(python=sys.executable, address=str(address))
        else:
            text = f'#!/bin/sh\nexec "{sys.executable}" -m pfn_kg "$@"\n'
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
        yield folder
    finally:
        if server is not None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def serve(address: str) -> NoReturn:
    """Forks for each call, for ever."""
    _import_program()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        with selectors.DefaultSelector() as events:
            events.register(listener, selectors.EVENT_READ)
            while True:
                for key, _ in events.select():
                    if key.fileobj is listener:
                        _begin(listener.accept()[0], listener, events)
                    else:
                        _go_on(key, events)


def _import_program() -> None:
    """What commands import when they are called."""
    from pfn_kg.pipeline import commands

    names = [f"{commands.__name__}.{each.name}" for each in pkgutil.iter_modules(commands.__path__)]
    phases = ["pfn_kg.pipeline.build_phase", "pfn_kg.pipeline.extract_phase"]
    for name in (*names, *phases, "pfn_kg.pfn.extractor"):
        importlib.import_module(name)
    gc.freeze()
    # Threads would not be there in a fork. That of an allocator is no thread of Python.
    assert threading.active_count() == 1, threading.enumerate()


def _begin(client: socket.socket, listener: socket.socket, events: selectors.BaseSelector) -> None:
    """Forks for a client's call."""
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    with client.makefile("rb") as said:
        call = json.loads(said.readline())
    child = os.fork()
    if child == 0:
        listener.close()
        client.close()
        _run(call, streams)
    for stream in streams:
        os.close(stream)
    end = os.pidfd_open(child)
    events.register(end, selectors.EVENT_READ, (child, client))
    events.register(client, selectors.EVENT_READ, (child, end))


def _go_on(key: selectors.SelectorKey, events: selectors.BaseSelector) -> None:
    """Tells a client how its fork ended, or the fork what its client was told."""
    if isinstance(key.fileobj, socket.socket):
        if key.fileobj.fileno() < 0:
            return  # its fork ended at the same time
        child, _ = key.data
        # A client that is gone takes its fork with it.
        for number in key.fileobj.recv(16) or [signal.SIGKILL]:
            os.kill(child, number)
        return
    child, client = key.data
    _, status = os.waitpid(child, 0)
    events.unregister(client)
    events.unregister(key.fileobj)
    os.close(key.fd)
    with suppress(OSError):  # it may be gone
        client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    client.close()


def _run(call: dict, streams: list[int]) -> NoReturn:
    """Runs the program in this process, and ends it."""
    code = 1
    try:
        # `sys.stdin` and the others read and write these numbers, whatever is behind them.
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(call["folder"])
        os.environ.clear()
        os.environ.update(call["environment"])
        sys.argv = call["arguments"]
        sys.path.remove(str(ROOT / "tests"))
        from pfn_kg.pipeline.cli import main

        code = main()
        threading._shutdown()  # type: ignore[attr-defined]
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
