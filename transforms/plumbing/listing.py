"""Lists of files over Beam's file systems, and what needs them."""

from __future__ import annotations

import logging
import math
import os
import re
import tempfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from pfn_kg.transforms.plumbing.files import (
    PARTIAL_SUFFIX,
    beam_file_systems,
    delete,
    exists,
    is_local,
    join,
    local_path,
    read_bytes,
    reason_of,
    says_not_found,
)

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata

_logger = logging.getLogger(__name__)

_SPECIAL = re.compile(r"[*?\[\]]")
_CHARACTER_SETS = re.compile(r"[?\[]")


class _LocalFile(NamedTuple):
    """What is known of a file of this machine, as Beam's `FileMetadata` says it."""

    path: str
    size_in_bytes: int
    last_updated_in_seconds: float


def file_metadata(path: str) -> FileMetadata:
    """Size and time of modification of a file.

    Raises:
        OSError: if it is not there.
    """
    if not is_local(path):
        return beam_file_systems().get_filesystem(path).metadata(path)
    state = local_path(path).stat()
    return cast("FileMetadata", _LocalFile(path, state.st_size, state.st_mtime))


def file_version(metadata: FileMetadata) -> str:
    """What tells one state of a file from another: its time of modification, or a checksum."""
    if metadata.last_updated_in_seconds:
        return repr(metadata.last_updated_in_seconds)
    return str(beam_file_systems().checksum(metadata.path))


def list_folder(folder: str, pattern: str = "**") -> list[FileMetadata]:
    """The files of a folder, sorted by path; none if it is not there.

    Args:
        folder: its path, taken literally.
        pattern: which of its files; `*` is any part of a name, `**` of a path below the folder.

    Raises:
        OSError: if a folder can't be listed, for instance for want of rights; names it.
    """
    if is_local(folder):
        return cast("list[FileMetadata]", sorted(_local_files(folder, pattern)))
    # Beam lists by patterns alone and can't quote their characters: where one is part of a name,
    # any character matches, and what lies elsewhere is left out afterwards.
    anything = join(_SPECIAL.sub("?", folder), pattern)
    begin = join(folder, "")
    matched = beam_file_systems().match([anything])[0].metadata_list
    inside = [metadata for metadata in matched if metadata.path.startswith(begin)]
    return sorted(inside, key=lambda metadata: metadata.path)


def _expression(pattern: str) -> str:
    """The regular expression of a pattern, as Beam reads it."""
    if _CHARACTER_SETS.search(pattern):
        from apache_beam.io.filesystem import FileSystem

        return FileSystem.translate_pattern(pattern)
    return re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def _local_files(folder: str, pattern: str) -> Iterator[_LocalFile]:
    """The files of a local folder; Beam's own listing leaves out what may not be listed."""
    wanted = re.compile(_expression(pattern), re.DOTALL)
    levels = math.inf if "**" in pattern else pattern.count("/")

    def refuse(error: OSError) -> None:
        if not says_not_found(error):  # it may have been deleted meanwhile
            raise OSError(f"{error.filename} can't be listed: {reason_of(error)}") from None

    top = local_path(folder)
    for root, folders, names in os.walk(top, onerror=refuse):
        below = Path(root).relative_to(top).parts
        if len(below) >= levels:
            folders.clear()
        for name in names:
            if not wanted.fullmatch("/".join((*below, name))):
                continue
            path = join(folder, *below, name)
            try:
                stat = local_path(path).stat()
            except OSError as error:
                refuse(error)
            else:
                yield _LocalFile(path, stat.st_size, stat.st_mtime)


def delete_partial(folder: str) -> None:
    """Takes away what killed attempts left behind in a folder."""
    for metadata in list_folder(folder, f"*{PARTIAL_SUFFIX}"):
        try:
            delete(metadata.path)
        except OSError as error:
            _logger.debug("could not delete %s: %s", metadata.path, error)


def delete_all_but(folder: str, kept: Container[str], pattern: str = "**") -> None:
    """Deletes the files of a folder that nobody needs; one that is gone meanwhile is no error.

    Args:
        folder: its path, taken literally.
        kept: paths of files that stay.
        pattern: which of the others go, as in `list_folder`.

    Raises:
        OSError: if a file can't be deleted.
    """
    for metadata in list_folder(folder, pattern):
        if metadata.path not in kept:
            try:
                delete(metadata.path)
            except OSError:
                if exists(metadata.path):
                    raise


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
