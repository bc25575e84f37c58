"""The options of the command that serves a graph to an assistant."""

from __future__ import annotations

from pfn_kg.schemas.options import Options, option

_SPARQL = "SPARQL"


class McpOptions(Options):
    """Which graph is served, and the limits of its queries.

    Attributes:
        directory: the output folder.
        limit: rows that an answer to a SPARQL query holds at most.
        timeout: seconds that a SPARQL query may take.
        vectors: encoder whose vectors rank in `search` too; None is without.
    """

    directory: str = option(
        ..., "output folder of a finished run, on this machine", metavar="DIR", positional="1"
    )
    limit: int = option(
        1000,
        "rows that the answer to a SPARQL query holds at most",
        group=_SPARQL,
        metavar="N",
        common=True,
        ge=1,
    )
    timeout: float = option(
        10.0,
        "give up a SPARQL query after so many seconds",
        group=_SPARQL,
        metavar="SECONDS",
        common=True,
        gt=0,
    )
    vectors: str | None = option(
        None,
        "rank sentences by the vectors of this encoder too, as `search` does",
        group="Search",
        metavar="ENCODER",
        default_text="words and the graph alone",
    )
