"""The extract phase: plan, run, and write down what there is."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import apache_beam as beam

from pfn_kg.pfn.checkpoint import (
    SHIPPED,
    find_model,
    model_hash,
    read_config,
    read_label_schema,
)
from pfn_kg.pfn.checksums import check_checksums
from pfn_kg.pipeline.finished_chunks import Watcher, check_finished, finished_by_run
from pfn_kg.pipeline.folders import check_writable
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import (
    Configuration,
    ExtractionRecord,
    InputFile,
    Manifest,
    ModelRecord,
    find_manifest,
    read_extracted,
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
from pfn_kg.pipeline.progress import Progress
from pfn_kg.pipeline.reading_defaults import with_reading_defaults
from pfn_kg.pipeline.running import running
from pfn_kg.pipeline.snapshots import extraction_digest
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import RECORDED_OPTIONS, ExtractOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.documents.changed_rows import ChangedRuns, WriteRunNames
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.inference import ExtractChunks, PFNModelHandler
from pfn_kg.transforms.extraction.run_lists import RunList
from pfn_kg.transforms.plumbing.files import (
    absolute,
    is_local,
    join,
    make_folder,
    read_bytes,
    replace,
)
from pfn_kg.transforms.plumbing.listing import (
    delete_partial,
    local_copy,
)
from pfn_kg.transforms.reading.plan import Plan, plan_extraction


class PreparedExtraction(NamedTuple):
    """All that was checked and fixed before any work is done.

    Attributes:
        options: with token budget, windows and floors set.
        model: what workers load: a folder, or the name of a shipped model.
        model_hash: of configuration, weights and tokenizer.
        thresholds: of the model, entity and relation.
        calibration: of the model, as in `PFNConfig.calibration`.
        label_schema: of the model.
        plan: what is to be read.
        run_id: of the run that is resumed or added to; a new one otherwise.
        found: the manifest of the output folder, if it has one.
        added_to: the manifest of the graph that is added to, if any.
    """

    options: ExtractOptions
    model: str
    model_hash: str
    thresholds: tuple[float, float]
    calibration: dict[str, Any] | None
    label_schema: LabelSchema
    plan: Plan
    run_id: str
    found: Manifest | None = None
    added_to: Manifest | None = None


def prepare_extraction(
    options: ExtractOptions, pipeline_args: Sequence[str] = ()
) -> PreparedExtraction:
    """Validates everything and makes the plan; writes nothing.

    Args:
        options: of the command.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.

    Raises:
        ConfigurationError: if an option, the model, the corpus or the output is wrong.
    """
    output = absolute(options.output)
    check_writable(output)
    manifest = read_extracted(output) if options.into else find_manifest(output)
    if options.into and manifest is not None:
        options = _as_recorded(options, manifest)
    elif manifest is not None and (manifest.removed is not None or manifest.last_generation):
        raise ConfigurationError(
            f"{options.output} holds a graph that was changed by `into` or `pfn-kg remove`; "
            "go on by `into`",
            field="output",
        )
    elif manifest is not None and not options.resume:
        unfinished = manifest.state == "extracting"
        hint = "`resume` goes on with it" if unfinished else "choose another folder, or `resume`"
        raise ConfigurationError(f"{options.output} holds a run already; {hint}", field="output")
    remote = options.model is not None and not is_local(options.model)
    try:
        folder = local_copy(options.model) if remote else find_model(options.model)  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise ConfigurationError(f"{error}", field="model") from None
    config = read_config(folder)
    check_checksums(folder)
    thresholds = (float(config["entity_threshold"]), float(config["relation_threshold"]))
    if remote:
        model = str(options.model)
    else:
        # A shipped model has the same name on every worker, but not the same folder.
        shipped = folder.parent == SHIPPED
        model = folder.name if shipped else str(folder.absolute())
    options = with_reading_defaults(
        options,
        config=config,
        recorded={} if manifest is None else manifest.configuration.recorded(),
        is_local=is_local_run(pipeline_args),
    )
    options = options.changed(
        output=output,
        entity_floor=min(options.entity_floor, thresholds[0]),
        relation_floor=min(options.relation_floor, thresholds[1]),
    )
    hash_ = model_hash(folder)
    live_version = None
    if options.into and manifest is not None:
        if manifest.model.hash != hash_:
            raise ConfigurationError(
                f"the graph in {output} was made by another model", field="model"
            )
        live_version = extraction_digest(manifest)
    elif manifest is not None:
        _check_resumable(options, hash_, manifest)
    recorded_id = manifest.run_id if manifest is not None else None
    return PreparedExtraction(
        options=options,
        model=model,
        model_hash=hash_,
        thresholds=thresholds,
        calibration=config.get("calibration"),
        label_schema=read_label_schema(folder),
        plan=plan_extraction(options, hash_, live_version),
        run_id=recorded_id or uuid.uuid4().hex,
        found=manifest,
        added_to=manifest if options.into else None,
    )


def _as_recorded(options: ExtractOptions, manifest: Manifest) -> ExtractOptions:
    """The options of an update: what is not given is that of the run that it adds to."""
    recorded = manifest.configuration.recorded()
    taken = {
        name: recorded[name]
        for name in RECORDED_OPTIONS
        if name in recorded and name not in options.model_fields_set
    }
    if options.model is None:
        taken["model"] = manifest.model.name
    options = validate(ExtractOptions, dict(options) | taken)
    # What one document says would else depend on when it came.
    for name in ("language", "window_tokens", "dehyphenate", "entity_floor", "relation_floor"):
        if name in recorded and getattr(options, name) != recorded[name]:
            raise ConfigurationError(
                f"{getattr(options, name)!r}, but the graph in {options.output} was extracted "
                f"with {recorded[name]!r}",
                field=name,
            )
    return options


def _check_resumable(options: ExtractOptions, hash_: str, manifest: Manifest) -> None:
    """Refuses to mix extractions of two models or with two sets of options in one folder."""
    if manifest.model.hash not in ("", hash_):
        raise ConfigurationError(
            f"the run in {options.output} was begun by another model", field="model"
        )
    # It is recorded where it is asked for.
    recorded = {"tf32": False} | manifest.configuration.recorded()
    given = {"tf32": options.tf32} | options.what_extractions_depend_on()
    for name, value in given.items():
        if name in recorded and recorded[name] != value:
            raise ConfigurationError(
                f"{value!r}, but the run in {options.output} was begun with {recorded[name]!r}",
                field=name,
            )


def check_device(device: str, pipeline_args: Sequence[str] = ()) -> None:
    """Refuses a device that this machine lacks, if this machine is where the model runs.

    Args:
        device: as in `ExtractOptions`.
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.

    Raises:
        ConfigurationError: if the device is not there.
    """
    if is_local_run(pipeline_args):
        from pfn_kg.pfn.extractor import find_device

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
    with hold(output, "extract"):
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
        inputs=_inputs(plan, added_to),
        configuration=Configuration.model_validate(
            options.model_dump(mode="json", exclude={"output", "resume", "into"})
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
    with (
        hint(how_to_go_on),
        progress or nullcontext(),
        running(pipeline_args) as pipeline,
    ):
        numbered = pipeline | "Runs" >> planned.reader()
        if added_to is None:
            runs = numbered | "Unnumbered" >> beam.Values()
        else:
            live = added_to.read_lists(pipeline, options.output)
            runs = numbered | "Changed" >> ChangedRuns(*live)
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
    if added_to is not None:
        extraction["unchanged_rows"] = unchanged
        records = [*before_it, *records]
        # What the last build was made with is how the next one is made.
        new = {name: getattr(manifest, name) for name in manifest.model_fields_set}
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
