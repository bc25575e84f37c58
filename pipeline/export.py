"""A finished graph as files: the tables of a run through a sink that gives files."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.folders import delete_folder, delete_temporary, list_files, move_files
from pfn_kg.pipeline.manifest import (
    ExportManifest,
    find_any_manifest,
    versions,
    write_manifest,
)
from pfn_kg.pipeline.write_graph import OWN_FILES, run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import Filters
from pfn_kg.sinks.interface import Sink
from pfn_kg.transforms.plumbing.files import absolute, join, make_folder

_TEMPORARY = ".export-"


def export(
    run: FinishedRun,
    sink: Sink,
    output: str,
    *,
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
    _check_output(output)
    try:
        make_folder(output)
    except (BeamIOError, OSError) as error:
        raise ConfigurationError(f"{output} can't be made: {error}", field="output") from None
    delete_temporary(output, _TEMPORARY)
    temporary = join(output, f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        counts = run_sink(run, sink, temporary, filters=filters, pipeline_args=pipeline_args)
        # From here until the new manifest stands, nothing says that the folder is whole.
        write_manifest(output, ExportManifest(export=sink.name, state="moving"))
        for path in list_files(output):
            if FileSystems.split(path)[1] != "manifest.json" and _TEMPORARY not in path:
                FileSystems.delete([path])
        move_files(temporary, output, OWN_FILES)
    finally:
        delete_folder(temporary)
    write_manifest(
        output,
        ExportManifest(
            export=sink.name,
            state="done",
            source={"directory": run.directory, "run_id": run.run_id},
            options=settings or {},
            filters=filters.model_dump(mode="json"),
            counts=ungrouped(counts),
            seconds=round(time.monotonic() - started, 3),
            versions=versions(),
        ),
    )
    return counts


def ungrouped(counts: dict[str, int]) -> dict[str, int]:
    """The counts of a manifest, without those of single classes and properties."""
    return {name: count for name, count in counts.items() if ":" not in name}


def _check_output(output: str) -> None:
    manifest = find_any_manifest(output)
    if manifest is not None and not isinstance(manifest, ExportManifest):
        raise ConfigurationError(f"{output} holds a run; choose another folder", field="output")
    if manifest is None and any(_TEMPORARY not in path for path in list_files(output)):
        raise ConfigurationError(
            f"{output} holds files that are no export; choose another folder", field="output"
        )
