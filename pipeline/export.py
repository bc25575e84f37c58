"""A finished graph as files: the tables of a run through a sink that gives files."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.folders import delete_folder, delete_temporary, list_files, move_files
from pfn_kg.pipeline.manifest import find_manifest, versions, write_manifest
from pfn_kg.pipeline.write_graph import OWN_FILES, Filters, WriteRun, run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.sinks.interface import Sink
from pfn_kg.transforms.plumbing.files import absolute, join, make_folder

_TEMPORARY = ".export-"


def export(
    run: FinishedRun,
    sink: Sink,
    output: str,
    filters: Filters | None = None,
    settings: dict[str, Any] | None = None,
    pipeline_args: Sequence[str] = (),
) -> dict[str, int]:
    """Writes the graph of a run into a folder of files.

    The files are written beside their place and get their names when all are there;
    `manifest.json`, which comes last, says that they are.

    Args:
        run: the graph.
        sink: what makes the files.
        output: the folder; empty, or an earlier export, which is replaced.
        filters: which relations are written.
        settings: what else the manifest shall say of how this was made.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.

    Returns:
        What was counted.

    Raises:
        ConfigurationError: if the folder holds something else, or an option is wrong.
    """
    filters = filters or Filters()
    output = absolute(output)
    started = time.monotonic()
    check_output(output)
    temporary = temporary_folder(output)
    try:
        make_folder(output)
    except (BeamIOError, OSError) as error:
        raise ConfigurationError(f"--output: {output} can't be made: {error}") from None
    delete_temporary(output, _TEMPORARY)
    try:
        counts = run_sink(run, sink, temporary, filters, pipeline_args)
        says = _what_it_says(run, sink, filters, settings, counts)
        says["seconds"] = round(time.monotonic() - started, 3)
        publish(output, temporary, says | {"attempt": uuid.uuid4().hex})
    finally:
        delete_folder(temporary)
    return counts


class WriteFiles(beam.PTransform):
    """Writes a finished graph into a folder of files, by a sink that gives files.

    The transform is the root of a pipeline. The files are written to a temporary folder and
    moved when all of them are complete; `manifest.json` comes last. If a runner retries a step,
    the files are the same.

    The input is a folder and not a collection of rows, because a sink writes each fact together
    with the kind, type and value of both ends.

    Args:
        directory: the output folder of a finished run, on any file system that Beam knows.
        sink: what makes the files.
        output: the folder for them; empty, or an earlier export, which is replaced.
        min_confidence: relations below this confidence are left out.
        min_evidence: relations with fewer pieces of evidence are left out.
        relations: the relations to write, by their names in the label schema; all by default.
        settings: further entries of `options` in `manifest.json`.

    Returns:
        A collection of one dictionary: what was counted.

    Raises:
        ConfigurationError: if there is no finished graph, the folder holds something else, or
            an option is wrong.

    Example:
        >>> pipeline | WriteFiles("runs/example", MySink(), "out")  # doctest: +SKIP
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        sink: Sink,
        output: str | PathLike[str],
        *,
        min_confidence: float = 0.0,
        min_evidence: int = 1,
        relations: Sequence[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self._run = read_finished(fspath(directory))
        self._sink = sink
        self._output = absolute(fspath(output))
        self._filters = Filters.of(min_confidence, min_evidence, relations)
        self._filters.check(self._run.label_schema)
        self._settings = dict(settings or {})
        check_output(self._output)

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        run, sink, filters, output = self._run, self._sink, self._filters, self._output
        temporary = temporary_folder(output)
        settings = self._settings

        def begin(_: None) -> tuple[str, float]:
            make_folder(temporary)
            return uuid.uuid4().hex, time.time()

        def end(counts: dict[str, int], begun: tuple[str, float]) -> dict[str, int]:
            attempt, began = begun
            says = _what_it_says(run, sink, filters, settings, counts)
            says["seconds"] = round(time.time() - began, 3)
            publish(output, temporary, says | {"attempt": attempt})
            delete_temporary(output, _TEMPORARY)
            return counts

        begun = root | "Once" >> beam.Create([None]) | "Begin" >> beam.Map(begin)
        return (
            begun
            | "Graph" >> WriteRun(run, sink, temporary, filters)
            | "Publish" >> beam.Map(end, beam.pvalue.AsSingleton(begun))
        )


def temporary_folder(output: str) -> str:
    """A new name for the folder where files wait until all of them are there."""
    return join(output, f"{_TEMPORARY}{uuid.uuid4().hex}")


def publish(output: str, temporary: str, says: dict[str, Any]) -> None:
    """Puts finished files in the place of those of an earlier export.

    May be called again with the same arguments, from wherever it was interrupted.

    Args:
        output: the folder of the export.
        temporary: the folder below it that holds the new files.
        says: the new manifest; its `attempt` tells this call from others.
    """
    manifest = find_manifest(output) or {}
    state = manifest.get("state") if manifest.get("attempt") == says["attempt"] else None
    if state == "done":
        return
    passing = {"export": says["export"], "attempt": says["attempt"]}
    if state != "moving":
        # From here until the new manifest stands, nothing says that the folder is whole.
        write_manifest(output, passing | {"state": "deleting"})
        for path in list_files(output):
            if FileSystems.split(path)[1] != "manifest.json" and _TEMPORARY not in path:
                FileSystems.delete([path])
        write_manifest(output, passing | {"state": "moving"})
    move_files(temporary, output, OWN_FILES)
    write_manifest(output, says)


def _what_it_says(
    run: FinishedRun,
    sink: Sink,
    filters: Filters,
    settings: Mapping[str, Any] | None,
    counts: dict[str, int],
) -> dict[str, Any]:
    """The manifest of an export, but for the seconds that it took."""
    return {
        "export": sink.name,
        "state": "done",
        "source": {"directory": run.directory, "run_id": run.run_id},
        "options": dict(settings or {}),
        "filters": filters._asdict(),
        "counts": ungrouped(counts),
        "versions": versions(),
    }


def ungrouped(counts: dict[str, int]) -> dict[str, int]:
    """The counts of a manifest, without those of single classes and properties."""
    return {name: count for name, count in counts.items() if ":" not in name}


def check_output(output: str) -> None:
    """Refuses a folder that holds anything but an earlier export.

    Raises:
        ConfigurationError: names the folder.
    """
    manifest = find_manifest(output)
    if manifest is not None and "export" not in manifest:
        raise ConfigurationError(f"--output: {output} holds a run; choose another folder")
    if manifest is None and any(_TEMPORARY not in path for path in list_files(output)):
        raise ConfigurationError(
            f"--output: {output} holds files that are no export; choose another folder"
        )
