"""Where the index of a snapshot lies: beside the graph, or in a temporary folder."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import duckdb

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.view.index.build import INDEX_VERSION, build_index
from pfn_kg.transforms.plumbing.files import local_path

_logger = logging.getLogger(__name__)

#: The folder of indexes in an output folder.
INDEX_FOLDER = ".view"
_SUFFIX = ".duckdb"


def index_name(run: FinishedRun) -> str:
    """The name of the index of a snapshot; another snapshot or program version has another one."""
    state = run.version(index=INDEX_VERSION, duckdb=duckdb.__version__, path=run.snapshot.path)
    return blake2b(state.encode(), digest_size=12).hexdigest() + _SUFFIX


def open_index(run: FinishedRun, say: Callable[[str], None] | None = None) -> Path:
    """The index of a snapshot, which is made if it is not there.

    The index appears under its name in one step, so whoever finds it finds all of it. Where the
    output folder can't be written, the index goes to a folder of this user below the temporary
    folder of the machine.

    Args:
        run: the snapshot, on a local file system.
        say: is told one line before an index is made.

    Raises:
        OSError: if it can be written nowhere.
    """
    name = index_name(run)
    places = [local_path(run.directory) / INDEX_FOLDER, _temporary_place()]
    for place in places:
        if (place / name).is_file():
            _check_owner(place)
            return place / name
    for place in places:
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_owner(place)
            new = place / f"{uuid.uuid4().hex}.new"
            new.touch()
            # The database makes the file itself; this one only showed that it can.
            new.unlink()
        except OSError as error:
            _logger.debug("%s: no index there: %s", place, error)
            continue
        if say is not None:
            say(f"{run.directory}: making the index in {place}, once for this graph")
        try:
            build_index(run, new)
            os.replace(new, place / name)
        except BaseException:
            _delete(new)
            raise
        if place == places[0]:
            _delete_old(place, name)
        return place / name
    raise OSError(f"neither {places[0]} nor {places[1]} can be written")


def _temporary_place() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"pfn-kg-view-{user}"


def _check_owner(place: Path) -> None:
    """Refuses a temporary folder that someone else made, who could put another index into it.

    Raises:
        PermissionError: if it is another user's.
    """
    if place == _temporary_place() and hasattr(os, "getuid") and place.stat().st_uid != os.getuid():
        raise PermissionError(f"{place}: belongs to another user")


def _delete_old(place: Path, name: str) -> None:
    """Deletes the indexes of earlier snapshots; a server that has one open keeps its file."""
    for path in place.glob(f"*{_SUFFIX}"):
        if path.name != name:
            _delete(path)


def _delete(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}.wal")):
        try:
            one.unlink(missing_ok=True)
        except OSError as error:
            _logger.debug("%s: stays: %s", one, error)
