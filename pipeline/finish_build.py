"""The end of a build: from the files that a job has left to the graph that readers find.

All that it needs is in `BegunBuild`, which can be written down: the command that began a build
need not be the one that ends it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from pfn_kg.pipeline.alias_files import ALIAS_KEYS_FILE
from pfn_kg.pipeline.build_graph import COUNTS_FILE
from pfn_kg.pipeline.correction_inputs import read_outcomes, say_what_is_idle
from pfn_kg.pipeline.correction_precision import precision_record
from pfn_kg.pipeline.folders import delete_folder
from pfn_kg.pipeline.job_metrics import Metrics
from pfn_kg.pipeline.losses import say_what_is_lost
from pfn_kg.pipeline.manifest import HERE, BuildRecord, Manifest, read_extracted, versions
from pfn_kg.pipeline.manifest_updates import clean_manifest, update_manifest
from pfn_kg.pipeline.row_folders import clean_rows
from pfn_kg.pipeline.snapshots import (
    SnapshotRecord,
    as_current,
    clean,
    extraction_digest,
    place_of,
    write_record,
)
from pfn_kg.pipeline.telemetry import record as watched
from pfn_kg.pipeline.write_graph import OWN_FILES
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.facts.kept_rows import KeptRows
from pfn_kg.transforms.plumbing.files import delete, exists, join, read_bytes

_logger = logging.getLogger(__name__)


class BegunBuild(BaseModel):
    """A build whose job has begun.

    Attributes:
        path: of the snapshot that is made, from the output folder.
        graph: path of the snapshot that was current then; None without one.
        extraction: hash of what is read, as in `extraction_digest`.
        sign: by which workers know the folder.
        settings: all options of the build, as its record names them.
        keep_builds: how many snapshots stay.
        rows: folder of the rows that are kept; None where none are.
        last_counts: of the graph before; None without one.
        counts: of this one; None until its job has ended.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    graph: str | None
    extraction: str
    sign: str
    settings: dict[str, Any]
    keep_builds: int
    rows: str | None
    last_counts: dict[str, int] | None
    counts: dict[str, int] | None = None

    @property
    def has_corrections(self) -> bool:
        """Whether people's corrections go into it."""
        return self.settings.get("corrections") is not None

    def with_counts(self, directory: str) -> BegunBuild:
        """The build with what its job has counted; the file of it is no part of a snapshot.

        Args:
            directory: the output folder.

        Raises:
            OSError: if the job has left no counts.
        """
        if self.counts is not None:
            return self
        path = join(place_of(directory, self.path), COUNTS_FILE)
        return self.model_copy(update={"counts": json.loads(read_bytes(path))})


def finish_build(
    directory: str, begun: BegunBuild, seconds: float, metrics: Metrics
) -> dict[str, int]:
    """Makes what a job has left the current graph; the caller holds the folder.

    Whoever is killed in it may call it again.

    Args:
        directory: the output folder.
        begun: the build.
        seconds: that it took.
        metrics: what its job counted.

    Returns:
        What was counted, as it also stands in the manifest.

    Raises:
        ConfigurationError: if another build has finished since this one began.
        OSError: if a file system fails.
    """
    begun = begun.with_counts(directory)
    assert begun.counts is not None
    counts, graph = begun.counts, place_of(directory, begun.path)
    _delete_working_files(graph, begun.sign)
    outcomes = read_outcomes(graph) if begun.has_corrections else None
    precision = {} if outcomes is None else precision_record(outcomes)
    record = SnapshotRecord(
        path=begun.path,
        # The tables of an older version are deleted, so nothing leads back to them.
        previous=None if begun.graph == HERE else begun.graph,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        extraction=begun.extraction,
        build=BuildRecord(
            options=begun.settings,
            seconds=round(seconds, 3),
            counts=counts,
            **({"precision": precision} if precision else {}),
            **({"metrics": metrics} if metrics else {}),
        ),
        versions=versions(),
    )
    write_record(directory, record)
    watched("build", record.build.seconds, metrics, directory=directory)
    _publish(directory, begun.graph, record)
    say_what_is_lost(counts, begun.last_counts)
    if outcomes is not None:
        say_what_is_idle(graph, outcomes)
    try:
        clean(directory, begun.path, begun.keep_builds)
        clean_manifest(directory, "build")
        _clean_rows(directory, begun)
    except OSError as error:
        # The graph is there, and the next build cleans again.
        _logger.warning("%s: old files can't be deleted: %s", directory, error)
    return counts


def _clean_rows(directory: str, begun: BegunBuild) -> None:
    manifest = read_extracted(directory)
    if extraction_digest(manifest) != begun.extraction:
        return  # they are of other chunks, which the next build knows
    assert manifest.chunks is not None  # as it is extracted
    rows = None if begun.rows is None else KeptRows(begun.rows)
    clean_rows(directory, rows, manifest.chunks.files(directory, manifest.model.hash))


def _delete_working_files(graph: str, sign: str) -> None:
    """Deletes what workers wrote for each other, which is no part of a snapshot."""
    for path in (
        join(graph, COUNTS_FILE),
        join(graph, ALIAS_KEYS_FILE),
        join(graph, sign),
        *(join(graph, "rdf", name) for name in OWN_FILES),
    ):
        if exists(path):
            delete(path)


def _publish(directory: str, before: str | None, record: SnapshotRecord) -> None:
    """Makes a snapshot the current one, unless another one became that since the build began.

    Raises:
        ConfigurationError: if so.
    """

    def publish(manifest: Manifest) -> Manifest:
        if manifest.graph == record.path:
            return manifest  # by whoever was killed right after it
        if manifest.graph != before:
            raise ConfigurationError(
                f"{directory}: another build has finished since this one began, and its graph "
                "stays; build again"
            )
        changed = as_current(manifest, record)
        if extraction_digest(manifest) != record.extraction:
            # The graph is finished, but not of all that was extracted.
            changed = changed.changed(state=manifest.state)
        return changed

    update_manifest(directory, "build", publish)


@contextmanager
def given_up_on_failure(directory: str, path: str) -> Iterator[None]:
    """Gives a build up if the block fails.

    Args:
        directory: the output folder.
        path: of the snapshot, from there.
    """
    try:
        yield
    except BaseException:
        give_up_build(directory, path)
        raise


def give_up_build(directory: str, path: str) -> None:
    """Ends a build that failed: the graph before it stays, and nothing of this one.

    Args:
        directory: the output folder.
        path: of the snapshot, from there.
    """

    def fail(manifest: Manifest) -> Manifest:
        if manifest.graph == path:  # it had become the current one
            return manifest
        return manifest.changed(state="failed") if manifest.state == "building" else manifest

    try:
        if update_manifest(directory, "build", fail).graph != path:
            delete_folder(place_of(directory, path))
    except (ConfigurationError, OSError) as error:
        _logger.warning("%s: could not be recorded as failed: %s", directory, error)
