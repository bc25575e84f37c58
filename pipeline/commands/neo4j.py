"""How `load`, `build`, `run` and `remove` load a graph into Neo4j."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pfn_kg.pipeline.arguments import Call
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.logs import tell
from pfn_kg.schemas.assemble import assemble
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import LoadOptions


def load_options(call: Call, uri: object) -> LoadOptions:
    """The options of a load from the command line and the environment.

    Args:
        call: the command line.
        uri: of the server.

    Raises:
        ConfigurationError: if one is wrong.
    """
    environment = os.environ
    if not uri:
        raise ConfigurationError("name the server, here or in NEO4J_URI", field="neo4j_uri")
    given = {"neo4j_uri": uri}
    if environment.get("NEO4J_DATABASE"):
        given["neo4j_database"] = environment["NEO4J_DATABASE"]
    if environment.get("NEO4J_PASSWORD"):
        given["neo4j_password"] = "env:NEO4J_PASSWORD"
    elif environment.get("NEO4J_PASSWORD_FILE"):
        given["neo4j_password"] = f"file:{environment['NEO4J_PASSWORD_FILE']}"
    given |= {"neo4j_username": environment.get("NEO4J_USERNAME") or "neo4j"} | call.given
    given["neo4j_uri"] = uri
    if given.get("neo4j_password") is None:
        # Whoever has no password is not asked for a name.
        given["neo4j_username"] = None
    return assemble(LoadOptions, given)


def load_and_report(
    directory: str, options: LoadOptions, *, beam: Sequence[str], max_rejected: int | None
) -> int:
    """Loads a finished run and prints what was loaded; gives the exit code."""
    from pfn_kg.pipeline.commands.extract import rejected_code
    from pfn_kg.pipeline.finished_run import read_finished
    from pfn_kg.pipeline.load import load

    with hint(lambda: f"what is loaded stays; load again by `pfn-kg load {directory}`"):
        counts = load(read_finished(directory), options, beam)
    deleted = counts["neo4j_deleted_nodes"] + counts["neo4j_deleted_relationships"]
    lexical = (
        f"{counts['neo4j_documents']} documents, {counts['neo4j_sentences']} sentences, "
        if options.lexical
        else ""
    )
    if options.vectors is not None:
        lexical += f"{counts['neo4j_vectors']} new vectors, "
    print(
        f"{options.server.uri}: graph {options.graph!r}: {counts['neo4j_entities']} nodes, "
        f"{counts['neo4j_relations']} relationships, {lexical}{deleted} older ones deleted, "
        f"{counts['rejected']} rejected"
    )
    if kept := counts["neo4j_kept_for_others"]:
        tell(
            f"pfn-kg: {kept} nodes are no longer in the graph, but stay: relationships of others "
            "hang on them",
            level="WARNING",
        )
    return rejected_code(counts["rejected"], max_rejected)
