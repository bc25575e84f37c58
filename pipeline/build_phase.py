"""The build phase: from extractions to tables and Turtle, without the model.

The graph is a function of the extractions that the manifest lists, the label schema
and the options. Files are written into a temporary folder and take the place of the
last build's when all of them are there.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from typing import Any

import apache_beam as beam

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pipeline.alias_files import keep_aliases, kept_aliases, merge_options
from pfn_kg.pipeline.build_graph import COUNTS_FILE, BuildGraph
from pfn_kg.pipeline.finished_run import GRAPH_SCHEMA_FILE
from pfn_kg.pipeline.folders import delete_folder, delete_temporary, move_files
from pfn_kg.pipeline.losses import check_labels, say_what_is_lost
from pfn_kg.pipeline.manifest import (
    BuildRecord,
    Manifest,
    chunk_files,
    read_extracted,
    write_manifest,
)
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.write_graph import OWN_FILES
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.transforms.documents.deduplicate import group_count
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.merging.alias_table import read_alias_table
from pfn_kg.transforms.plumbing.files import (
    absolute,
    delete_partial,
    join,
    read_bytes,
    read_if_there,
    replace,
)
from pfn_kg.transforms.tables.parts import TablePart, find_parts

_logger = logging.getLogger(__name__)

_TEMPORARY = ".build-"


def run_build(
    directory: str, options: BuildOptions | None = None, pipeline_args: Sequence[str] = ()
) -> dict[str, Any]:
    """Makes the tables and the Turtle of an output folder from its extractions.

    Args:
        directory: the folder, on any file system that Beam knows.
        options: policies and thresholds.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.

    Returns:
        What was counted, as it also stands in the manifest.

    Raises:
        ConfigurationError: if the folder or an option is wrong.
    """
    options = options or BuildOptions()
    started = time.monotonic()
    directory = absolute(directory)
    manifest = read_extracted(directory)
    label_schema = _label_schema(directory, options)
    facts = _fact_options(manifest, options)
    rdf = _rdf_sink(manifest, label_schema, options)
    aliases = (
        None
        if options.aliases is None
        else read_alias_table(options.aliases, label_schema, options.names)
    )
    old = _last_graph(directory, manifest)
    folder = ExtractionFolder(join(directory, "extractions"))
    chunks = chunk_files(folder, manifest)
    if manifest.run_id is None:  # the first folders have none
        manifest = manifest.changed(run_id=uuid.uuid4().hex)
    write_manifest(directory, manifest.changed(state="building"))
    delete_temporary(directory, _TEMPORARY)
    delete_partial(directory)
    temporary = join(directory, f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        merge = merge_options(
            temporary,
            label_schema=label_schema,
            names=options.names,
            aliases=aliases,
            near_names=options.fuzzy,
        )
        with beam.Pipeline(options=pipeline_options(pipeline_args)) as pipeline:
            _ = (
                pipeline
                | "Chunks" >> beam.Create(chunks, reshuffle=True)
                | "Graph"
                >> BuildGraph(
                    temporary,
                    label_schema,
                    facts,
                    groups=group_count(len(chunks)),
                    rdf=rdf,
                    shard_rows=options.shard_rows,
                    removed=manifest.removed,
                    merge=merge,
                    old=old,
                )
            )
        counts: dict[str, int] = json.loads(read_bytes(join(temporary, COUNTS_FILE)))
        _swap(temporary, directory)
        alias_hash = keep_aliases(directory, aliases)
        replace(join(directory, GRAPH_SCHEMA_FILE), label_schema.to_yaml().encode())
    except BaseException:
        write_manifest(directory, manifest.changed(state="failed"))
        raise
    finally:
        delete_folder(temporary)
    record = BuildRecord(
        options=_settings(options, facts, rdf)
        | {"base_iri": label_schema.base_iri, "aliases": alias_hash},
        seconds=round(time.monotonic() - started, 3),
        counts=counts,
    )
    write_manifest(directory, manifest.changed(state="done", build=record))
    say_what_is_lost(counts, None if manifest.build is None else manifest.build.counts)
    return counts


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
        ConfigurationError: if the label schema or the alias table that it was given is gone.
    """
    recorded = {} if manifest.build is None else manifest.build.options
    options = {name: recorded[name] for name in BuildOptions.model_fields if name in recorded}
    # These two are beside the graph; the record says which they were.
    if options.get("aliases") is not None:
        options["aliases"] = kept_aliases(directory, options["aliases"])
    if options.pop("label_schema", None) == "given":
        options["label_schema"] = _read_schema(directory, GRAPH_SCHEMA_FILE)
    return validate(BuildOptions, options)


def check_aliases(
    directory: str, options: BuildOptions, label_schema: LabelSchema | None = None
) -> None:
    """Refuses a label schema or an alias table that the build would refuse, before anything else.

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
    if options.aliases is not None:
        known = options.label_schema or label_schema or _label_schema(absolute(directory), options)
        read_alias_table(options.aliases, known, options.names)


def _last_graph(directory: str, manifest: Manifest) -> list[TablePart]:
    """The files of the last build that say where ids of entities were."""
    if manifest.build is None:
        return []
    try:
        # Mostly there are none, and then there is nothing to follow.
        had_redirects = manifest.build.counts.get("redirects")
        return find_parts(directory, ["mentions", *(["redirects"] if had_redirects else [])])
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


def _fact_options(manifest: Manifest, options: BuildOptions) -> FactOptions:
    return FactOptions(
        entity_threshold=_threshold(manifest, options, "entity"),
        relation_threshold=_threshold(manifest, options, "relation"),
        head_policy=options.head_policy,
        constraint_policy=options.constraint_policy,
        sentences=options.sentences,
        rules=options.rules,
        names=options.names,
        fact_calibration=calibration_of(manifest.model.calibration, "fact"),
    )


def _threshold(manifest: Manifest, options: BuildOptions, kind: str) -> float:
    """The threshold that was given, else the model's; never below what extractions hold."""
    field = f"{kind}_threshold"
    given, floor = getattr(options, field), getattr(manifest.configuration, f"{kind}_floor")
    threshold: float = getattr(manifest.model, field) if given is None else given
    if threshold < floor:
        raise ConfigurationError(
            f"{threshold} is below {floor}, from which on scores were kept by the extraction",
            field=field,
        )
    return threshold


def _swap(temporary: str, directory: str) -> None:
    """Puts the new files in the place of the old ones, of which none stays."""
    for name in (*TABLE_SCHEMAS, "rdf"):
        delete_folder(join(directory, name))
        move_files(join(temporary, name), join(directory, name), OWN_FILES)
