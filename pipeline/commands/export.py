"""`pfn-kg export`: the tables of a finished run as files."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

from pfn_kg.pipeline.arguments import Call, ConfigOptions, LockOptions, WorkerOptions
from pfn_kg.pipeline.interruption import hint
from pfn_kg.schemas.build_options import LabelOptions, RdfOptions, is_language_tag
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import Filters
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True


class ExportOptions(Options):
    """What is exported, as what, and where to."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")
    to: Literal["turtle", "ntriples", "trig", "neo4j-import"] = option(
        "turtle", "format of the files", group="Files"
    )
    output: str = option(..., "folder of the files", group="Files", metavar="OUT", common=True)
    gzip: bool = option(False, "compress the files", group="Files", negatable=True)
    graph: str = option(
        "default", "name of the graph, for neo4j-import", group="Neo4j", metavar="NAME"
    )
    neo4j_database: str | None = option(
        None,
        "database, for neo4j-import",
        group="Neo4j",
        metavar="NAME",
        default_text="$NEO4J_DATABASE, else neo4j",
    )


OPTIONS: tuple[type[Options], ...] = (
    ExportOptions,
    RdfOptions,
    LabelOptions,
    Filters,
    ConfigOptions,
    WorkerOptions,
    LockOptions,
)


def main(call: Call) -> int:
    """Runs the command."""
    if not call.given.get("output"):
        raise ConfigurationError("name the folder of the files", field="output")
    given = call.of(ExportOptions)
    rdf, labels, chosen = call.of(RdfOptions), call.of(LabelOptions), call.of(Filters)
    from pfn_kg.pipeline.export import export
    from pfn_kg.pipeline.finished_run import read_finished

    run = read_finished(given.directory)
    chosen.check(run.label_schema)
    sink: Any
    if given.to == "neo4j-import":
        from pfn_kg.sinks.neo4j.bulk_import import AFTERWARDS_FILE, Neo4jImportSink

        database = given.neo4j_database or os.environ.get("NEO4J_DATABASE") or "neo4j"
        version = run.version(filters=chosen.key, lexical=False)
        sink = Neo4jImportSink(
            run.label_schema,
            graph=given.graph,
            version=version,
            database=database,
            compress=given.gzip,
            corrected=run.has_corrections,
        )
        settings: dict[str, Any] = {
            "graph": given.graph,
            "version": version,
            "command": sink.command,
        }
    else:
        from pfn_kg.sinks.rdf.sink import RdfSink

        options = rdf.changed(
            format=given.to,
            gzip=given.gzip,
            language=_language(labels.label_language, run.language),
        )
        sink = RdfSink(run.label_schema, options)
        # The base, so that whoever reads the files knows their prefixes.
        settings = options.model_dump() | {"base_iri": run.label_schema.base_iri}
    with hint(lambda: f"{given.output} is not finished; export again by the same command"):
        counts = export(
            run,
            sink,
            given.output,
            filters=chosen,
            settings=settings,
            pipeline_args=call.beam,
            take_over=call.of(LockOptions).take_over,
        )
    if given.to == "neo4j-import":
        print(
            f"{given.output}: {counts.get('neo4j_entities', 0)} entities, "
            f"{counts.get('neo4j_values', 0)} values, "
            f"{counts.get('neo4j_relations', 0)} relationships; to be run there, with the "
            f"server stopped, then {AFTERWARDS_FILE} with it running:",
            file=sys.stderr,
        )
        print(sink.command)
    else:
        print(f"{given.output}: {counts.get('rdf_triples', 0)} triples")
    return 0


def _language(given: str | None, of_run: str | None) -> str | None:
    """The tag of names: the one that was given, else the language of the corpus."""
    tag = of_run if given is None else given
    if tag is not None and not is_language_tag(tag):
        raise ConfigurationError(
            f"the language of the run, {tag!r}, is no language tag; give one",
            field="label_language",
        )
    return None if tag == "none" else tag
