"""`pfn-kg query`: SPARQL over the RDF of a run."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options, option

EPILOG = (
    "The prefixes of the graph (entity:, relation:, type:, rdfs:, skos:, xsd:, with provenance "
    "statement:, evidence:, term:, oa:, prov:, dcterms:) need no PREFIX line."
)


class QueryOptions(Options):
    """What is asked, of which graph, and how the answer is printed."""

    directory: str = option(
        ...,
        "output folder of a finished run, or of an RDF export",
        metavar="DIR",
        positional="1",
    )
    sparql: str = option(
        ..., "the query; - reads standard input, @FILE a file", metavar="SPARQL", positional="1"
    )
    format: Literal["table", "json", "csv"] | None = option(
        None,
        "of the results of SELECT and ASK; CONSTRUCT and DESCRIBE give Turtle",
        group="Answer",
        default_text="table",
    )


OPTIONS: tuple[type[Options], ...] = (QueryOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(QueryOptions)
    sparql = _read(args.sparql)
    import pyoxigraph

    from pfn_kg.pipeline.query import read_graph

    graph = read_graph(args.directory)
    answer = graph.query(sparql)
    if isinstance(answer, pyoxigraph.QueryTriples):
        if args.format is not None:
            raise ConfigurationError(
                "CONSTRUCT and DESCRIBE give Turtle; leave it out", field="format"
            )
        _write(_turtle(answer, graph.prefixes))
    elif args.format in ("json", "csv"):
        format_ = {
            "json": pyoxigraph.QueryResultsFormat.JSON,
            "csv": pyoxigraph.QueryResultsFormat.CSV,
        }[args.format]
        data = answer.serialize(format=format_) or b""
        _write(data if data.endswith(b"\n") else data + b"\n")
    elif isinstance(answer, pyoxigraph.QueryBoolean):
        print("true" if answer else "false")
    else:
        names = [variable.value for variable in answer.variables]
        rows = [[term_text(term, graph.prefixes) for term in row] for row in answer]
        print(table(names, rows))
        print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}", file=sys.stderr)
    return 0


def _read(query: str) -> str:
    if query == "-":
        data = sys.stdin.buffer.read()
        name = "standard input"
    elif query.startswith("@"):
        name = query[1:]
        try:
            with open(name, "rb") as file:
                data = file.read()
        except OSError as error:
            raise ConfigurationError(f"{name}: {error.strerror}", field="sparql") from None
    else:
        # The shell may pass bytes that are no text.
        data, name = query.encode(errors="surrogateescape"), "the query"
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: not UTF-8", field="sparql") from None


def _turtle(triples: Any, prefixes: Mapping[str, str]) -> bytes:
    """Triples as Turtle, with no more prefixes than they need."""
    from pyoxigraph import RdfFormat, serialize

    statements = list(triples)
    text = serialize(statements, format=RdfFormat.N_TRIPLES) or b""
    used = {prefix: iri for prefix, iri in prefixes.items() if iri.encode() in text}
    return serialize(statements, format=RdfFormat.TURTLE, prefixes=used) or b""


def _write(data: bytes) -> None:
    sys.stdout.write(data.decode())


def term_text(term: Any, prefixes: Mapping[str, str]) -> str:
    """A term of a result for people: names of namespaces in short, literals without type.

    Args:
        term: of pyoxigraph; None is unbound.
        prefixes: that are known.
    """
    import pyoxigraph

    if term is None:
        return ""
    if isinstance(term, pyoxigraph.Literal):
        return term.value
    if isinstance(term, pyoxigraph.Triple):
        return f"<<( {' '.join(term_text(part, prefixes) for part in term)} )>>"
    if not isinstance(term, pyoxigraph.NamedNode):
        return str(term)
    iri = term.value
    for prefix, namespace in sorted(prefixes.items(), key=lambda item: -len(item[1])):
        local = iri.removeprefix(namespace)
        if local != iri and local.isascii() and local.replace("_", "").replace("-", "").isalnum():
            return f"{prefix}:{local}"
    return f"<{iri}>"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns as wide as what they hold; what would break a line is escaped."""
    cells = [[_printable(cell) for cell in row] for row in (names, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(names))]
    lines = [
        "  ".join(cell + " " * (widths[i] - _width(cell)) for i, cell in enumerate(row)).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _printable(text: str) -> str:
    """Text that moves no cursor: control characters and those that turn the line are escaped."""
    return "".join(
        c
        if c.isprintable() or unicodedata.category(c) == "Zs" or c == "\u200d"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0
        if unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )
