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
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pfn.resolution import HeadPolicy
from pfn_kg.pipeline.alias_files import keep_aliases, kept_aliases, merge_options
from pfn_kg.pipeline.build_graph import COUNTS_FILE, BuildGraph
from pfn_kg.pipeline.finished_run import GRAPH_SCHEMA_FILE
from pfn_kg.pipeline.folders import delete_folder, delete_temporary, move_files
from pfn_kg.pipeline.manifest import chunk_files, read_extracted, write_manifest
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.write_graph import OWN_FILES
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import ConstraintPolicy, NameRules, Rules
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.rdf.sink import RdfOptions, RdfSink
from pfn_kg.transforms.documents.deduplicate import group_count
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.graph.table_shards import SHARD_ROWS
from pfn_kg.transforms.merging.alias_table import read_alias_table
from pfn_kg.transforms.merging.near_names import NearNameOptions
from pfn_kg.transforms.plumbing.files import absolute, join, read_bytes, replace
from pfn_kg.transforms.tables.parts import TablePart, find_parts

_logger = logging.getLogger(__name__)

_TEMPORARY = ".build-"


class BuildOptions(NamedTuple):
    """How the graph is made of the extractions.

    Attributes:
        entity_threshold: mentions from this score on; None is the model's.
        relation_threshold: head triples from this score on; None is the model's.
        label_schema: in place of the one in the folder.
        head_policy: which mentions at one head take part.
        constraint_policy: what becomes of triples between types that the label
            schema does not give their relation.
        rules: what becomes of triples that other rules of the label schema speak of.
        names: which names are held for one.
        base_iri: namespace of the graph's IRIs, in place of the label schema's.
        rdf: how to write Turtle; None is not at all. Its language is of no account.
        label_language: language tag of names in RDF; None is the corpus's language, and
            `none` is no tag.
        sentences: whether to write the table `sentences`.
        aliases: a file that says which names are of one entity, as in
            `pfn_kg.transforms.merging.alias_table`.
        fuzzy: how alike names are that are of one entity; None compares none.
        shard_rows: about how many rows a file holds.
    """

    entity_threshold: float | None = None
    relation_threshold: float | None = None
    label_schema: LabelSchema | None = None
    head_policy: HeadPolicy = "all"
    constraint_policy: ConstraintPolicy = "flag"
    rules: Rules = Rules()
    names: NameRules = NameRules()
    base_iri: str | None = None
    rdf: RdfOptions | None = RdfOptions()
    label_language: str | None = None
    sentences: bool = False
    aliases: str | None = None
    fuzzy: NearNameOptions | None = None
    shard_rows: int = SHARD_ROWS


def build(
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
    removed = manifest.get("removed", {})
    # Folders of older versions have none.
    manifest.setdefault("run_id", uuid.uuid4().hex)
    write_manifest(directory, manifest | {"state": "building"})
    delete_temporary(directory, _TEMPORARY)
    temporary = join(directory, f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        merge = merge_options(
            temporary,
            label_schema,
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
                    removed=removed,
                    merge=merge,
                    old=old,
                )
            )
        counts: dict[str, int] = json.loads(read_bytes(join(temporary, COUNTS_FILE)))
        _swap(temporary, directory)
        alias_hash = keep_aliases(directory, aliases)
        replace(join(directory, GRAPH_SCHEMA_FILE), label_schema.to_yaml().encode())
    except BaseException:
        write_manifest(directory, manifest | {"state": "failed"})
        raise
    finally:
        delete_folder(temporary)
    settings = facts._asdict() | {
        "fact_calibration": facts.fact_calibration._asdict(),
        "rules": options.rules._asdict(),
        "names": options.names._asdict(),
        "base_iri": label_schema.base_iri,
        "label_language": options.label_language,
        "aliases": alias_hash,
        "fuzzy": options.fuzzy._asdict() if options.fuzzy else None,
        "shard_rows": options.shard_rows,
        "label_schema": "given" if options.label_schema else "label_schema.yaml",
        "rdf": rdf.options._asdict() if rdf else None,
    }
    finished = {
        "options": settings,
        "seconds": round(time.monotonic() - started, 3),
        "counts": counts,
    }
    write_manifest(directory, manifest | {"state": "done", "build": finished})
    return counts


def recorded_options(directory: str, manifest: dict[str, Any]) -> BuildOptions:
    """The options of the last build of a folder; the defaults where there was none.

    Raises:
        ConfigurationError: if the label schema or the alias table that it was given is gone.
    """
    recorded = manifest.get("build", {}).get("options", {})
    taken_apart = {"rdf", "label_schema", "rules", "names", "aliases", "fuzzy"}
    known = set(BuildOptions._fields) - taken_apart
    options = BuildOptions(**{name: recorded[name] for name in known & recorded.keys()})
    options = options._replace(
        rules=Rules(**recorded.get("rules", {})), names=NameRules(**recorded.get("names", {}))
    )
    if "rdf" in recorded:
        rdf = recorded["rdf"]
        options = options._replace(rdf=None if rdf is None else RdfOptions(**rdf))
    if recorded.get("fuzzy") is not None:
        options = options._replace(fuzzy=NearNameOptions(**recorded["fuzzy"]))
    if recorded.get("aliases") is not None:
        options = options._replace(aliases=kept_aliases(directory, recorded["aliases"]))
    if recorded.get("label_schema") == "given":
        options = options._replace(label_schema=_read_schema(directory, GRAPH_SCHEMA_FILE))
    return options


def check_aliases(
    directory: str, options: BuildOptions, label_schema: LabelSchema | None = None
) -> None:
    """Refuses an alias table that the build would refuse, before anything else is done.

    Args:
        directory: the output folder.
        options: of the build.
        label_schema: of the model, if nothing was extracted there yet.

    Raises:
        ConfigurationError: if the table is wrong.
    """
    if options.aliases is not None:
        known = options.label_schema or label_schema or _label_schema(absolute(directory), options)
        read_alias_table(options.aliases, known, options.names)


def _last_graph(directory: str, manifest: Mapping[str, Any]) -> list[TablePart]:
    """The files of the last build that say where ids of entities were."""
    if "build" not in manifest:
        return []
    try:
        # Mostly there are none, and then there is nothing to follow.
        had_redirects = manifest["build"].get("counts", {}).get("redirects")
        return find_parts(directory, ["mentions", *(["redirects"] if had_redirects else [])])
    except ConfigurationError as error:
        _logger.warning("redirects do not go back to the last build: %s", error)
        return []


def _read_schema(directory: str, name: str) -> LabelSchema:
    path = join(directory, name)
    try:
        text = read_bytes(path).decode()
    except (OSError, BeamIOError):
        raise ConfigurationError(f"{path}: no label schema there") from None
    return LabelSchema.from_yaml(text, path)


def _label_schema(directory: str, options: BuildOptions) -> LabelSchema:
    label_schema = options.label_schema
    if label_schema is None:
        label_schema = _read_schema(directory, "label_schema.yaml")
    if options.base_iri is not None:
        data = label_schema.to_dict() | {"base_iri": options.base_iri}
        label_schema = LabelSchema.from_dict(data, "--base-iri")
    return label_schema


def _rdf_sink(
    manifest: dict[str, Any], label_schema: LabelSchema, options: BuildOptions
) -> RdfSink | None:
    if options.rdf is None:
        return None
    language = options.label_language or manifest.get("configuration", {}).get("language")
    language = None if language == "none" else language
    return RdfSink(label_schema, options.rdf._replace(language=language))


def _fact_options(manifest: dict[str, Any], options: BuildOptions) -> FactOptions:
    model = manifest.get("model", {})
    configuration = manifest.get("configuration", {})
    thresholds = {}
    for name in ("entity", "relation"):
        given = getattr(options, f"{name}_threshold")
        floor = configuration.get(f"{name}_floor", 0.0)
        threshold = given if given is not None else model.get(f"{name}_threshold", 0.5)
        if threshold < floor:
            raise ConfigurationError(
                f"--{name}-threshold: {threshold} is below {floor}, "
                "from which on scores were kept by the extraction"
            )
        thresholds[name] = threshold
    return FactOptions(
        entity_threshold=thresholds["entity"],
        relation_threshold=thresholds["relation"],
        head_policy=options.head_policy,
        constraint_policy=options.constraint_policy,
        sentences=options.sentences,
        rules=options.rules,
        names=options.names,
        fact_calibration=calibration_of(model.get("calibration"), "fact"),
    )


def _swap(temporary: str, directory: str) -> None:
    """Puts the new files in the place of the old ones, of which none stays."""
    for name in (*TABLE_SCHEMAS, "rdf"):
        delete_folder(join(directory, name))
        move_files(join(temporary, name), join(directory, name), OWN_FILES)
