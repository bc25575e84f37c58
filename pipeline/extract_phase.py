"""The extract phase: plan, run, and write down what there is."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import apache_beam as beam

from pfn_kg.pipeline.finished_chunks import Watcher, check_finished, finished_by_run
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.job_metrics import job_metrics
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
    with hold(output, "extract"), span("extract", directory=output):
        return _extract(prepared, pipeline_args)


def _extract(prepared: PreparedExtraction, pipeline_args: Sequence[str]) -> Manifest:
    options, plan = prepared.options, prepared.plan
    check_unchanged(options.output, prepared.found)
    started = time.monotonic()
    folder = ExtractionFolder(join(options.output, "extractions"))
    try:
        make_folder(folder.path)
    except OSError as error:
        raise ConfigurationError(
            f"{options.output} can't be made: {error}", field="output"
        ) from None
    clean_manifest(options.output, "extract")
    added_to = prepared.added_to
    manifest = Manifest(
        run_id=prepared.run_id,
        state="extracting",
        inputs=_inputs(plan, added_to if options.most_gone is None else None),
        configuration=Configuration.model_validate(
            options.model_dump(mode="json", exclude=set(OF_ONE_CALL))
            | ({"corpus": recorded_corpus(added_to)} if options.retry else {})
            | ({PACKED: True} if plan.packed else {})
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
    assert options.token_budget is not None  # since the options are prepared
    handler = PFNModelHandler(
        prepared.model,
        device=options.device,
        precision=options.precision,
        tf32=options.tf32,
        entity_floor=options.entity_floor,
        relation_floor=options.relation_floor,
        token_budget=options.token_budget,
        window_tokens=options.window_tokens,
    )
    before_it = () if added_to is None else added_to.listed_chunks(options.output)
    known = [folder.file(chunk.name) for chunk in before_it]
    progress = Progress(plan.rows, Watcher(folder, known)) if is_local_run(pipeline_args) else None

    def how_to_go_on() -> str:
        done = "" if progress is None else f"{progress.finished_rows()} of {plan.rows} rows: "
        how = "the same command" if options.into else "the same command and `resume`"
        return f"what is extracted stays ({done}{folder.path}); go on by {how}"

    before = sum(c.counters["rows"] for run in finished_by_run(folder, plan) for c in run)
    sign = folder.put_sign()
    planned = RunList(folder.path, sign, plan.runs)
    # What an update reads is known to the workers alone.
    wanted_file = join(folder.path, f"wanted-{sign}")
    most_gone = options.most_gone
    whole = None if most_gone is None else WholeCorpus(folder.path, sign, most_gone)
    with (
        hint(how_to_go_on),
        progress or nullcontext(),
        running(pipeline_args, None if progress else "extract") as pipeline,
    ):
        numbered = pipeline | "Runs" >> planned.reader()
        if added_to is None:
            runs = numbered | "Unnumbered" >> beam.Values()
        else:
            live = added_to.read_lists(pipeline, options.output)
            rows = plan.rows + sum(chunk.counts.get("rows", 0) for chunk in before_it)
            groups = groups_for_rows(rows)
            of_interest = (
                RejectedRuns(*live, groups=groups)
                if options.retry
                else ChangedRuns(*live, groups=groups, whole=whole)
            )
            runs = numbered | "Changed" >> of_interest
            _ = runs | "WantedRuns" >> WriteRunNames(wanted_file)
        _ = runs | "Extract" >> ExtractChunks(
            folder.path,
            handler,
            language=options.language,
            dehyphenate=options.dehyphenate,
            check_language=options.check_language,
            sign=sign,
        )
    seconds = time.monotonic() - started
    metrics = job_metrics(pipeline.result, "extract")
    gone = None if whole is None else gone_documents(whole, options.output)
    wanted = None if added_to is None else set(json.loads(read_bytes(wanted_file)))
    delete_partial(folder.path)
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
    record("extract", seconds, metrics, directory=options.output)
    if added_to is not None:
        extraction["unchanged_rows"] = unchanged
        records = [*before_it, *records]
        # What the last build was made with is how the next one is made.
        new = {name: getattr(manifest, name) for name in manifest.model_fields_set}
        if gone is not None:
            extraction["gone_documents"] = len(gone)
            new["removed"] = with_removed(added_to, options.output, gone)
        manifest = added_to.changed(**new)
    done = manifest.changed(
        state="extracted", chunks=ChunkList.of(records), extract=ExtractionRecord(**extraction)
    )
    return update_manifest(options.output, "extract", lambda now: carried(done, now))


def _inputs(plan: Plan, added_to: Manifest | None) -> tuple[InputFile, ...]:
    """The files that were read, each as it was when it was read last."""
    inputs = {file.path: file for file in (added_to.inputs if added_to is not None else ())}
    for file in plan.files:
        inputs[file.path] = InputFile(
            path=file.path, size=file.size, version=file.version, rows=file.rows, error=file.error
        )
    return tuple(inputs.values())
