"""`pfn-kg load`: the tables of a finished run into Neo4j."""

from __future__ import annotations

import os

from pfn_kg.pipeline.arguments import Call, JobOptions
from pfn_kg.pipeline.commands.neo4j import load_and_report, load_options
from pfn_kg.schemas.load_options import LoadOptions
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True


class FinishedOptions(Options):
    """The graph that is loaded."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")


OPTIONS: tuple[type[Options], ...] = (FinishedOptions, LoadOptions, JobOptions)


def main(call: Call) -> int:
    """Runs the command."""
    job = call.of(JobOptions)
    options = load_options(call, call.given.get("neo4j_uri") or os.environ.get("NEO4J_URI"))
    directory = call.of(FinishedOptions).directory
    return load_and_report(directory, options, beam=call.beam, max_rejected=job.max_rejected)
