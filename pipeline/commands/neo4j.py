"""The options of `load`, `build` and `run` that say how a graph goes into Neo4j."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pfn_kg.pipeline.commands.filters import add_filter_arguments, filters
from pfn_kg.schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from pfn_kg.pipeline.load import LoadOptions

#: Options that say how to load, beside the server that is named.
LOAD_OPTIONS = (
    "neo4j_database",
    "neo4j_username",
    "neo4j_password",
    "graph",
    "replace",
    "neo4j_lexical",
    "neo4j_writers",
    "min_confidence",
    "min_evidence",
    "relations",
)


def add_neo4j_arguments(parser: argparse.ArgumentParser, without_uri: str) -> None:
    """Adds the options.

    Args:
        parser: of the command.
        without_uri: what happens where no server is named.
    """
    group = parser.add_argument_group("neo4j")
    group.add_argument(
        "--neo4j-uri", metavar="URI", help=f"such as neo4j+s://HOST:7687; default: {without_uri}"
    )
    group.add_argument(
        "--neo4j-database", metavar="NAME", help="default: $NEO4J_DATABASE, else the user's own"
    )
    group.add_argument(
        "--neo4j-username", metavar="NAME", help="default: $NEO4J_USERNAME, else neo4j"
    )
    group.add_argument(
        "--neo4j-password",
        metavar="REFERENCE",
        help="where workers find it, env:NAME or file:PATH; default: env:NEO4J_PASSWORD, or the "
        "file that $NEO4J_PASSWORD_FILE names",
    )
    group.add_argument("--graph", metavar="NAME", help="name in the database; default: default")
    group.add_argument(
        "--replace", action="store_true", default=None, help="replace the graph of another run"
    )
    group.add_argument(
        "--neo4j-lexical", action="store_true", default=None, help="load documents and sentences"
    )
    group.add_argument(
        "--neo4j-writers", type=int, metavar="N", help="transactions side by side; default: 1"
    )
    add_filter_arguments(parser)


def load_options(args: argparse.Namespace, uri: str | None) -> LoadOptions:
    """The options of a load from the command line and the environment.

    Args:
        args: the command line.
        uri: of the server.

    Raises:
        ConfigurationError: if one is wrong.
    """
    from pfn_kg.pipeline.load import LoadOptions
    from pfn_kg.sinks.neo4j.connection import Neo4jServer

    environment = os.environ
    for name in ("neo4j_database", "neo4j_username", "neo4j_password", "graph"):
        value = getattr(args, name)
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"--{name.replace('_', '-')}: {value!r} is not a text")
    if not isinstance(uri, str) or not uri:
        raise ConfigurationError("--neo4j-uri: name the server, here or in NEO4J_URI")
    password = args.neo4j_password
    if password is None and environment.get("NEO4J_PASSWORD"):
        password = "env:NEO4J_PASSWORD"
    elif password is None and environment.get("NEO4J_PASSWORD_FILE"):
        password = f"file:{environment['NEO4J_PASSWORD_FILE']}"
    username = args.neo4j_username or environment.get("NEO4J_USERNAME") or "neo4j"
    server = Neo4jServer(
        uri,
        args.neo4j_database or environment.get("NEO4J_DATABASE") or None,
        username if password is not None else None,
        password,
    )
    writers = args.neo4j_writers
    if writers is not None and type(writers) is not int:
        raise ConfigurationError(f"--neo4j-writers: {writers!r} is not a number")
    options = LoadOptions(
        server,
        "default" if args.graph is None else args.graph,
        bool(args.replace),
        bool(args.neo4j_lexical),
        1 if writers is None else writers,
        filters(args),
    )
    options.check()
    return options


def load_and_report(
    directory: str, options: LoadOptions, beam: list[str], max_rejected: int | None
) -> int:
    """Loads a finished run and prints what was loaded; gives the exit code."""
    from pfn_kg.pipeline.commands.extract import rejected_code
    from pfn_kg.pipeline.finished_run import read_finished
    from pfn_kg.pipeline.load import load

    counts = load(read_finished(directory), options, beam)
    deleted = counts["neo4j_deleted_nodes"] + counts["neo4j_deleted_relationships"]
    lexical = (
        f"{counts['neo4j_documents']} documents, {counts['neo4j_sentences']} sentences, "
        if options.lexical
        else ""
    )
    print(
        f"{options.server.uri}: graph {options.graph!r}: {counts['neo4j_entities']} nodes, "
        f"{counts['neo4j_relations']} relationships, {lexical}{deleted} older ones deleted, "
        f"{counts['rejected']} rejected"
    )
    if kept := counts["neo4j_kept_for_others"]:
        print(
            f"pfn-kg: {kept} nodes are no longer in the graph, but stay: relationships of others "
            "hang on them",
            file=sys.stderr,
        )
    return rejected_code(counts["rejected"], max_rejected)
