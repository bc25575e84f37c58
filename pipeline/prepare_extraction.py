"""What is checked and fixed before an extraction: options, model, plan and output folder."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from pfn_kg.pfn.checkpoint import (
    SHIPPED,
    find_model,
    model_hash,
    read_config,
    read_label_schema,
)
from pfn_kg.pfn.checksums import check_checksums
from pfn_kg.pipeline.detached import refuse_while_detached
from pfn_kg.pipeline.folders import check_writable
from pfn_kg.pipeline.manifest import Manifest, find_manifest, read_extracted
from pfn_kg.pipeline.options import is_local_run
from pfn_kg.pipeline.reading_defaults import with_reading_defaults
from pfn_kg.pipeline.snapshots import extraction_digest
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import RECORDED_OPTIONS, ExtractOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.plumbing.files import absolute, is_local
from pfn_kg.transforms.plumbing.listing import local_copy
from pfn_kg.transforms.reading.plan import Plan, plan_extraction

#: What a manifest has beside the options where chunks span files.
PACKED = "chunks_span_files"


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
    options: ExtractOptions, pipeline_args: Sequence[str] = (), *, is_finishing: bool = False
) -> PreparedExtraction:
    """Validates everything and makes the plan; writes nothing.

    Args:
        options: of the command.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.
        is_finishing: whether a job of these options has ended, whose results are written down.

    Raises:
        ConfigurationError: if an option, the model, the corpus or the output is wrong.
    """
    output = absolute(options.output)
    check_writable(output)
    if not is_finishing:
        refuse_while_detached(output, "extract")
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
        # What is rejected is less than what is new, and its chunks have names of their own.
        live_version = f"{'retry ' if options.retry else ''}{extraction_digest(manifest)}"
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
        plan=plan_extraction(
            options, hash_, live_version, packed=options.into or _was_packed(manifest)
        ),
        run_id=recorded_id or uuid.uuid4().hex,
        found=manifest,
        added_to=manifest if options.into else None,
    )


def _was_packed(manifest: Manifest | None) -> bool:
    """Whether the chunks of the run that is resumed span files; those of older versions don't."""
    return manifest is None or bool(manifest.configuration.recorded().get(PACKED))


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
    # They are recorded where they are asked for.
    asked = ("tf32", "check_language")
    recorded = dict.fromkeys(asked, False) | manifest.configuration.recorded()
    given = {name: getattr(options, name) for name in asked}
    given |= options.what_extractions_depend_on()
    for name, value in given.items():
        if name in recorded and recorded[name] != value:
            raise ConfigurationError(
                f"{value!r}, but the run in {options.output} was begun with {recorded[name]!r}",
                field=name,
            )
