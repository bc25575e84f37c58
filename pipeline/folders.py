"""Folders that get their files all at once: a temporary one beside, then a move."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import (
    delete,
    exists,
    is_local,
    join,
    local_path,
    make_folder,
    name_of,
    rename,
)
from pfn_kg.transforms.plumbing.listing import list_folder


def list_files(folder: str) -> list[str]:
    """The paths of all files in a folder and its folders; none if it is not there."""
    # Object stores have no folders, only files whose names begin alike.
    return [metadata.path for metadata in list_folder(folder)]


def delete_folder(folder: str) -> None:
    """Deletes a folder with all that is in it, if it is there."""
    files = list_files(folder)
    try:
        if exists(folder):
            delete(folder)
        else:
            for path in files:
                delete(path)
    except OSError:
        if list_files(folder):
            raise


def delete_temporary(
    directory: str, prefix: str, is_abandoned: Callable[[str], bool] = lambda folder: True
) -> None:
    """Deletes the temporary folders that killed jobs left behind.

    Args:
        directory: where they lie.
        prefix: how their names begin.
        is_abandoned: whether nobody needs a folder any more; the others stay.
    """
    files = list_folder(directory, f"{prefix}**")
    names = {f"{prefix}{m.path.rpartition(prefix)[2].partition('/')[0]}" for m in files}
    if is_local(directory):
        # Nothing matches an empty one, and only here can there be any.
        names |= {path.name for path in local_path(directory).glob(f"{prefix}*")}
    for name in sorted(names):
        if is_abandoned(join(directory, name)):
            delete_folder(join(directory, name))


def move_files(source: str, target: str, without: Sequence[str] = ()) -> None:
    """Moves the files of a folder, not those of its folders, into another one.

    Args:
        source: the folder; nothing happens if it is not there.
        target: made if need be.
        without: names of files that stay.
    """
    names = [name_of(metadata.path) for metadata in list_folder(source, "*")]
    names = [name for name in names if name not in without]
    if not names:
        return
    make_folder(target)
    rename([join(source, n) for n in names], [join(target, n) for n in names])


def check_writable(output: str) -> None:
    """Checks that a local output folder can be made, without making it.

    Raises:
        ConfigurationError: if it can't be.
    """
    if not is_local(output):
        return
    place = local_path(output)
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigurationError(f"{output}: {place} is not a folder", field="output")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{output}: {place} may not be written to", field="output")
