"""The build phase: from extractions to tables and Turtle, without the model.

The graph is a function of the extractions that the manifest lists, the label schema
and the options. Its files are a snapshot (`pfn_kg.pipeline.snapshots`) that becomes the
current one when all of them are there; until then, and if the build fails, readers find
the graph before it.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam

from pfn_kg.pipeline.alias_files import keep_aliases, kept_aliases, merge_options
from pfn_kg.pipeline.build_graph import BuildGraph
from pfn_kg.pipeline.catalogue_inputs import (
    check_recorded,
    homonyms_of,
    linking_of,
    recorded_linking,
)
from pfn_kg.pipeline.correction_files import read_corrections
from pfn_kg.pipeline.correction_inputs import (
    apart_entities,
    keep_corrections,
    kept_corrections,
    released_names,
)
from pfn_kg.pipeline.detached import refuse_build_while_detached, take_due_build
from pfn_kg.pipeline.fact_thresholds import fact_options
from pfn_kg.pipeline.finish_build import BegunBuild, finish_build, given_up_on_failure
from pfn_kg.pipeline.job_metrics import job_metrics
from pfn_kg.pipeline.lineage import build_sets, lineage
from pfn_kg.pipeline.locks import Owner, hold, write_owner
from pfn_kg.pipeline.losses import check_labels
from pfn_kg.pipeline.manifest import Manifest, read_extracted
from pfn_kg.pipeline.manifest_updates import clean_manifest, update_manifest
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.row_folders import kept_rows
from pfn_kg.pipeline.running import running
from pfn_kg.pipeline.snapshots import (
    CORRECTIONS_FILE,
    GRAPH_SCHEMA_FILE,
    current_folder,
    extraction_digest,
    new_path,
    place_of,
)
from pfn_kg.pipeline.telemetry import span
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.transforms.corrections.find_plan import CorrectionFile
from pfn_kg.transforms.documents.groups import group_count
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.merging.alias_table import read_alias_table
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import absolute, join, read_if_there, replace
from pfn_kg.transforms.plumbing.signs import CheckSign, put_sign
from pfn_kg.transforms.tables.parts import TablePart, find_parts

_logger = logging.getLogger(__name__)


def run_build(
    directory: str, options: BuildOptions | None = None, pipeline_args: Sequence[str] = ()
) -> dict[str, Any]:
    """Makes the tables and the Turtle of an output folder from its extractions.

    Args:
        directory: the folder, on any file system that Beam knows.
        options: policies and thresholds.
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.

    Returns:
        What was counted, as it also stands in the manifest.

    Raises:
        ConfigurationError: if the folder or an option is wrong.
    """
    options = options or BuildOptions()
    directory = absolute(directory)
    read_extracted(directory)
    with (
        hold(directory, "build"),
        span("build", directory=directory),
        lineage("build", directory, lambda: build_sets(directory)),
    ):
        return _build(directory, options, pipeline_args)


def _build(directory: str, options: BuildOptions, pipeline_args: Sequence[str]) -> dict[str, Any]:
    started = time.monotonic()
    begun, add_to = begin_build(directory, options, pipeline_args)
    with given_up_on_failure(directory, begun.path):
        with running(pipeline_args, "build") as pipeline:
            add_to(pipeline)
        metrics = job_metrics(pipeline.result, "build")
        return finish_build(directory, begun, time.monotonic() - started, metrics)


def begin_build(
    directory: str,
    options: BuildOptions,
    pipeline_args: Sequence[str],
    *,
    is_due: bool = False,
) -> tuple[BegunBuild, Callable[[beam.Pipeline], None]]:
    """Makes the folder of a snapshot ready for a job; the caller holds the output folder.

    Args:
        directory: the output folder.
        options: policies and thresholds.
        pipeline_args: Beam's own options.
        is_due: whether it is the build that was to follow an extraction without a command. Any
            other one takes the place of that.

    Returns:
        What the end of the build needs, and what adds its steps to a pipeline.

    Raises:
        ConfigurationError: if the folder or an option is wrong.
    """
    refuse_build_while_detached(directory)
    manifest = read_extracted(directory)
    label_schema = _label_schema(directory, options)
    facts = fact_options(manifest, options)
    rdf = _rdf_sink(manifest, label_schema, options)
    aliases = (
        None
        if options.aliases is None
        else read_alias_table(options.aliases, label_schema, options.names)
    )
    corrections = None if options.corrections is None else read_corrections(options.corrections)
    released = released_names(
        corrections or (), label_schema=label_schema, names=options.names, aliases=aliases
    )
    facts = facts._replace(released=released)
    keys = EntityKeys.of(label_schema, options.names, released)
    linking = linking_of(options.catalogue, label_schema)
    pipeline_options(pipeline_args)  # refuses what is wrong before any work
    old = _last_graph(directory, manifest)
    if not is_due:
        take_due_build(directory)
    manifest = update_manifest(directory, "build", _begun)
    clean_manifest(directory, "build")
    assert manifest.chunks is not None  # as it is extracted
    path = new_path()
    graph = place_of(directory, path)
    with given_up_on_failure(directory, path):
        write_owner(graph, Owner.of_this_process("build"))
        sign = put_sign(graph)
        apart = apart_entities(corrections or (), keys=keys, aliases=aliases)
        merge = merge_options(
            graph,
            keys=keys,
            aliases=aliases,
            near_names=options.fuzzy,
            apart=apart,
        )
        if linking is not None and apart is not None:
            linking = linking._replace(apart=apart)
        correction_hash, kept = None, None
        if corrections is not None:
            correction_hash = keep_corrections(graph, corrections)
            kept = CorrectionFile(
                join(graph, CORRECTIONS_FILE),
                label_schema,
                options.names,
                options.rules,
                released,
            )
        rows = kept_rows(directory, label_schema, facts) if options.keep_rows else None
        alias_hash = keep_aliases(graph, aliases)
        replace(join(graph, GRAPH_SCHEMA_FILE), label_schema.to_yaml().encode())
        groups = group_count(manifest.chunks.count)
        homonyms = homonyms_of(options, keys, corrections or ())

        def add_to(pipeline: beam.Pipeline) -> None:
            chunks, removed = manifest.read_lists(pipeline, directory)
            check = beam.ParDo(CheckSign(graph, sign)).with_output_types(ChunkFile)
            _ = (
                chunks
                | "CheckSign" >> check
                | "Graph"
                >> BuildGraph(
                    graph,
                    label_schema,
                    facts,
                    groups=groups,
                    rdf=rdf,
                    shard_rows=options.shard_rows,
                    removed=removed,
                    merge=merge,
                    linking=linking,
                    homonyms=homonyms,
                    corrections=kept,
                    old=old,
                    kept=rows,
                )
            )

    begun = BegunBuild(
        path=path,
        graph=manifest.graph,
        extraction=extraction_digest(manifest),
        sign=sign,
        settings=_settings(options, facts, rdf)
        | {"base_iri": label_schema.base_iri, "aliases": alias_hash}
        | {"corrections": correction_hash}
        | recorded_linking(linking),
        keep_builds=options.keep_builds,
        rows=None if rows is None else rows.folder,
        last_counts=None if manifest.build is None else manifest.build.counts,
    )
    return begun, add_to


def _begun(manifest: Manifest) -> Manifest:
    # The first folders have no id.
    return manifest.changed(state="building", run_id=manifest.run_id or uuid.uuid4().hex)


def _settings(options: BuildOptions, facts: FactOptions, rdf: RdfSink | None) -> dict[str, Any]:
    """All options of a build as they are recorded, with what they came to for this model."""
    return options.model_dump(mode="json", exclude={"label_schema"}) | {
        "entity_threshold": facts.entity_threshold,
        "relation_threshold": facts.relation_threshold,
        "fact_calibration": facts.fact_calibration._asdict(),
        "label_schema": "given" if options.label_schema else "label_schema.yaml",
        "rdf": rdf.options.model_dump(mode="json") if rdf else None,
    }


def recorded_options(directory: str, manifest: Manifest) -> BuildOptions:
    """The options of the last build of a folder; the defaults where there was none.

    Raises:
        ConfigurationError: if the label schema, the alias table or the corrections that it was
            given are gone.
    """
    recorded = {} if manifest.build is None else manifest.build.options
    options = {name: recorded[name] for name in BuildOptions.model_fields if name in recorded}
    # These three are beside the graph; the record says which they were.
    graph = current_folder(directory, manifest) or directory
    if options.get("corrections") is not None:
        options["corrections"] = kept_corrections(graph, options["corrections"])
    if options.get("aliases") is not None:
        options["aliases"] = kept_aliases(graph, options["aliases"])
    if options.pop("label_schema", None) == "given":
        options["label_schema"] = _read_schema(graph, GRAPH_SCHEMA_FILE)
    restored = validate(BuildOptions, options)
    check_recorded(restored.catalogue, recorded)
    return restored


def check_aliases(
    directory: str, options: BuildOptions, label_schema: LabelSchema | None = None
) -> None:
    """Refuses files that the build would refuse, before anything else.

    These are the label schema, the alias table, the catalogue and the corrections.

    Args:
        directory: the output folder.
        options: of the build.
        label_schema: of the model, if nothing was extracted there yet.

    Raises:
        ConfigurationError: if one of them is wrong.
    """
    if options.label_schema is not None:
        of_model = label_schema or _read_schema(absolute(directory), "label_schema.yaml")
        check_labels(options.label_schema, of_model)
    if options.aliases is not None or options.catalogue is not None:
        known = options.label_schema or label_schema or _label_schema(absolute(directory), options)
        if options.aliases is not None:
            read_alias_table(options.aliases, known, options.names)
        linking_of(options.catalogue, known)
    if options.corrections is not None:
        read_corrections(options.corrections)


def _last_graph(directory: str, manifest: Manifest) -> list[TablePart]:
    """The files of the current graph that say where ids of entities were."""
    graph = current_folder(directory, manifest)
    if graph is None or manifest.build is None:
        return []
    try:
        # Mostly there are none, and then there is nothing to follow.
        had_redirects = manifest.build.counts.get("redirects")
        return find_parts(graph, ["mentions", *(["redirects"] if had_redirects else [])])
    except ConfigurationError as error:
        _logger.warning("redirects do not go back to the last build: %s", error)
        return []


def _read_schema(directory: str, name: str) -> LabelSchema:
    path = join(directory, name)
    content = read_if_there(path)
    if content is None:
        raise ConfigurationError(f"{path}: no label schema there")
    return LabelSchema.from_yaml(content.decode(), path)


def _label_schema(directory: str, options: BuildOptions) -> LabelSchema:
    of_model = _read_schema(directory, "label_schema.yaml")
    label_schema = options.label_schema or of_model
    check_labels(label_schema, of_model)
    if options.base_iri is not None:
        data = label_schema.to_dict() | {"base_iri": options.base_iri}
        try:
            label_schema = LabelSchema.from_dict(data)
        except ConfigurationError as error:
            raise ConfigurationError(str(error), field="base_iri") from None
    return label_schema


def _rdf_sink(
    manifest: Manifest, label_schema: LabelSchema, options: BuildOptions
) -> RdfSink | None:
    if options.rdf is None:
        return None
    language = options.label_language or manifest.configuration.language
    language = None if language == "none" else language
    return RdfSink(label_schema, options.rdf.changed(language=language))
