"""Small helpers over Beam's file systems, so that local and remote paths are alike."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

_logger = logging.getLogger(__name__)

#: Ends the names of files that are not finished; nothing ever reads them.
PARTIAL_SUFFIX = ".partial"


def is_local(path: str) -> bool:
    """Whether a path lies on this machine's own file system."""
    return FileSystems.get_scheme(path) in (None, "file")


def local_path(path: str) -> Path:
    """A path on this machine's own file system, with or without a scheme."""
    return Path(path.removeprefix("file://"))


def absolute(path: str) -> str:
    """A path that means the same in every worker of this machine."""
    return os.path.abspath(path) if FileSystems.get_scheme(path) is None else path.rstrip("/")


def join(folder: str, *parts: str) -> str:
    """Joins paths on any file system."""
    return FileSystems.join(folder, *parts)


def open_raw(path: str) -> BinaryIO:
    """Opens a file for reading as it is: a suffix such as .gz changes nothing."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read_bytes(path: str) -> bytes:
    """The whole content of a file."""
    with open_raw(path) as file:
        parts = []
        while part := file.read(1 << 24):
            parts.append(part)
        return b"".join(parts)


def make_folder(path: str) -> None:
    """Makes a folder unless it is there."""
    try:
        if not FileSystems.exists(path):
            FileSystems.mkdirs(path)
    except (BeamIOError, OSError):
        if not FileSystems.exists(path):
            raise


def write_once(path: str, data: bytes) -> None:
    """Writes an immutable file: under a name unique to this attempt, then renamed.

    A destination that exists is success: whoever wrote it wrote the same.
    """
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    _write(partial, data)
    try:
        if FileSystems.exists(path):
            FileSystems.delete([partial])
        else:
            FileSystems.rename([partial], [path])
    except BeamIOError:
        if not FileSystems.exists(path):
            raise


def replace(path: str, data: bytes) -> None:
    """Writes a file so that a reader finds the old content or the new, not a part."""
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    _write(partial, data)
    try:
        FileSystems.rename([partial], [path])
    except BeamIOError:
        # Some file systems don't rename onto a file that is there.
        FileSystems.delete([path])
        FileSystems.rename([partial], [path])


def _write(path: str, data: bytes) -> None:
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write(data)


def delete_partial(folder: str) -> None:
    """Takes away what killed attempts left behind in a folder."""
    partial_files = FileSystems.match([join(folder, f"*{PARTIAL_SUFFIX}")])[0].metadata_list
    for metadata in partial_files:
        try:
            FileSystems.delete([metadata.path])
        except BeamIOError as error:
            _logger.debug("could not delete %s: %s", metadata.path, error)


def local_copy(folder: str) -> Path:
    """A folder as a local one: itself, or a copy of the remote one in a temporary place.

    Raises:
        FileNotFoundError: if there is nothing at that place.
    """
    if is_local(folder):
        return local_path(folder)
    files = FileSystems.match([join(folder, "**")])[0].metadata_list
    if not files:
        raise FileNotFoundError(f"{folder}: no files there")
    prefix = re.compile(re.escape(folder.rstrip("/")) + "/+")
    copy = Path(tempfile.mkdtemp(prefix="pfn-kg-model-"))
    for metadata in files:
        relative = prefix.sub("", metadata.path, count=1)
        if not relative or relative.endswith("/"):
            continue
        target = copy / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_bytes(metadata.path))
    return copy
