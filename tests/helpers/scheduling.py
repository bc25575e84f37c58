"""Which of xdist's workers runs a file of tests, and when.

By itself `--dist loadfile` begins with the files of the most tests, so that those of few and slow
ones come last, where one worker waits for the other. Here the slow files come first. Files that
need the same costly fixture of a session go to one worker, since each worker makes its own.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

#: Fixtures of a session that take more than five seconds, and what the files that take one are
#: together. Those of the example's run and of the forks have a file in common.
COSTLY = {"neo4j": "neo4j", "pfn_kg_folder": "commands", "example_run": "commands"}
#: What takes more than five seconds, the longest first.
SLOW = (
    "neo4j",
    "commands",
    "test_benchmarks.py",
    "test_neo4j_faults.py",
    "test_flink_faults.py",
    "test_detached_flink.py",
    "test_interruption.py",
    "test_runners.py",
    "test_notebook.py",
    "test_detached.py",
    "test_detached_builds.py",
    "test_detached_runs.py",
    "test_distillation.py",
    "test_view_browser.py",
    "test_compact.py",
    "test_kept_rows.py",
    "test_plain_beam.py",
    "test_wheel.py",
    "test_merge_entities.py",
    "test_rdf.py",
    "test_catalogue_links.py",
    "test_build.py",
    "test_corrections.py",
    "test_partial_annotation.py",
    "test_updates.py",
    "test_training.py",
    "test_window_training.py",
    "test_extract_texts.py",
    "test_deploy.py",
    "test_resume.py",
    "test_s3.py",
)


def unit_of(file: str, text: str) -> str:
    """A file of tests, or what it is part of.

    Args:
        file: its path.
        text: what it holds.
    """
    for fixture, unit in COSTLY.items():
        # A test or a fixture that takes it.
        if re.search(rf"^def \w+\([^)]*\b{fixture}\b", text, re.MULTILINE):
            return unit
    return file


def place_of(unit: str) -> int:
    """The place of a unit in the order of all: a low number begins early."""
    name = Path(unit).name
    return SLOW.index(name) if name in SLOW else len(SLOW)


class SlowFilesFirst(LoadFileScheduling):
    """xdist's `loadfile`, with the units and the order of this module."""

    def __init__(self, config: Any, log: Any = None):
        super().__init__(config, log)
        self._units: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        if file not in self._units:
            text = (self.config.rootpath / file).read_text(encoding="utf-8")
            self._units[file] = unit_of(file, text)
        return self._units[file]

    def _assign_work_unit(self, node: Any) -> None:
        # Of units of the same place, the first stays the first: that of the most tests.
        if self.workqueue:
            self.workqueue.move_to_end(min(self.workqueue, key=place_of), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> LoadFileScheduling | None:
    """The order of this module, where `--dist loadfile` asks for whole files."""
    return SlowFilesFirst(config, log) if config.getvalue("dist") == "loadfile" else None
