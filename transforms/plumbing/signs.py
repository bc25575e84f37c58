"""Signs: a small file by which workers know the folder, and the program, that a job began with.

Workers elsewhere may see another folder of the same name, where their results would be lost, or
run an image of another version, whose results would be other ones.
"""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import apache_beam as beam

from pfn_kg.transforms.plumbing.files import PARTIAL_SUFFIX, join, read_if_there, replace

_Element = TypeVar("_Element")


def _versions() -> dict[str, str]:
    """What workers and the machine that starts the job must have alike."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in ("pfn-kg", "apache-beam"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def put_sign(folder: str) -> str:
    """Writes the sign of a job into a folder; gives its name.

    `delete_partial` takes it away.

    Args:
        folder: on any file system that Beam knows.
    """
    name = f"{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    replace(join(folder, name), json.dumps(_versions()).encode())
    return name


def check_sign(folder: str, name: str) -> None:
    """Refuses to go on where the folder, or the program, is not that of the job.

    Args:
        folder: that the job was started with.
        name: from `put_sign`.

    Raises:
        OSError: if the sign is not there, or can't be read.
        RuntimeError: if this worker has another version than the job was started with.
    """
    content = read_if_there(join(folder, name))
    if content is None:
        raise OSError(
            f"a worker does not see the folder {folder} that the job was started with; "
            "the output folder must be on a file system that all workers see"
        )
    here, there = _versions(), json.loads(content)
    if others := [n for n, version in there.items() if here.get(n) != version]:
        said = ", ".join(f"{n} {here.get(n)}, not {there[n]}" for n in others)
        raise RuntimeError(
            f"a worker has {said}; its image and the machine that starts the job need the "
            "same versions"
        )


class CheckSign(beam.DoFn):
    """Lets elements pass on workers that have the folder and the versions of the job.

    Args:
        folder: that the job was started with.
        sign: from `put_sign`.
    """

    def __init__(self, folder: str, sign: str):
        self._arguments = folder, sign

    def setup(self) -> None:
        """Checks this worker, once."""
        check_sign(*self._arguments)

    def process(self, element: _Element) -> Iterator[_Element]:
        """Gives the element as it is."""
        yield element
