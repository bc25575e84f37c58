"""Where the index of a search lies: beside the graph, or in a temporary folder."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pipeline.search.index import SearchIndex, read_index, write_index

_logger = logging.getLogger(__name__)

#: The folder of indexes in an output folder.
INDEX_FOLDER = ".search"
_NEW = ".new"
_VECTORS = "vectors-"


def open_index(folder: Path | None, name: str, build: Callable[[], SearchIndex]) -> SearchIndex:
    """The index of a snapshot, which is made if it is not there.

    The index appears under its name in one step, so whoever finds it finds all of it. Where the
    output folder can't be written, the index goes to a folder of this user below the temporary
    folder of the machine, and where that can't be written either it stays in memory.

    Args:
        folder: the output folder; None if it is not on a local file system.
        name: of the index; another snapshot has another one.
        build: makes the index.
    """
    places = [folder / INDEX_FOLDER] if folder is not None else []
    places.append(_temporary_place())
    for place in places:
        if (place / name).is_dir() and _is_ours(place):
            return read_index(place / name)
    index = build()
    for place in places:
        new = place / f"{uuid.uuid4().hex}{_NEW}"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(place):
                continue
            new.mkdir()
            write_index(index, new)
            _move(new, place / name)
        except OSError as error:
            _logger.debug("%s: no index there: %s", place, error)
            continue
        finally:
            shutil.rmtree(new, ignore_errors=True)
        if folder is not None and place == places[0]:
            _delete_old(place, name)
        return index
    return index


def open_vectors(
    folder: Path | None, name: str, encoder: str, make: Callable[[pa.Table | None], pa.Table]
) -> pa.Table:
    """The vectors of an index, which are made if they are not there.

    Args:
        folder: the output folder; None if it is not on a local file system.
        name: of the index, which `open_index` has opened.
        encoder: what tells the encoder from others.
        make: makes them, given those of an earlier snapshot where there are any.
    """
    places = [folder / INDEX_FOLDER] if folder is not None else []
    places.append(_temporary_place())
    file = f"{_VECTORS}{encoder}.parquet"
    for place in places:
        if not (place / name).is_dir() or not _is_ours(place):
            continue
        if (place / name / file).is_file():
            return pq.read_table(place / name / file)
        former = place / file
        table = make(pq.read_table(former) if former.is_file() else None)
        new = place / f"{uuid.uuid4().hex}{_NEW}"
        try:
            pq.write_table(table, new)
            os.replace(new, place / name / file)
            former.unlink(missing_ok=True)
        except OSError as error:
            _logger.debug("%s: no vectors there: %s", place, error)
            new.unlink(missing_ok=True)
        return table
    return make(None)


def _move(new: Path, target: Path) -> None:
    try:
        os.rename(new, target)
    except OSError:
        if not target.is_dir():  # else another process made the same one meanwhile
            raise


def _temporary_place() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"pfn-kg-search-{user}"


def _is_ours(place: Path) -> bool:
    """Whether a temporary folder is not someone else's, who could put another index into it."""
    if place != _temporary_place() or not hasattr(os, "getuid"):
        return True
    return place.stat().st_uid == os.getuid()


def _delete_old(place: Path, name: str) -> None:
    """Deletes the indexes of earlier snapshots; who has one open keeps its files.

    Their vectors stay, since those of most documents will be the same.
    """
    for path in place.iterdir():
        if path.is_dir() and path.name != name and not path.name.endswith(_NEW):
            for vectors in path.glob(f"{_VECTORS}*"):
                os.replace(vectors, place / vectors.name)
            shutil.rmtree(path, ignore_errors=True)
