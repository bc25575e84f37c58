"""`pfn-kg export`: the tables of a finished run as files."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from pfn_kg.pipeline.commands.extract import apply_config
from pfn_kg.pipeline.commands.filters import add_filter_arguments, filters
from pfn_kg.pipeline.commands.rdf import add_rdf_arguments, rdf_options
from pfn_kg.schemas.errors import ConfigurationError

TAKES_BEAM_OPTIONS = True

_RDF = ("turtle", "ntriples", "trig")
_FORMATS = (*_RDF, "neo4j-import")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `export`."""
    parser.add_argument("directory", metavar="DIR", help="output folder of a finished run")
    parser.add_argument("--to", choices=_FORMATS, help="format; default: turtle")
    parser.add_argument("--output", metavar="OUT", help="folder of the files")
    parser.add_argument(
        "--gzip", action=argparse.BooleanOptionalAction, help="compress the files; off"
    )
    add_rdf_arguments(parser)
    group = parser.add_argument_group("neo4j-import")
    group.add_argument("--graph", metavar="NAME", help="name of the graph; default: default")
    group.add_argument(
        "--neo4j-database", metavar="NAME", help="default: $NEO4J_DATABASE, else neo4j"
    )
    add_filter_arguments(parser)
    group = parser.add_argument_group("job")
    group.add_argument("--config", metavar="FILE.yaml", help="all of these options; flags win")
    parser.epilog = "Options of Apache Beam follow after --, such as -- --runner=FlinkRunner"


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    args.max_rejected = None
    apply_config(args)
    format_: Any = args.to or "turtle"
    if format_ not in _FORMATS:
        raise ConfigurationError(f"--to: {format_!r} is not one of {', '.join(_FORMATS)}")
    if not args.output:
        raise ConfigurationError("--output: name the folder of the files")
    chosen = filters(args)
    from pfn_kg.pipeline.export import export
    from pfn_kg.pipeline.finished_run import read_finished

    run = read_finished(args.directory)
    chosen.check(run.label_schema)
    sink: Any
    if format_ == "neo4j-import":
        from pfn_kg.sinks.neo4j.bulk_import import AFTERWARDS_FILE, Neo4jImportSink

        database = args.neo4j_database or os.environ.get("NEO4J_DATABASE") or "neo4j"
        graph = args.graph or "default"
        version = run.version(filters=chosen, lexical=False)
        sink = Neo4jImportSink(
            run.label_schema,
            graph=graph,
            version=version,
            database=database,
            compress=bool(args.gzip),
        )
        settings: dict[str, Any] = {"graph": graph, "version": version, "command": sink.command}
    else:
        from pfn_kg.sinks.rdf.sink import RdfSink

        options = rdf_options(args, run.language)._replace(format=format_, gzip=bool(args.gzip))
        sink = RdfSink(run.label_schema, options)
        # The base, so that whoever reads the files knows their prefixes.
        settings = options._asdict() | {"base_iri": run.label_schema.base_iri}
    counts = export(run, sink, args.output, chosen, settings, args.beam)
    if format_ == "neo4j-import":
        print(
            f"{args.output}: {counts.get('neo4j_entities', 0)} entities, "
            f"{counts.get('neo4j_values', 0)} values, "
            f"{counts.get('neo4j_relations', 0)} relationships; to be run there, with the "
            f"server stopped, then {AFTERWARDS_FILE} with it running:",
            file=sys.stderr,
        )
        print(sink.command)
    else:
        print(f"{args.output}: {counts.get('rdf_triples', 0)} triples")
    return 0
