"""Corrections from the pages: written into a file, and applied by a build."""

from __future__ import annotations

import getpass
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from pfn_kg.pipeline.correction_files import append, read_corrections, withdraw
from pfn_kg.pipeline.correction_inputs import read_outcomes
from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.snapshots import CORRECTIONS_FILE as BUILT_FILE
from pfn_kg.pipeline.view.graphs import ShownGraph
from pfn_kg.schemas.corrections import AnyCorrection, parse_correction
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema, first_reason
from pfn_kg.transforms.plumbing.files import exists, join, replace

#: The file of corrections in an output folder, unless another one is named.
CORRECTIONS_FILE = "corrections.jsonl"
_KEPT_LINES = 50


class WrongCorrectionError(ValueError):
    """What a page sent is no correction of this graph. The message says why."""


@dataclass
class BuildState:
    """How a build of the graph is going.

    Attributes:
        running: whether it is under way.
        code: its exit code; None before the first one ends.
        lines: what it printed last.
    """

    running: bool = False
    code: int | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def to_dict(self) -> dict[str, Any]:
        """The state as the page shows it."""
        return {"running": self.running, "code": self.code, "lines": list(self.lines)}


class Editor:
    """Writes corrections of one graph, and builds it again."""

    def __init__(self, graph: ShownGraph, *, file: str | None = None, author: str | None = None):
        """Takes a graph.

        Args:
            graph: what is shown; after a build it shows the new snapshot.
            file: of the corrections; None is CORRECTIONS_FILE in the output folder.
            author: who makes them; None is the name of the user.

        Raises:
            ConfigurationError: if the file is there and is none of corrections.
        """
        self.path = file or join(graph.directory, CORRECTIONS_FILE)
        self.author = author or _user()
        self._graph = graph
        self._build = BuildState()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._corrections()

    def _corrections(self) -> list[AnyCorrection]:
        """The corrections of the file; of a graph without such a file, those that it has."""
        if exists(self.path):
            return read_corrections(self.path)
        with self._graph.store() as store:
            return [correction for correction, _ in _built(store.run)]

    def _begin_file(self) -> None:
        """Makes the file if need be. What the graph was built with must not get lost by it."""
        if not exists(self.path):
            for correction in self._corrections():
                append(self.path, correction)
        if not exists(self.path):
            replace(self.path, b"")

    def listed(self) -> dict[str, Any]:
        """All corrections of the file, each with what the graph that is shown made of it.

        Returns:
            `rows`, each with `correction_id`, `is_built` and the `reason` why it does not apply,
            if so; `taken_back`, how many the graph has that the file has no more; `file`,
            `author`, and `build`, the state of the last build.
        """
        with self._graph.store() as store:
            built = {correction.correction_id: why for correction, why in _built(store.run)}
        rows = [
            correction.to_dict()
            | {
                "correction_id": correction.correction_id,
                "is_built": correction.correction_id in built,
                "reason": built.get(correction.correction_id),
            }
            for correction in self._corrections()
        ]
        return {
            "file": self.path,
            "author": self.author,
            "rows": rows,
            "taken_back": len(built.keys() - {row["correction_id"] for row in rows}),
            "build": self._build.to_dict(),
        }

    def add(self, data: Any) -> str:
        """Adds a correction to the file.

        Args:
            data: its fields, without author and time.

        Returns:
            Its id.

        Raises:
            WrongCorrectionError: if it is none, or names a type or relation that there is not.
        """
        if not isinstance(data, dict):
            raise WrongCorrectionError("not a mapping of fields")
        given = {name: value for name, value in data.items() if value is not None}
        now = datetime.now(UTC).replace(microsecond=0)
        try:
            correction = parse_correction(given | {"author": self.author, "time": now})
        except ValidationError as error:
            raise WrongCorrectionError(first_reason(error)) from None
        with self._graph.store() as store:
            _check_names(correction, store.run.label_schema)
        self._begin_file()
        append(self.path, correction)
        return correction.correction_id

    def withdraw(self, correction_id: str) -> int:
        """Takes a correction out of the file; gives how many rows that were."""
        self._begin_file()
        return withdraw(self.path, correction_id)

    def rebuild(self) -> dict[str, Any]:
        """Begins a build with the corrections, with the options of the last one otherwise.

        Raises:
            ConfigurationError: if one is under way.
        """
        with self._lock:
            if self._build.running:
                raise ConfigurationError("a build is under way")
            self._build = BuildState(running=True)
        try:
            self._begin_file()
        except BaseException:
            self._build.running = False
            raise
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pfn_kg.pipeline.view.rebuild",
                self._graph.directory,
                self.path,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(
            target=_follow, args=(self._child, self._build, self._graph.reload), daemon=True
        ).start()
        return self._build.to_dict()

    def close(self) -> None:
        """Ends a build that is under way; the graph before it stays."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            self._child.wait()


def _follow(child: subprocess.Popen[str], state: BuildState, done: Callable[[], None]) -> None:
    """Keeps what a build prints, and shows its graph when it is done."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip():
            state.lines.append(line.strip())
    code = child.wait()
    if code == 0:
        try:
            done()
        except (ConfigurationError, OSError) as error:
            state.lines.append(str(error))
            code = 1
    state.code = code
    state.running = False


def _built(run: FinishedRun) -> list[tuple[AnyCorrection, str | None]]:
    """The corrections that a snapshot was built with, each with why it does not apply, if so."""
    if not run.has_corrections:
        return []
    corrections = read_corrections(join(run.graph, BUILT_FILE))
    reasons = {
        row["row"]: None if row["is_applied"] else row["reason"]
        for row in read_outcomes(run.graph).to_pylist()
    }
    return [(c, reasons.get(number)) for number, c in enumerate(corrections, 1)]


def _check_names(correction: AnyCorrection, label_schema: LabelSchema) -> None:
    """Refuses a correction that no build could apply.

    Raises:
        WrongCorrectionError: if it names a type or a relation that the label schema has not.
    """
    relations = {relation.name for relation in label_schema.relations}
    types = {type_.name for type_ in label_schema.entity_types}
    for name, value in correction.to_dict().items():
        if name in ("relation", "new_relation") and value not in relations:
            raise WrongCorrectionError(f"{name}: no relation is called {value!r}")
        is_type = name == "type" or name.endswith("_type")
        if is_type and value not in types:
            raise WrongCorrectionError(f"{name}: no type is called {value!r}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        return "unknown"
