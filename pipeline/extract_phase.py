"""The extract phase: plan, run, and write down what there is."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import apache_beam as beam

from pfn_kg.pipeline.detached import refuse_while_detached
from pfn_kg.pipeline.finished_chunks import Watcher, check_finished, finished_by_run
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.job_metrics import Metrics, job_metrics
from pfn_kg.pipeline.lineage import extraction_sets, lineage
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import (
    Configuration,
    ExtractionRecord,
    InputFile,
    Manifest,
    ModelRecord,
    versions,
)
from pfn_kg.pipeline.manifest_lists import ChunkList, ChunkRecord
from pfn_kg.pipeline.manifest_updates import (
    carried,
    check_unchanged,
    clean_manifest,
    put_manifest,
    update_manifest,
)
from pfn_kg.pipeline.options import is_local_run, pipeline_options
from pfn_kg.pipeline.prepare_extraction import PACKED, PreparedExtraction
from pfn_kg.pipeline.progress import Progress
from pfn_kg.pipeline.retry import recorded_corpus
from pfn_kg.pipeline.running import running
from pfn_kg.pipeline.telemetry import record, span
from pfn_kg.pipeline.whole_corpus import gone_documents, with_removed
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import OF_ONE_CALL
from pfn_kg.transforms.documents.changed_rows import ChangedRuns, WriteRunNames
from pfn_kg.transforms.documents.gone_documents import WholeCorpus
from pfn_kg.transforms.documents.groups import groups_for_rows
from pfn_kg.transforms.documents.rejected_rows import RejectedRuns
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.inference import ExtractChunks, PFNModelHandler
from pfn_kg.transforms.extraction.run_lists import RunList
from pfn_kg.transforms.plumbing.files import (
    join,
    make_folder,
    read_bytes,
    replace,
)
from pfn_kg.transforms.plumbing.listing import (
    delete_partial,
)
from pfn_kg.transforms.reading.plan import Plan

#: The folder of extraction files in an output folder.
EXTRACTIONS = "extractions"


def check_device(device: str, pipeline_args: Sequence[str] = ()) -> None:
    """Refuses a device that this machine lacks, if this machine is where the model runs.

    Args:
        device: as in `ExtractOptions`.
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.

    Raises:
        ConfigurationError: if the device is not there.
    """
    if is_local_run(pipeline_args):
        from pfn_kg.pfn.inference.devices import find_device

        find_device(device)


def run_extraction(prepared: PreparedExtraction, pipeline_args: Sequence[str] = ()) -> Manifest:
    """Runs the extract phase.

    Args:
        prepared: from `prepare_extraction`.
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.

    Returns:
        The manifest, as it was written.

    Raises:
        ConfigurationError: if the device is not there or the output can't be made.
        OSError: if a file system fails.
    """
    pipeline_options(pipeline_args)  # refuses what is wrong before any work
    check_device(prepared.options.device, pipeline_args)
    output = prepared.options.output
    try:
        make_folder(output)
    except OSError as error:
        raise ConfigurationError(f"{output} can't be made: {error}", field="output") from None
    with (
        hold(output, "extract"),
        span("extract", directory=output),
        lineage("extract", output, lambda: extraction_sets(output)),
    ):
        return _extract(prepared, pipeline_args)


class Begun(NamedTuple):
    """An extraction whose job can begin: its folder is made, and workers find what they need.

    Attributes:
        prepared: what is read.
        manifest: of the folder, once the job is done.
        added_to: the manifest of the graph that is added to, if any.
        live: the chunks of that graph; its list is read once.
        before: rows that earlier jobs had read.
        sign: by which workers know the folder.
    """

    prepared: PreparedExtraction
    manifest: Manifest
    added_to: Manifest | None
    live: Sequence[ChunkRecord]
    before: int
    sign: str

    @property
    def folder(self) -> ExtractionFolder:
        """The folder of extraction files."""
        return ExtractionFolder(join(self.prepared.options.output, EXTRACTIONS))

    @property
    def wanted_file(self) -> str:
        """What an update reads, which is known to the workers alone."""
        return join(self.folder.path, f"wanted-{self.sign}")

    @property
    def whole(self) -> WholeCorpus | None:
        """Where it is written which documents are gone, if the corpus is the whole."""
        most_gone = self.prepared.options.most_gone
        if most_gone is None:
            return None
        return WholeCorpus(self.folder.path, self.sign, most_gone)

    def add_to(self, pipeline: beam.Pipeline) -> None:
        """Adds the steps of the extraction to a pipeline."""
        options, folder = self.prepared.options, self.folder.path
        handler = PFNModelHandler(
            self.prepared.model,
            device=options.device,
            precision=options.precision,
            tf32=options.tf32,
            entity_floor=options.entity_floor,
            relation_floor=options.relation_floor,
            token_budget=options.token_budget,
            window_tokens=options.window_tokens,
            model_hash=self.prepared.model_hash,
        )
        numbered = pipeline | "Runs" >> RunList(folder, self.sign, self.prepared.plan.runs).reader()
        if self.added_to is None:
            runs = numbered | "Unnumbered" >> beam.Values()
        else:
            live = self.added_to.read_lists(pipeline, options.output)
            rows = self.prepared.plan.rows + sum(c.counts.get("rows", 0) for c in self.live)
            groups = groups_for_rows(rows)
            of_interest = (
                RejectedRuns(*live, groups=groups)
                if options.retry
                else ChangedRuns(*live, groups=groups, whole=self.whole)
            )
            runs = numbered | "Changed" >> of_interest
            _ = runs | "WantedRuns" >> WriteRunNames(self.wanted_file)
        _ = runs | "Extract" >> ExtractChunks(
            folder,
            handler,
            language=options.language,
            dehyphenate=options.dehyphenate,
            check_language=options.check_language,
            sign=self.sign,
        )

    def how_to_go_on(self, done: str = "") -> str:
        """What is to be said where the job does not come to its end.

        Args:
            done: how much of it is done, as a text with a colon at its end.
        """
        into = self.prepared.options.into
        how = "the same command" if into else "the same command and `resume`"
        return f"what is extracted stays ({done}{self.folder.path}); go on by {how}"


def begin_extraction(prepared: PreparedExtraction) -> Begun:
    """Makes the folder ready for a job; the caller holds it."""
    options, plan = prepared.options, prepared.plan
    refuse_while_detached(options.output, "extract")
    check_unchanged(options.output, prepared.found)
    folder = ExtractionFolder(join(options.output, EXTRACTIONS))
    try:
        make_folder(folder.path)
    except OSError as error:
        raise ConfigurationError(
            f"{options.output} can't be made: {error}", field="output"
        ) from None
    clean_manifest(options.output, "extract")
    added_to, manifest = prepared.added_to, _manifest(prepared)
    # The graph that is added to stays what it is until all that is new is there: its
    # manifest names its chunks, and whoever repeats the command finds the same name for
    # each of the new ones.
    if added_to is None:
        schema = prepared.label_schema.to_yaml().encode()
        replace(join(options.output, "label_schema.yaml"), schema)
        put_manifest(options.output, "extract", lambda now: carried(manifest, now))
    else:
        # Workers read its lists, which one of an older version has no files for.
        added_to = update_manifest(options.output, "extract", lambda now: now)
    before = sum(c.counters["rows"] for run in finished_by_run(folder, plan) for c in run)
    live = _live_chunks(prepared, added_to)
    return Begun(prepared, manifest, added_to, live, before, folder.put_sign())


def begun_before(prepared: PreparedExtraction, *, before: int, sign: str) -> Begun:
    """What `begin_extraction` gave for a job that an earlier process has started.

    Args:
        prepared: as it was then.
        before: as it was then.
        sign: as it was then.
    """
    live = _live_chunks(prepared, prepared.added_to)
    return Begun(prepared, _manifest(prepared), prepared.added_to, live, before, sign)


def _live_chunks(prepared: PreparedExtraction, added_to: Manifest | None) -> Sequence[ChunkRecord]:
    return () if added_to is None else added_to.listed_chunks(prepared.options.output)


def _manifest(prepared: PreparedExtraction) -> Manifest:
    options, added_to = prepared.options, prepared.added_to
    return Manifest(
        run_id=prepared.run_id,
        state="extracting",
        inputs=_inputs(prepared.plan, added_to if options.most_gone is None else None),
        configuration=Configuration.model_validate(
            options.model_dump(mode="json", exclude=set(OF_ONE_CALL))
            | ({"corpus": recorded_corpus(added_to)} if options.retry else {})
            | ({PACKED: True} if prepared.plan.packed else {})
        ),
        model=ModelRecord(
            name=prepared.model,
            hash=prepared.model_hash,
            entity_threshold=prepared.thresholds[0],
            relation_threshold=prepared.thresholds[1],
            calibration=prepared.calibration,
        ),
        versions=versions(),
    )


def _extract(prepared: PreparedExtraction, pipeline_args: Sequence[str]) -> Manifest:
    started = time.monotonic()
    begun = begin_extraction(prepared)
    folder, plan = begun.folder, prepared.plan
    progress = None
    if is_local_run(pipeline_args):
        known = [folder.file(chunk.name) for chunk in begun.live]
        progress = Progress(plan.rows, Watcher(folder, known))

    def how_to_go_on() -> str:
        if progress is None:
            return begun.how_to_go_on()
        return begun.how_to_go_on(f"{progress.finished_rows()} of {plan.rows} rows: ")

    with (
        hint(how_to_go_on),
        progress or nullcontext(),
        running(pipeline_args, None if progress else "extract") as pipeline,
    ):
        begun.add_to(pipeline)
    seconds = time.monotonic() - started
    return finish_extraction(begun, seconds, job_metrics(pipeline.result, "extract"))


def finish_extraction(
    begun: Begun, seconds: float, metrics: Metrics, *, is_left: bool = False
) -> Manifest:
    """Writes down what a job has left; the caller holds the folder.

    Whoever is killed before the manifest is written may call it again.

    Args:
        begun: the extraction.
        seconds: that the job took.
        metrics: what it counted.
        is_left: whether the command that started the job had left it.

    Returns:
        The manifest, as it was written.

    Raises:
        ConfigurationError: if the corpus lacks more of the graph than it may.
        OSError: if extractions are missing.
    """
    options, plan, folder = begun.prepared.options, begun.prepared.plan, begun.folder
    added_to, before, manifest, whole = begun.added_to, begun.before, begun.manifest, begun.whole
    gone = None if whole is None else gone_documents(whole, options.output)
    wanted = None if added_to is None else set(json.loads(read_bytes(begun.wanted_file)))
    finished = finished_by_run(folder, plan)
    check_finished(options.output, plan, finished, wanted)
    chunks = [chunk for of_run in finished for chunk in of_run]
    counts: Counter[str] = Counter()
    for chunk in chunks:
        counts.update(chunk.counters)
    read = counts["rows"] - before
    unchanged = plan.rows - counts["rows"] + counts["unchanged"]
    share = read / counts["rows"] if counts["rows"] else 0.0
    generation = 0 if added_to is None else added_to.last_generation + 1
    records = [ChunkRecord(name=c.name, generation=generation, counts=c.counters) for c in chunks]
    extraction: dict[str, Any] = {
        "seconds": round(seconds, 3),
        "counts": dict(sorted(counts.items())),
        "resumed_rows": before,
        "sentences_per_second": round(counts["sentences"] * share / seconds, 1),
        "documents_per_second": round(read / seconds, 2),
    }
    if metrics:
        extraction["metrics"] = metrics
    if is_left:
        extraction["job"] = begun.sign
    record("extract", seconds, metrics, directory=options.output)
    if added_to is not None:
        extraction["unchanged_rows"] = unchanged
        records = [*begun.live, *records]
        # What the last build was made with is how the next one is made.
        new = {name: getattr(manifest, name) for name in manifest.model_fields_set}
        if gone is not None:
            extraction["gone_documents"] = len(gone)
            new["removed"] = with_removed(added_to, options.output, gone)
        manifest = added_to.changed(**new)
    done = manifest.changed(
        state="extracted", chunks=ChunkList.of(records), extract=ExtractionRecord(**extraction)
    )
    written = update_manifest(options.output, "extract", lambda now: carried(done, now))
    # Not before: they say what a second call needs if this one is killed.
    delete_partial(folder.path)
    return written


def _inputs(plan: Plan, added_to: Manifest | None) -> tuple[InputFile, ...]:
    """The files that were read, each as it was when it was read last."""
    inputs = {file.path: file for file in (added_to.inputs if added_to is not None else ())}
    for file in plan.files:
        inputs[file.path] = InputFile(
            path=file.path, size=file.size, version=file.version, rows=file.rows, error=file.error
        )
    return tuple(inputs.values())
