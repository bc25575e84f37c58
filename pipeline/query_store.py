"""The RDF of a graph as an optimised store on disk, so that a question reads what it needs alone.

The store lies beside the folder `rdf` of a snapshot, or in the folder of an export. Its name is a
hash of what it was made from, so a graph that is built anew gets a new one. It is made in a
temporary folder and renamed when it is whole: two at once make the same, and a killed process
leaves nothing that is taken for a store. It is opened for reading alone, by as many as want to.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import pyoxigraph

from pfn_kg.pipeline.folders import delete_folder, delete_temporary
from pfn_kg.pipeline.interruption import deleted_on_exit
from pfn_kg.pipeline.locks import Owner, is_abandoned, write_owner
from pfn_kg.transforms.plumbing.files import is_local, join, local_path

#: How the names of stores begin, and those of what is becoming one.
STORE_PREFIX = "rdf_store-"
TEMPORARY_PREFIX = ".rdf_store-"
#: Bytes of RDF below which it is read anew for each question: it takes no longer.
LEAST_BYTES = 1 << 20

_logger = logging.getLogger(__name__)


def open_store(
    folder: str, files: Mapping[str, str], load: Callable[[pyoxigraph.Store], None]
) -> pyoxigraph.Store:
    """A store of the RDF in some files: from disk if it is there or can be put there.

    Where the folder can't be written to, lies elsewhere, or holds little, the store is in memory.

    Args:
        folder: where the store lies.
        files: the paths of the files that it is made from, by name.
        load: loads them into a store. An OSError of it is one of the store.

    Returns:
        The store; one on disk can't be written to.
    """
    if is_local(folder) and (key := _key(files)) is not None:
        place = local_path(folder) / f"{STORE_PREFIX}{key}"
        try:
            if (found := _opened(place)) is not None:
                return found
            _make(folder, place, load)
            return pyoxigraph.Store.read_only(str(place))
        except OSError as error:
            _logger.debug("%s: no store on disk: %s", folder, error)
    store = pyoxigraph.Store()
    load(store)
    return store


def _key(files: Mapping[str, str]) -> str | None:
    """What tells one state of the files from another; None if they are small."""
    states = {name: local_path(path).stat() for name, path in sorted(files.items())}
    if sum(state.st_size for state in states.values()) < LEAST_BYTES:
        return None
    of_files = [[name, state.st_size, state.st_mtime_ns] for name, state in states.items()]
    spelt = json.dumps([version("pyoxigraph"), of_files])
    return blake2b(spelt.encode(), digest_size=8).hexdigest()


def _opened(place: Path) -> pyoxigraph.Store | None:
    """The store that is there, unless it is damaged; then it is deleted."""
    if not place.is_dir():
        return None
    try:
        return pyoxigraph.Store.read_only(str(place))
    except OSError as error:
        _logger.warning("%s: damaged, and made anew: %s", place, error)
        delete_folder(str(place))
        return None


def _make(folder: str, place: Path, load: Callable[[pyoxigraph.Store], None]) -> None:
    delete_temporary(folder, TEMPORARY_PREFIX, is_abandoned)
    temporary = join(folder, f"{TEMPORARY_PREFIX}{uuid4().hex}")
    with deleted_on_exit(temporary):
        try:
            write_owner(temporary, Owner.of_this_process("query"))
            made = join(temporary, "store")
            _fill(made, load)
            for old in Path(folder).glob(f"{STORE_PREFIX}*"):
                if old != place:
                    delete_folder(str(old))
            try:
                os.rename(made, place)
            except OSError:
                if not place.is_dir():  # else someone else has made it meanwhile
                    raise
        finally:
            delete_folder(temporary)


def _fill(path: str, load: Callable[[pyoxigraph.Store], None]) -> None:
    # It is closed when nothing refers to it any more.
    store = pyoxigraph.Store(path)
    load(store)
    store.flush()
    store.optimize()
