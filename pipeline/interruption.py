"""Ctrl-C and SIGTERM: one line that says what is finished and how to go on, then the end, at once.

Beam takes seconds to stop a pipeline in order and reports an error of its own. No order is needed:
whatever is written appears under its name when it is whole, so ending here is no other than losing
power, and the next run goes on. A signal is seen by a thread, since the main thread may be inside
a library for long.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pfn_kg.pipeline.logs import as_line

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
# For so long, in seconds, the line may be made and jobs be cancelled; then it says less.
_PATIENCE = 1.0
_CANCEL_PATIENCE = 1.5

_hints: list[Callable[[], str]] = []
_temporary: set[str] = set()
_jobs: list[tuple[Callable[[], str], Callable[[], str]]] = []
_ending = threading.Event()


@contextmanager
def hint(what: Callable[[], str]) -> Iterator[None]:
    """Says, while it is inside, what an interruption leaves and how to go on.

    Args:
        what: gives the words; may count what there is.
    """
    _hints.append(what)
    try:
        yield
    finally:
        _hints.remove(what)


@contextmanager
def deleted_on_exit(folder: str) -> Iterator[None]:
    """Deletes a temporary folder of this machine when the process is interrupted."""
    _temporary.add(folder)
    try:
        yield
    finally:
        _temporary.discard(folder)


@contextmanager
def cancelled_on_exit(cancel: Callable[[], str], too_long: Callable[[], str]) -> Iterator[None]:
    """Cancels a job whose workers are elsewhere when the process is interrupted.

    Args:
        cancel: cancels it and says so, or why it goes on; an empty text where nothing runs.
        too_long: says what is to be said where that takes too long.
    """
    job = cancel, too_long
    _jobs.append(job)
    try:
        yield
    finally:
        if _ending.is_set():
            # The pipeline has failed because its job was cancelled, which is no news.
            threading.Event().wait()
        _jobs.remove(job)


def end_on_signals(spell: Callable[[str], str] = str) -> None:
    """Makes SIGINT and SIGTERM end this process, with 130 and 143, and all that it started.

    To be called once, from the main thread.

    Args:
        spell: gives a hint as the user reads it, with the names of options as they are typed.
    """
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    for number in _WORDS:
        # Without a handler in Python there is no waking.
        signal.signal(number, _nothing)
    threading.Thread(target=_wait, args=(woken, wakes, spell), daemon=True).start()


def _nothing(number: int, frame: object) -> None:
    pass


def _wait(woken: socket.socket, wakes: socket.socket, spell: Callable[[str], str]) -> None:
    # `wakes` is kept open as long as someone waits.
    while True:
        for number in woken.recv(64):
            if number in _WORDS:
                _end(signal.Signals(number), spell)


def _end(number: signal.Signals, spell: Callable[[str], str]) -> None:
    _ending.set()
    # Beam tells at length of workers that are gone, and they of the Ctrl-C that they got too.
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # A job server may be one of the processes that end.
    of_jobs = [_in_time(cancel, _CANCEL_PATIENCE, too_long) for cancel, too_long in list(_jobs)]
    for process in descendants(os.getpid()):
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)
    hints = [_in_time(what, _PATIENCE) for what in _hints[-1:]]
    said = [text for text in (*of_jobs, *map(spell, hints)) if text]
    line = "; ".join([_WORDS[number], *said])
    with suppress(OSError):
        said_as = as_line(f"pfn-kg: {line}", level="ERROR", exit_code=128 + number)
        os.write(stderr, f"{said_as}\n".encode())
    for folder in list(_temporary):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(128 + number)


def _in_time(
    ask: Callable[[], str], patience: float, otherwise: Callable[[], str] = lambda: ""
) -> str:
    """What a function says on one line, or another one if that takes too long."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(ask()), daemon=True)
    thread.start()
    thread.join(patience)
    return " ".join((said[0] if said else otherwise()).split())


def descendants(process: int) -> list[int]:
    """The ids of all processes that a process started, and those they started."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [process]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Each process of this machine with its parent."""
    if Path("/proc/self/stat").exists():
        for place in Path("/proc").iterdir():
            if place.name.isdecimal():
                with suppress(OSError):
                    # The name in brackets may hold anything.
                    after = (place / "stat").read_text(errors="replace").rpartition(")")[2]
                    yield int(place.name), int(after.split()[1])
        return
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, timeout=1, check=True
        )
        for row in listed.stdout.splitlines():
            child, parent = row.split()
            yield int(child), int(parent)
