"""Small helpers over Beam's file systems, so that local and remote paths are alike.

A path of this machine needs nothing of Beam, whose import takes a second, so Beam is imported where
a path lies elsewhere. All errors of file systems are OSErrors, Beam's `BeamIOError` too.

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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata
    from apache_beam.io.filesystems import FileSystems

_logger = logging.getLogger(__name__)

_SPECIAL = re.compile(r"[*?\[\]]")
_CHARACTER_SETS = re.compile(r"[?\[]")

# As Beam reads it.
_SCHEME = re.compile(r"\s*([a-zA-Z][-a-zA-Z0-9+.]*)://")

#: Ends the names of files that are not finished; nothing ever reads them.
PARTIAL_SUFFIX = ".partial"


class _LocalFile(NamedTuple):
    """What is known of a file of this machine, as Beam's `FileMetadata` says it."""

    path: str
    size_in_bytes: int
    last_updated_in_seconds: float


def _beam() -> type[FileSystems]:
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
    _beam()
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
    return os.path.join(folder, *parts) if is_local(folder) else _beam().join(folder, *parts)


def name_of(path: str) -> str:
    """The last part of a path on any file system."""
    return os.path.basename(path) if is_local(path) else _beam().split(path)[1]


def open_raw(path: str) -> BinaryIO:
    """Opens a file for reading as it is: a suffix such as .gz changes nothing."""
    if is_local(path):
        return local_path(path).open("rb")
    from apache_beam.io.filesystem import CompressionTypes

    return _beam().open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read_bytes(path: str) -> bytes:
    """The whole content of a file."""
    with open_raw(path) as file:
        parts = []
        while part := file.read(1 << 24):
            parts.append(part)
        return b"".join(parts)


def exists(path: str) -> bool:
    """Whether there is a file or a folder.

    Args:
        path: taken literally.

    Raises:
        OSError: if the file system doesn't say, for instance for want of rights.
    """
    if not is_local(path):
        return _beam().exists(path)
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
                if not _beam().exists(path):
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
    if isinstance(error, OSError) and isinstance(details, Mapping):
        return bool(details) and all(
            isinstance(e, BaseException) and _says_not_found(e) for e in details.values()
        )
    return getattr(error, "code", None) == 404


def _reason(error: BaseException) -> str:
    details = getattr(error, "exception_details", None)
    if isinstance(error, OSError) and isinstance(details, Mapping) and details:
        return _reason(next(iter(details.values())))
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
        if not _beam().exists(path):
            _beam().mkdirs(path)
    except OSError:
        if not _beam().exists(path):
            raise


def file_metadata(path: str) -> FileMetadata:
    """Size and time of modification of a file.

    Raises:
        OSError: if it is not there.
    """
    if not is_local(path):
        return _beam().get_filesystem(path).metadata(path)
    state = local_path(path).stat()
    return cast("FileMetadata", _LocalFile(path, state.st_size, state.st_mtime))


def file_version(metadata: FileMetadata) -> str:
    """What tells one state of a file from another: its time of modification, or a checksum."""
    if metadata.last_updated_in_seconds:
        return repr(metadata.last_updated_in_seconds)
    return str(_beam().checksum(metadata.path))


def list_folder(folder: str, pattern: str = "**") -> list[FileMetadata]:
    """The files of a folder, sorted by path; none if it is not there.

    Args:
        folder: its path, taken literally.
        pattern: which of its files; `*` is any part of a name, `**` of a path below the folder.
    """
    if is_local(folder) and not _CHARACTER_SETS.search(pattern):
        return _list_local(folder, pattern)
    # Beam lists by patterns alone and can't quote their characters: where one is part of a name,
    # any character matches, and what lies elsewhere is left out afterwards.
    anything = join(_SPECIAL.sub("?", folder), pattern)
    begin = join(folder, "")
    matched = _beam().match([anything])[0].metadata_list
    inside = [metadata for metadata in matched if metadata.path.startswith(begin)]
    return sorted(inside, key=lambda metadata: metadata.path)


def _list_local(folder: str, pattern: str) -> list[FileMetadata]:
    root = local_path(folder)
    spelt = re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    is_wanted = re.compile(spelt, re.DOTALL)
    found = []
    for parent, folders, names in os.walk(root):
        for name in names:
            file = os.path.join(parent, name)
            inside = os.path.relpath(file, root)
            if is_wanted.fullmatch(inside):
                with suppress(OSError):  # it may disappear meanwhile
                    state = os.stat(file)
                    found.append(_LocalFile(join(folder, inside), state.st_size, state.st_mtime))
        if "/" not in pattern and "**" not in pattern:
            folders.clear()
    return cast("list[FileMetadata]", sorted(found))


def rename(sources: Sequence[str], targets: Sequence[str]) -> None:
    """Gives files of one file system other names."""
    if not is_local(targets[0]):
        _beam().rename(list(sources), list(targets))
        return
    for source, target in zip(sources, targets, strict=True):
        local_path(source).rename(local_path(target))


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
        _beam().delete([glob.escape(path) if is_pattern else path])
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
    _write(partial, data)
    try:
        if exists(path):
            delete(partial)
        else:
            rename([partial], [path])
    except OSError:
        if not exists(path):
            raise


def replace(path: str, data: bytes) -> None:
    """Writes a file so that a reader finds the old content or the new, not a part."""
    partial = f"{path}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    _write(partial, data)
    try:
        rename([partial], [path])
    except OSError:
        # Some file systems don't rename onto a file that is there.
        delete(path)
        rename([partial], [path])


def _write(path: str, data: bytes) -> None:
    try:
        with _create(path) as file:
            file.write(data)
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

    return _beam().create(path, compression_type=CompressionTypes.UNCOMPRESSED)


def delete_partial(folder: str) -> None:
    """Takes away what killed attempts left behind in a folder."""
    for metadata in list_folder(folder, f"*{PARTIAL_SUFFIX}"):
        try:
            delete(metadata.path)
        except OSError as error:
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
