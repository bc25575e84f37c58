"""A finished graph as files: the tables of a run through a sink that gives files."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.folders import delete_folder, delete_temporary, list_files, move_files
from pfn_kg.pipeline.locks import LOCKS, Owner, hold, is_abandoned, write_owner
from pfn_kg.pipeline.manifest import (
    ExportManifest,
    find_any_manifest,
    versions,
    write_manifest,
)
from pfn_kg.pipeline.verify_files import check_files
from pfn_kg.pipeline.write_graph import OWN_FILES, run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import Filters
from pfn_kg.sinks.interface import Sink
from pfn_kg.transforms.plumbing.files import absolute, delete, join, make_folder, name_of

#: How the names of folders begin where files wait until all of them are there.
TEMPORARY_PREFIX = ".export-"


def export(
    run: FinishedRun,
    sink: Sink,
    output: str,
    *,
    filters: Filters | None = None,
    settings: dict[str, Any] | None = None,
    pipeline_args: Sequence[str] = (),
    take_over: bool = False,
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
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.
        take_over: whether claims of other commands on the output are removed.

    Returns:
        What was counted.

    Raises:
        ConfigurationError: if a file of the graph is not what its build wrote, the output
            folder holds something else, or an option is wrong.
    """
    filters = filters or Filters()
    output = absolute(output)
    check_files(run)
    check_output(output)
    started = time.monotonic()
    temporary = temporary_folder(output)
    try:
        make_folder(output)
    except OSError as error:
        raise ConfigurationError(f"{output} can't be made: {error}", field="output") from None
    with hold(output, "export", take_over=take_over):
        check_output(output)
        delete_temporary(output, TEMPORARY_PREFIX, is_abandoned)
        try:
            write_owner(temporary, Owner.of_this_process("export"))
            counts = run_sink(run, sink, temporary, filters=filters, pipeline_args=pipeline_args)
            says = export_manifest(run, sink, filters=filters, settings=settings, counts=counts)
            seconds = round(time.monotonic() - started, 3)
            publish(output, temporary, says.changed(seconds=seconds, attempt=uuid.uuid4().hex))
        finally:
            delete_folder(temporary)
    return counts


def temporary_folder(output: str) -> str:
    """A new name for the folder where files wait until all of them are there."""
    return join(output, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")


def publish(output: str, temporary: str, says: ExportManifest) -> None:
    """Puts finished files in the place of those of an earlier export.

    May be called again with the same arguments, from wherever it was interrupted.

    Args:
        output: the folder of the export.
        temporary: the folder below it that holds the new files.
        says: the new manifest; its `attempt` tells this call from others.
    """
    manifest = find_any_manifest(output)
    is_ours = isinstance(manifest, ExportManifest) and manifest.attempt == says.attempt
    state = manifest.state if manifest is not None and is_ours else None
    if state == "done":
        return
    passing = ExportManifest(export=says.export, attempt=says.attempt, state="deleting")
    if state != "moving":
        # From here until the new manifest stands, nothing says that the folder is whole.
        write_manifest(output, passing)
        for path in list_files(output):
            if name_of(path) != "manifest.json" and not _is_work(output, path):
                delete(path)
        write_manifest(output, passing.changed(state="moving"))
    move_files(temporary, output, OWN_FILES)
    write_manifest(output, says)


def export_manifest(
    run: FinishedRun,
    sink: Sink,
    *,
    filters: Filters,
    settings: Mapping[str, Any] | None,
    counts: dict[str, int],
) -> ExportManifest:
    """The manifest of an export, but for the seconds that it took and for its attempt."""
    return ExportManifest(
        export=sink.name,
        state="done",
        source={"directory": run.directory, "run_id": run.run_id},
        options=dict(settings or {}),
        filters=filters.model_dump(mode="json"),
        counts=ungrouped(counts),
        versions=versions(),
    )


def ungrouped(counts: dict[str, int]) -> dict[str, int]:
    """The counts of a manifest, without those of single classes and properties."""
    return {name: count for name, count in counts.items() if ":" not in name}


def _is_work(output: str, path: str) -> bool:
    """Whether a file is a lock, or waits in a temporary folder."""
    inside = path[len(join(output, "")) :]
    return inside.startswith((TEMPORARY_PREFIX, LOCKS))


def check_output(output: str) -> None:
    """Refuses a folder that holds anything but an earlier export.

    Raises:
        ConfigurationError: names the folder.
    """
    manifest = find_any_manifest(output)
    if manifest is not None and not isinstance(manifest, ExportManifest):
        raise ConfigurationError(f"{output} holds a run; choose another folder", field="output")
    if manifest is None and any(not _is_work(output, path) for path in list_files(output)):
        raise ConfigurationError(
            f"{output} holds files that are no export; choose another folder", field="output"
        )
