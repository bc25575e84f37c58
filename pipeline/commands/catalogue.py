"""`pfn-kg catalogue`: things that have IRIs become a file that builds link entities to."""

from __future__ import annotations

import sys

from pfn_kg.pipeline.arguments import Call, ConfigOptions, all_options
from pfn_kg.schemas.catalogue_options import CatalogueOptions, CatalogueServerOptions, is_server
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options

#: Those of the file systems where source and output lie.
TAKES_BEAM_OPTIONS = True

EPILOG = (
    "Exit codes: 0 where all of it was read; 1 where more records than --max-rejected could not be "
    "read, or nothing has a name; 2 where the call or the source is wrong."
)
_NAMED_RECORDS = 5

OPTIONS: tuple[type[Options], ...] = (CatalogueOptions, CatalogueServerOptions, ConfigOptions)


def main(call: Call) -> int:
    """Runs the command."""
    options = call.of(CatalogueOptions)
    from pfn_kg.pipeline.catalogue.read_source import format_of, read_source
    from pfn_kg.pipeline.catalogue.write_catalogue import CatalogueWriter

    options = options.changed(format=options.format or format_of(options.source))
    nodes, server = call.of(CatalogueServerOptions), None
    if options.format == "neo4j":
        if not is_server(options.source):
            raise ConfigurationError(f"{options.source}: no URI of a server", field="source")
        from pfn_kg.pipeline.commands.neo4j import load_options
        from pfn_kg.sinks.neo4j.connection import Neo4jServer

        given = load_options(call, options.source).server
        server = Neo4jServer(**given.model_dump())
    else:
        for one in all_options((CatalogueServerOptions,)):
            if one.name in call.given and one.name != "debug":
                raise ConfigurationError("only where the source is a server", field=one.name)
    writer = CatalogueWriter(options.type_of_class, options.other_type)
    writer.write(read_source(options, server, nodes), options.output)
    return _report(options, writer.counts, [f"{r.place}: {r.reason}" for r in writer.unreadable])


def _report(options: CatalogueOptions, counts: dict[str, int], unreadable: list[str]) -> int:
    bad = counts.get("unreadable", 0)
    for line in unreadable[:_NAMED_RECORDS]:
        _say(f"{options.source}: {line}")
    if bad > _NAMED_RECORDS:
        _say(f"{options.source}: {bad - _NAMED_RECORDS} more records can't be read")
    if left := counts.get("names_of_other_classes", 0):
        _say(f"{left} names left out, since their entries are of other classes")
    if beyond := counts.get("names_beyond_most", 0):
        _say(f"{beyond} names left out, since more popular entries have the same name")
    rejected = f", {bad} rejected" if bad else ""
    print(
        f"{options.output}: {counts.get('names', 0)} names; {counts.get('read', 0)} entries of "
        f"{options.source} read{rejected}"
    )
    return int(bad > options.max_rejected or not counts.get("names"))


def _say(line: str) -> None:
    print(f"pfn-kg: {line}", file=sys.stderr)
