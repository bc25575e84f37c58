"""Small helpers over Beam's file systems, so that local and remote paths are alike.

A path of this machine needs nothing of Beam, whose import takes a second, so Beam is imported where
a path lies elsewhere. All errors of file systems are OSErrors, Beam's `BeamIOError` too.

Paths are literal here: a bracket, a star or a question mark in the name of a folder is a character
of that name. Beam's own `match` reads them as a pattern, and so does `delete` on some file systems.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from apache_beam.io.filesystems import FileSystems


# As Beam reads it.
_SCHEME = re.compile(r"\s*([a-zA-Z][-a-zA-Z0-9+.]*)://")

#: Ends the names of files that are not finished; nothing ever reads them.
PARTIAL_SUFFIX = ".partial"
# Ends the name of a file that is about to take the place of another one, where a file system can't
# do that in one step; until then, readers take it for the file.
_SUCCESSOR_SUFFIX = ".new"


def beam_file_systems() -> type[FileSystems]:
    """Beam's file systems, which are imported where a path needs them."""
    from apache_beam.io.filesystems import FileSystems

    return FileSystems


def scheme_of(path: str) -> str | None:
    """The scheme of a path; None for one of this machine."""
    match = _SCHEME.match(path)
    return None if match is None else match[1]


def is_local(path: str) -> bool:
    """Whether a path lies on this machine's own file system."""
    return scheme_of(path) in (None, "file")


def known_schemes() -> set[str]:
    """The schemes of all file systems that Beam has here, `file` among them."""
    # Importing this imports all of them.
    beam_file_systems()
    from apache_beam.io.filesystem import FileSystem

    return {system.scheme() or "file" for system in FileSystem.get_all_subclasses()} | {"file"}


def local_path(path: str) -> Path:
    """A path on this machine's own file system, with or without a scheme."""
    return Path(path.removeprefix("file://"))


def absolute(path: str) -> str:
    """A path that means the same in every worker of this machine."""
    return os.path.abspath(path) if scheme_of(path) is None else path.rstrip("/")


def join(folder: str, *parts: str) -> str:
    """Joins paths on any file system."""
    return (
        os.path.join(folder, *parts)
        if is_local(folder)
        else beam_file_systems().join(folder, *parts)
    )


def folder_and_name(path: str) -> tuple[str, str]:
    """The folder of a path on any file system, and its last part."""
    return os.path.split(path) if is_local(path) else beam_file_systems().split(path)


def name_of(path: str) -> str:
    """The last part of a path on any file system."""
    return folder_and_name(path)[1]


def open_raw(path: str) -> BinaryIO:
    """Opens a file for reading as it is: a suffix such as .gz changes nothing."""
    if is_local(path):
        return local_path(path).open("rb")
    from apache_beam.io.filesystem import CompressionTypes

    return beam_file_systems().open(path, compression_type=CompressionTypes.UNCOMPRESSED)


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
    """
    if not is_local(path):
        return beam_file_systems().exists(path)
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
    # `replace` may be between two of its steps, and done with both when the second name is tried.
    names = [path] if is_local(path) else [path, path + _SUCCESSOR_SUFFIX, path]
    for name in names:
        if (data := _read_if_there(name)) is not None:
            return data
    return None


def _read_if_there(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except Exception as error:
        # Each file system has errors of its own: not all of them are OSError or BeamIOError.
        if says_not_found(error):
            return None
        reason = error
        if not is_local(path):
            try:
                if not beam_file_systems().exists(path):
                    return None
            except Exception as another:
                reason = another
        raise unreadable(path, reason) from None


def unreadable(path: str, error: BaseException) -> OSError:
    """An error of any file system as one line that names the file."""
    return OSError(f"{path} can't be read: {reason_of(error)}")


def says_not_found(error: BaseException) -> bool:
    """Whether a file system says by an error that there is no such file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return True
    details = getattr(error, "exception_details", None)
    if isinstance(error, OSError) and isinstance(details, Mapping):
        return bool(details) and all(
            isinstance(e, BaseException) and says_not_found(e) for e in details.values()
        )
    return getattr(error, "code", None) == 404


def reason_of(error: BaseException) -> str:
    """The reason that a file system gives by an error, in one line."""
    details = getattr(error, "exception_details", None)
    if isinstance(error, OSError) and isinstance(details, Mapping) and details:
        return reason_of(next(iter(details.values())))
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return " ".join(str(text).split()) or type(error).__name__


def make_folder(path: str) -> None:
    """Makes a folder unless it is there."""
    if is_local(path):
        place = local_path(path)
        if not place.exists():
            place.mkdir(parents=True, exist_ok=True)
        return
    try:
        if not beam_file_systems().exists(path):
            beam_file_systems().mkdirs(path)
    except OSError:
        if not beam_file_systems().exists(path):
            raise


def rename(sources: Sequence[str], targets: Sequence[str]) -> None:
    """Gives files of one file system other names."""
    if not is_local(targets[0]):
        beam_file_systems().rename(list(sources), list(targets))
        return
    for source, target in zip(sources, targets, strict=True):
        local_path(source).replace(local_path(target))


def delete(path: str) -> None:
    """Deletes a file, or a folder with all that is in it.

    Args:
        path: taken literally.

    Raises:
        OSError: if there is nothing, or it can't be deleted.
    """
    if not is_local(path):
        # Google's file system looks for a pattern, all others for a name.
        is_pattern = scheme_of(path) == "gs"
        beam_file_systems().delete([glob.escape(path) if is_pattern else path])
        return
    place = local_path(path)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def write_once(path: str, data: bytes) -> None:
    """Writes an immutable file: under a name unique to this attempt, then renamed.

    A destination that exists is success: whoever wrote it wrote the same.
    """
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    with _written(partial) as file:
        file.write(data)
    try:
        if exists(path):
            delete(partial)
        else:
            rename([partial], [path])
    except OSError:
        if not exists(path):
            raise


def replace(path: str, data: bytes) -> None:
    """Writes a file so that a reader finds the old content or the new, not a part.

    Where a file system can't rename onto a file that is there, the new file stands beside the old
    one before that is deleted, and `read_if_there` finds it.
    """
    replace_by_pieces(path, [data])


def replace_by_pieces(path: str, pieces: Iterable[bytes]) -> None:
    """As `replace`, for content that comes in pieces and need not fit into memory."""
    with replacing(path) as file:
        for piece in pieces:
            file.write(piece)


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """As `replace`, for content that the block writes; if that fails, all is as it was."""
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    with _written(partial) as file:
        yield file
    if is_local(path):
        rename([partial], [path])
        return
    successor = path + _SUCCESSOR_SUFFIX
    if exists(successor):  # of a command that was killed between two steps
        if exists(path):
            delete(successor)
        else:
            rename([successor], [path])
    try:
        rename([partial], [path])
    except OSError:
        if not (exists(path) and exists(partial)):
            raise
        rename([partial], [successor])
        delete(path)
        rename([successor], [path])


@contextmanager
def _written(path: str) -> Iterator[BinaryIO]:
    try:
        with _create(path) as file:
            yield file
    except BaseException:
        # A full disk is not made fuller; where it can't be deleted, the next run does it.
        with suppress(OSError):
            delete(path)
        raise


def _create(path: str) -> BinaryIO:
    if is_local(path):
        place = local_path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("wb")
    from apache_beam.io.filesystem import CompressionTypes

    return beam_file_systems().create(path, compression_type=CompressionTypes.UNCOMPRESSED)
