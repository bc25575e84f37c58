"""`WriteFiles`: a finished graph in files of any format, as a Beam transform for any pipeline."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import apache_beam as beam

from pfn_kg.pipeline.export import (
    check_output,
    export_manifest,
    publish,
    temporary_folder,
)
from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.folders import delete_folder
from pfn_kg.pipeline.locks import Owner, hold, write_owner
from pfn_kg.pipeline.verify_files import check_files
from pfn_kg.pipeline.write_graph import WriteGraph
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import Filters
from pfn_kg.sinks.interface import Sink
from pfn_kg.transforms.graph.joined_rows import tables_read
from pfn_kg.transforms.plumbing.files import absolute
from pfn_kg.transforms.tables.parts import TablePart


class WriteFiles(beam.PTransform):
    """Writes a finished graph into a folder of files, by a sink that gives files.

    The transform is the root of a pipeline. The files are written to a temporary folder and
    moved when all of them are complete; `manifest.json` comes last. If a runner retries a step,
    the files are the same.

    The input is a folder and not a collection of rows, because a sink writes each fact together
    with the kind, type and value of both ends.

    Args:
        directory: the output folder of a finished run, on any file system that Beam knows, or
            what `pfn_kg.pipeline.finished_run.read_finished` gave for it.
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
        directory: str | PathLike[str] | FinishedRun,
        sink: Sink,
        output: str | PathLike[str],
        *,
        min_confidence: float = 0.0,
        min_evidence: int = 1,
        relations: Sequence[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self._run = (
            directory if isinstance(directory, FinishedRun) else read_finished(fspath(directory))
        )
        self._sink = sink
        self._output = absolute(fspath(output))
        self._filters = make_filters(min_confidence, min_evidence, relations)
        self._filters.check(self._run.label_schema)
        self._settings = dict(settings or {})
        check_output(self._output)

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        run, sink, filters, output = self._run, self._sink, self._filters, self._output
        temporary = temporary_folder(output)
        settings = self._settings

        owner = Owner.of_this_process("export")

        def begin(_: None) -> tuple[str, float]:
            write_owner(temporary, owner)
            return uuid.uuid4().hex, time.time()

        def end(counts: dict[str, int], begun: tuple[str, float]) -> dict[str, int]:
            attempt, began = begun
            says = export_manifest(run, sink, filters=filters, settings=settings, counts=counts)
            seconds = round(time.time() - began, 3)
            with hold(output, "export"):
                publish(output, temporary, says.changed(seconds=seconds, attempt=attempt))
            delete_folder(temporary)
            return counts

        begun = root | "Once" >> beam.Create([None]) | "Begin" >> beam.Map(begin)
        return (
            begun
            | "Graph" >> WriteRun(run, sink, temporary, filters)
            | "Publish" >> beam.Map(end, beam.pvalue.AsSingleton(begun))
        )


class WriteRun(beam.PTransform):
    """Writes a finished run by a sink, once the one element of its input is there.

    Gives what `WriteGraph` gives.

    Args:
        run: the graph.
        sink: what writes.
        folder: where its files go; it must be there when the element comes.
        filters: which relations are written.

    Raises:
        ConfigurationError: if a table is missing.
    """

    def __init__(self, run: FinishedRun, sink: Sink, folder: str, filters: Filters):
        super().__init__()
        check_files(run)
        written = [table for stage in sink.stages for table in stage]
        self._parts = run.parts(tables_read(written, filters))
        self._write = WriteGraph(sink, folder, filters)

    def expand(self, begun: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        parts = self._parts
        return (
            begun
            | "Parts" >> beam.FlatMap(lambda _: parts).with_output_types(TablePart)
            | "Reshuffle" >> beam.Reshuffle()
            | "Write" >> self._write
        )


def make_filters(
    min_confidence: float, min_evidence: int, relations: Sequence[str] | None
) -> Filters:
    """The filters that a caller gives, with relations as any sequence of names.

    Raises:
        ConfigurationError: if a value is wrong, or one name was given instead of a sequence.
    """
    if isinstance(relations, str):
        raise ConfigurationError(f"relations: give a list of names, such as [{relations!r}]")
    given = {"min_confidence": min_confidence, "min_evidence": min_evidence}
    return validate(Filters, given | {"relations": None if relations is None else tuple(relations)})
