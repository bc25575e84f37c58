"""`pfn-kg load`: the tables of a finished run into Neo4j."""

from __future__ import annotations

import argparse
import os

from pfn_kg.pipeline.commands.extract import add_job_arguments, apply_config
from pfn_kg.pipeline.commands.neo4j import add_neo4j_arguments, load_and_report, load_options

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `load`."""
    parser.add_argument("directory", metavar="DIR", help="output folder of a finished run")
    add_neo4j_arguments(parser, "$NEO4J_URI")
    add_job_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    apply_config(args)
    options = load_options(args, args.neo4j_uri or os.environ.get("NEO4J_URI"))
    return load_and_report(args.directory, options, args.beam, args.max_rejected)
