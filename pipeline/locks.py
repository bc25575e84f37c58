"""Locks on folders, on every file system that Beam knows.

A writer puts a claim, a small file with its owner, into `DIR/.locks/` and lists that folder. It
goes on if no other claim is there. Otherwise the claim with the greater name gives way, so that of
two writers that begin together at most one goes on. File systems differ in what they can create
conditionally; all of them list a file once it is written.

A claim is removed when its writer ends. The claim of a process that was killed is recognised on
the same machine and removed; one from another machine stays until `take_over` removes it.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from pydantic import BaseModel, ConfigDict, ValidationError

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import (
    absolute,
    delete,
    exists,
    is_local,
    join,
    list_folder,
    local_path,
    make_folder,
    read_if_there,
    replace,
)

_logger = logging.getLogger(__name__)

#: The folder of the claims below the folder that is locked.
LOCKS = ".locks"
#: The file that names the owner of a temporary folder, in that folder.
OWNER_FILE = "owner.json"

_MANIFEST = "manifest"
# How long two claims that were made together wait for each other, and a writer of the manifest
# for another one, in seconds.
_TIE_SECONDS = 3.0
_MANIFEST_SECONDS = 60.0
# A claim on the manifest is held for less than a second; an older one is of a killed process.
_MANIFEST_STALE_SECONDS = 600.0
_POLL_SECONDS = 0.05
_ATTEMPTS = 5
# A temporary folder of another machine is deleted after this time, in seconds.
_ABANDONED_SECONDS = 7 * 24 * 3600

_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())


class Owner(BaseModel):
    """Who made a claim or a temporary folder.

    Attributes:
        command: what the process does, such as `build`.
        host: name of the machine.
        machine: what tells two machines, two starts of one, and two containers apart.
        pid: of the process.
        process_started: when the process began, in the machine's own clock; empty where the
            system does not say.
        since: when the claim was made, in UTC (ISO 8601).
    """

    model_config = ConfigDict(frozen=True)

    command: str
    host: str
    machine: str
    pid: int
    process_started: str
    since: str

    @classmethod
    def of_this_process(cls, command: str) -> Owner:
        """The owner of what this process makes now."""
        return cls(
            command=command,
            host=platform.node(),
            machine=_machine(),
            pid=os.getpid(),
            process_started=_process_started(os.getpid()) or "",
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @property
    def is_gone(self) -> bool:
        """Whether the process ran on this machine and is there no more."""
        if self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it is there, and another user's
        # Another process may have got the number.
        started = _process_started(self.pid)
        return bool(self.process_started and started and started != self.process_started)

    @property
    def age(self) -> float:
        """Seconds since the claim was made, by this machine's clock; never negative."""
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(self.since)
        except (ValueError, TypeError):
            return math.inf
        return max(0.0, age.total_seconds())

    def __str__(self) -> str:
        return f"`pfn-kg {self.command}` (process {self.pid} on {self.host}, since {self.since})"


def _machine() -> str:
    """The host, its start, and the container, in which a process has its number."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass  # a system without /proc
    return " ".join(parts)


def _process_started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program, in parentheses, may hold anything; field 22 is the time.
    return stat.rpartition(")")[2].split()[19]


@contextmanager
def hold(directory: str, command: str, *, take_over: bool = False) -> Iterator[None]:
    """Locks a folder, so that no other command writes it at the same time.

    Within a block that holds the folder, a second one does nothing.

    Args:
        directory: on any file system that Beam knows; made if need be.
        command: what writes, for the message that others get.
        take_over: whether claims of others are removed.

    Raises:
        ConfigurationError: if another command holds the folder; names its owner.
        OSError: if the folder can't be written.
    """
    directory = absolute(directory)
    if directory in _held.get():
        yield
        return
    folder = join(directory, LOCKS)
    with _claimed(directory, folder, command, oldest=0.0 if take_over else None):
        token = _held.set(_held.get() | {directory})
        try:
            yield
        finally:
            _held.reset(token)


@contextmanager
def hold_manifest(directory: str, command: str) -> Iterator[None]:
    """Locks the manifest of a folder for as long as it is read and written once.

    Waits for others, which hold it just as briefly.

    Raises:
        ConfigurationError: if another command holds it for a minute; names its owner.
    """
    folder = join(directory, LOCKS, _MANIFEST)
    stale = _MANIFEST_STALE_SECONDS
    with _claimed(directory, folder, command, oldest=stale, seconds=_MANIFEST_SECONDS):
        yield


@contextmanager
def hold_file(path: str, command: str) -> Iterator[None]:
    """Locks one file for as long as it is read and written once.

    Waits for others, which hold it just as briefly.

    Args:
        path: of the file, on any file system that Beam knows; it need not be there.
        command: what writes, for the message that others get.

    Raises:
        ConfigurationError: if another command holds it for a minute; names its owner.
        OSError: if its folder can't be written.
    """
    directory, name = FileSystems.split(absolute(path))
    folder = join(directory, LOCKS, name)
    stale = _MANIFEST_STALE_SECONDS
    with _claimed(path, folder, command, oldest=stale, seconds=_MANIFEST_SECONDS, locked=directory):
        yield


@contextmanager
def _claimed(
    directory: str,
    folder: str,
    command: str,
    *,
    oldest: float | None,
    seconds: float = 0.0,
    locked: str | None = None,
) -> Iterator[None]:
    """Makes a claim in a folder of claims and removes it in the end.

    Args:
        directory: the folder or file that is locked, for the message.
        folder: of the claims.
        command: what writes.
        oldest: claims of others that are older than this, in seconds, are removed; None removes
            none.
        seconds: how long to wait for others.
        locked: the folder that has the claims, where that is not `directory`.
    """
    started = time.monotonic()
    while True:
        path, other = _claim(folder, command, oldest)
        if other is None:
            break
        if time.monotonic() - started >= seconds:
            raise ConfigurationError(
                f"{directory} is in use by {other}; wait until it is done, or, if it is not "
                "running any more, use `take_over`"
            )
        time.sleep(2 * _POLL_SECONDS)
    try:
        yield
    finally:
        _remove(path)
        _remove_empty(locked or directory, folder)


def _claim(folder: str, command: str, oldest: float | None) -> tuple[str, Owner | str | None]:
    """Makes a claim; gives its path, and the owner of another one if that has precedence."""
    # Whoever comes later mostly has the greater name, and need not wait.
    path = join(folder, f"{time.time_ns():020}-{uuid.uuid4().hex}.json")
    owner = Owner.of_this_process(command).model_dump_json().encode()
    for attempt in range(_ATTEMPTS):
        try:
            make_folder(folder)
            replace(path, owner)
            break
        except (BeamIOError, OSError) as error:
            # Whoever was the last one here may have just removed the folder.
            if attempt + 1 == _ATTEMPTS:
                raise OSError(
                    f"{folder} can't be written: {' '.join(str(error).split())}"
                ) from None
    started = time.monotonic()
    try:
        while True:
            others = _others(folder, path, oldest)
            if not others:
                return path, None
            first = min(others)
            if first < path or time.monotonic() - started > _TIE_SECONDS:
                _remove(path)
                return path, others[first]
            # It was made before this one was seen, or gives way to this one.
            time.sleep(_POLL_SECONDS)
    except BaseException:
        _remove(path)
        raise


def _others(folder: str, own: str, oldest: float | None) -> dict[str, Owner | str]:
    """The claims of others by path, without those that are removed as stale."""
    found: dict[str, Owner | str] = {}
    for metadata in list_folder(folder, "*.json"):
        name = FileSystems.split(metadata.path)[1]
        path = join(folder, name)
        if name == FileSystems.split(own)[1]:
            continue
        try:
            owner = _read_owner(path)
        except OSError as error:
            owner = f"a command of which nothing is known ({error})"
        if owner is None:
            continue  # it was removed meanwhile
        is_gone = isinstance(owner, Owner) and owner.is_gone
        age = owner.age if isinstance(owner, Owner) else math.inf
        if is_gone or (oldest is not None and age >= oldest):
            if not is_gone:
                _logger.warning("%s: taken over from %s", folder, owner)
            _remove(path)
        else:
            found[path] = owner
    return found


def _read_owner(path: str) -> Owner | str | None:
    """The owner of a claim; a text if it names none, None if the claim is not there.

    Raises:
        OSError: if it is there but can't be read.
    """
    data = read_if_there(path)
    if data is None:
        return None
    try:
        return Owner.model_validate_json(data)
    except ValidationError:
        return f"a command that {path} does not name"


def _remove(path: str) -> None:
    try:
        delete(path)
    except (BeamIOError, OSError) as error:
        if exists(path):
            _logger.warning("%s: can't be removed: %s", path, error)


def _remove_empty(directory: str, folder: str) -> None:
    """Removes the folders of claims when they are empty, where there are empty folders."""
    if is_local(folder):
        with suppress(OSError):
            for place in (local_path(folder), local_path(directory) / LOCKS):
                place.rmdir()


def write_owner(folder: str, owner: Owner) -> None:
    """Says whose a temporary folder is, so that nobody else deletes it.

    Args:
        folder: made if need be.
        owner: the process that deletes the folder when it is done.
    """
    make_folder(folder)
    replace(join(folder, OWNER_FILE), owner.model_dump_json().encode())


def is_abandoned(folder: str) -> bool:
    """Whether nobody needs a temporary folder any more.

    That is so where no owner is named, where the owner is gone, or where the owner is on
    another machine and began a week ago.
    """
    try:
        owner = _read_owner(join(folder, OWNER_FILE))
    except OSError:
        return False  # it may be in use
    if not isinstance(owner, Owner):
        return True
    is_elsewhere = owner.machine != _machine()
    return owner.is_gone or (is_elsewhere and owner.age > _ABANDONED_SECONDS)
