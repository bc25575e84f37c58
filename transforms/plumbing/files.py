"""Small helpers over Beam's file systems, so that local and remote paths are alike.

Paths are literal here: a bracket, a star or a question mark in the name of a folder is a character
of that name. Beam's own `match` reads them as a pattern, and so does `delete` on some file systems.
"""

from __future__ import annotations

import glob
import logging
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

_logger = logging.getLogger(__name__)

_SPECIAL = re.compile(r"[*?\[\]]")

#: Ends the names of files that are not finished; nothing ever reads them.
PARTIAL_SUFFIX = ".partial"


def is_local(path: str) -> bool:
    """Whether a path lies on this machine's own file system."""
    return FileSystems.get_scheme(path) in (None, "file")


def known_schemes() -> set[str]:
    """The schemes of all file systems that Beam has here, `file` among them."""
    return {system.scheme() or "file" for system in FileSystem.get_all_subclasses()} | {"file"}


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


def read_pieces(path: str) -> Iterator[bytes]:
    """The content of a file, piece by piece."""
    with open_raw(path) as file:
        while piece := file.read(1 << 24):
            yield piece


def read_bytes(path: str) -> bytes:
    """The whole content of a file."""
    return b"".join(read_pieces(path))


def exists(path: str) -> bool:
    """Whether there is a file or a folder.

    Args:
        path: taken literally.

    Raises:
        OSError: if the file system doesn't say, for instance for want of rights.
        BeamIOError: likewise, of other file systems than the local one.
    """
    if not is_local(path):
        return FileSystems.exists(path)
    # `os.path.exists` says no where it may not look.
    try:
        local_path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read_if_there(path: str) -> bytes | None:
    """The whole content of a file, or None where the file system says that there is no file.

    A file that can't be read for another reason (rights, a busy server) is an error. Otherwise a
    caller would take it for absent and write a new one in its place.

    Raises:
        OSError: if the file can't be read; one line that names it.
    """
    try:
        return read_bytes(path)
    except Exception as error:
        # Each file system has errors of its own: not all of them are OSError or BeamIOError.
        if _says_not_found(error):
            return None
        reason = error
        if not is_local(path):
            try:
                if not FileSystems.exists(path):
                    return None
            except Exception as another:
                reason = another
        raise unreadable(path, reason) from None


def unreadable(path: str, error: BaseException) -> OSError:
    """An error of any file system as one line that names the file."""
    return OSError(f"{path} can't be read: {_reason(error)}")


def _says_not_found(error: BaseException) -> bool:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return True
    details = getattr(error, "exception_details", None)
    if isinstance(error, BeamIOError) and isinstance(details, Mapping):
        return bool(details) and all(
            isinstance(e, BaseException) and _says_not_found(e) for e in details.values()
        )
    return getattr(error, "code", None) == 404


def _reason(error: BaseException) -> str:
    details = getattr(error, "exception_details", None)
    if isinstance(error, BeamIOError) and isinstance(details, Mapping) and details:
        return _reason(next(iter(details.values())))
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return " ".join(str(text).split()) or type(error).__name__


def make_folder(path: str) -> None:
    """Makes a folder unless it is there."""
    try:
        if not FileSystems.exists(path):
            FileSystems.mkdirs(path)
    except (BeamIOError, OSError):
        if not FileSystems.exists(path):
            raise


def file_version(metadata: FileMetadata) -> str:
    """What tells one state of a file from another: its time of modification, or a checksum."""
    if metadata.last_updated_in_seconds:
        return repr(metadata.last_updated_in_seconds)
    return str(FileSystems.checksum(metadata.path))


def list_folder(folder: str, pattern: str = "**") -> list[FileMetadata]:
    """The files of a folder, sorted by path; none if it is not there.

    Args:
        folder: its path, taken literally.
        pattern: which of its files; `*` is any part of a name, `**` of a path below the folder.
    """
    # Beam lists by patterns alone and can't quote their characters: where one is part of a name,
    # any character matches, and what lies elsewhere is left out afterwards.
    anything = join(_SPECIAL.sub("?", folder), pattern)
    begin = join(folder, "")
    matched = FileSystems.match([anything])[0].metadata_list
    inside = [metadata for metadata in matched if metadata.path.startswith(begin)]
    return sorted(inside, key=lambda metadata: metadata.path)


def delete(path: str) -> None:
    """Deletes a file, or a folder with all that is in it.

    Args:
        path: taken literally.

    Raises:
        BeamIOError: if there is nothing, or it can't be deleted.
    """
    if not is_local(path):
        # Google's file system looks for a pattern, all others for a name.
        is_pattern = FileSystems.get_scheme(path) == "gs"
        FileSystems.delete([glob.escape(path) if is_pattern else path])
        return
    place = local_path(path)
    try:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    except OSError as error:
        raise BeamIOError("Delete operation failed", {path: error}) from error


def write_once(path: str, data: bytes) -> None:
    """Writes an immutable file: under a name unique to this attempt, then renamed.

    A destination that exists is success: whoever wrote it wrote the same.
    """
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    _write(partial, [data])
    try:
        if FileSystems.exists(path):
            delete(partial)
        else:
            FileSystems.rename([partial], [path])
    except BeamIOError:
        if not FileSystems.exists(path):
            raise


def replace(path: str, data: bytes) -> None:
    """Writes a file so that a reader finds the old content or the new, not a part."""
    replace_by_pieces(path, [data])


def replace_by_pieces(path: str, pieces: Iterable[bytes]) -> None:
    """As `replace`, for content that comes in pieces and need not fit into memory."""
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    _write(partial, pieces)
    try:
        FileSystems.rename([partial], [path])
    except BeamIOError:
        # Some file systems don't rename onto a file that is there.
        delete(path)
        FileSystems.rename([partial], [path])


def _write(path: str, pieces: Iterable[bytes]) -> None:
    try:
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            for piece in pieces:
                file.write(piece)
    except BaseException:
        # A full disk is not made fuller; where it can't be deleted, the next run does it.
        with suppress(BeamIOError, OSError):
            delete(path)
        raise


def delete_partial(folder: str) -> None:
    """Takes away what killed attempts left behind in a folder."""
    for metadata in list_folder(folder, f"*{PARTIAL_SUFFIX}"):
        try:
            delete(metadata.path)
        except BeamIOError as error:
            _logger.debug("could not delete %s: %s", metadata.path, error)


def local_copy(folder: str) -> Path:
    """A folder as a local one: itself, or a copy of the remote one in a temporary place.

    Raises:
        FileNotFoundError: if there is nothing at that place.
    """
    if is_local(folder):
        return local_path(folder)
    files = list_folder(folder)
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
