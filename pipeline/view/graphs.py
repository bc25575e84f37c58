"""The graph that a server shows: a snapshot, until another one takes its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.manifest import find_manifest
from pfn_kg.pipeline.view.data.store import Store
from pfn_kg.pipeline.view.index.place import open_index
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import absolute, is_local


def read_local(directory: str) -> FinishedRun:
    """The current graph of an output folder on this machine.

    Raises:
        ConfigurationError: if there is none, or the folder is elsewhere.
    """
    if not is_local(directory):
        raise ConfigurationError(f"{directory}: not on this machine; copy the folder here first")
    return read_finished(directory)


class ShownGraph:
    """The snapshot that is shown. It can be exchanged while requests are answered.

    A request holds to the snapshot that it began with; the old one is closed when the last of
    its requests is done.
    """

    def __init__(self, directory: str, say: Callable[[str], None] | None = None):
        """Opens the current snapshot of a folder.

        Args:
            directory: the output folder.
            say: is told one line before an index is made.

        Raises:
            ConfigurationError: if there is no finished graph on this machine.
        """
        self.directory = absolute(directory)
        self._say = say
        self._lock = threading.Lock()
        self._users: dict[int, int] = {}
        self._store = self._open()

    def _open(self) -> Store:
        run = read_local(self.directory)
        return Store(run, open_index(run, self._say))

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The snapshot that is shown now, kept open until the block ends."""
        with self._lock:
            store = self._store
            self._users[id(store)] = self._users.get(id(store), 0) + 1
        try:
            yield store
        finally:
            with self._lock:
                self._users[id(store)] -= 1
                if not self._users[id(store)]:
                    del self._users[id(store)]
                    if store is not self._store:
                        store.close()

    def reload(self) -> None:
        """Shows the snapshot that is current now.

        Raises:
            ConfigurationError: if there is none; the old one stays.
        """
        new = self._open()
        with self._lock:
            old, self._store = self._store, new
            if id(old) not in self._users:
                old.close()

    def state(self) -> dict[str, Any]:
        """Which snapshot is shown, and whether there is a newer one."""
        shown = self._store.run.snapshot.path
        manifest = find_manifest(self.directory)
        current = None if manifest is None else manifest.graph
        return {"snapshot": shown, "is_current": current in (None, shown)}

    def close(self) -> None:
        """Closes the snapshot."""
        self._store.close()
