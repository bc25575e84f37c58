"""SPARQL for an assistant: each query in a process of its own, which limits can end.

A query can't be stopped from within its process, and its process gives up all files and sockets
(`pfn_kg.pipeline.no_network`). A server needs both to go on, so it runs `pfn-kg query`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from pfn_kg.pipeline.mcp.answers import Answer
from pfn_kg.schemas.errors import ConfigurationError

# What a process may take beside the query: to start, and to make the store of a large graph.
_STARTS_WITHIN = 600.0
_TURTLE = "CONSTRUCT and DESCRIBE give Turtle"


class Solutions(Answer):
    """The answer to a query.

    `rows` are those of SELECT, without the variables that are unbound; `truth` is the answer to
    ASK. `note` says that there are more rows than the limit, or why there may be none.
    """

    variables: list[str]
    rows: list[dict[str, str]]
    truth: bool | None
    note: str | None


def ask(directory: str, sparql: str, *, limit: int, timeout: float) -> Solutions:
    """Answers SELECT or ASK over the RDF of a graph.

    Args:
        directory: the output folder, as an absolute path.
        sparql: the query; the prefixes of the graph need no PREFIX line.
        limit: rows at most.
        timeout: seconds that it may take.

    Raises:
        ConfigurationError: in one line, if the query is wrong, takes too long, asks another
            server or is none of the two forms, or if the graph has no RDF.
    """
    command = [sys.executable, "-m", "pfn_kg", "query", directory, "-", "--format", "json"]
    command += ["--limit", str(limit), "--timeout", str(timeout)]
    try:
        done = subprocess.run(
            command,
            input=sparql.encode(errors="surrogateescape"),
            capture_output=True,
            timeout=timeout + _STARTS_WITHIN,
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"the query takes longer than {timeout:g} s") from None
    said = _said(done.stderr)
    if done.returncode != 0:
        if _TURTLE in said:
            raise ConfigurationError("only SELECT and ASK are answered; write a SELECT")
        raise ConfigurationError(said or f"the query ended with exit code {done.returncode}")
    return _solutions(json.loads(done.stdout), said or None)


def _said(stderr: bytes) -> str:
    """What the command says, as one line without its name and its flags."""
    lines = [line.removeprefix("pfn-kg: ") for line in stderr.decode(errors="replace").splitlines()]
    line = "; ".join(line.strip() for line in lines if line.strip())
    return line.removeprefix("SPARQL: ").replace(" (--timeout)", "")


def _solutions(answer: dict[str, Any], note: str | None) -> Solutions:
    if "boolean" in answer:
        return Solutions(variables=[], rows=[], truth=answer["boolean"], note=note)
    rows = [
        {name: _text(term) for name, term in row.items()} for row in answer["results"]["bindings"]
    ]
    return Solutions(variables=answer["head"]["vars"], rows=rows, truth=None, note=note)


def _text(term: dict[str, Any]) -> str:
    """An IRI or literal as it is; a quoted triple in the form of Turtle."""
    if term["type"] == "triple":
        return f"<<( {' '.join(_text(part) for part in term['value'].values())} )>>"
    return f"_:{term['value']}" if term["type"] == "bnode" else term["value"]
