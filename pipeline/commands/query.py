"""`pfn-kg query`: SPARQL over the RDF of a run."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.pipeline.printable import padded, printable, width
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
    raw: bool = option(
        False,
        "cells of CSV as they are; else those that a spreadsheet would take for formulas begin "
        "with an apostrophe",
        group="Answer",
    )
    limit: int | None = option(
        None,
        "print this many rows or triples at most",
        group="Answer",
        metavar="N",
        default_text="all",
        ge=0,
    )
    timeout: float | None = option(
        None,
        "give up after so many seconds of asking and printing",
        group="Answer",
        metavar="SECONDS",
        default_text="never",
        gt=0,
    )


#: Those of the file system where the graph lies.
TAKES_BEAM_OPTIONS = True

OPTIONS: tuple[type[Options], ...] = (QueryOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(QueryOptions)
    if args.raw and args.format != "csv":
        raise ConfigurationError("only together with `format` csv", field="raw")
    sparql = _read(args.sparql)
    import pyoxigraph

    # All that printing needs is imported here: afterwards no file can be opened.
    from pfn_kg.pipeline import query_results as results
    from pfn_kg.pipeline.inspect.query_terms import nothing_found
    from pfn_kg.pipeline.no_network import no_new_files
    from pfn_kg.pipeline.query import read_graph

    graph = read_graph(args.directory)
    with no_new_files(), _time_limit(args.timeout):
        answer = graph.query(sparql)
        if isinstance(answer, pyoxigraph.QueryTriples):
            if args.format is not None:
                raise ConfigurationError(
                    "CONSTRUCT and DESCRIBE give Turtle; leave it out", field="format"
                )
            triples = list(_first(answer, args.limit, "triples"))
            is_empty = not triples
            _write(_turtle(triples, graph.prefixes))
        elif isinstance(answer, pyoxigraph.QueryBoolean):
            is_empty = not answer
            if args.format == "json":
                sys.stdout.write(results.json_answer(bool(answer)))
            elif args.format == "csv":
                sys.stdout.write(results.csv_answer(bool(answer)))
            else:
                print("true" if answer else "false")
        else:
            names = [variable.value for variable in answer.variables]
            found = _Counted(_first(answer, args.limit, "rows"))
            if args.format == "json":
                sys.stdout.writelines(results.json_results(names, found))
            elif args.format == "csv":
                sys.stdout.writelines(results.csv_results(names, found, raw=args.raw))
            else:
                rows = [[term_text(term, graph.prefixes) for term in row] for row in found]
                print(table(names, rows))
                print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}", file=sys.stderr)
            is_empty = not found.count
        # What is printed counts too.
        sys.stdout.flush()
        if is_empty and args.limit != 0:
            print(f"pfn-kg: {nothing_found(graph.store, graph.prefixes, sparql)}", file=sys.stderr)
    return 0


class _Counted:
    """Items that are counted while they are read.

    Attributes:
        count: how many were read so far.
    """

    def __init__(self, items: Iterable[Any]):
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def _first(items: Iterable[Any], limit: int | None, called: str) -> Iterator[Any]:
    """The first so many items; says on standard error if there are more."""
    for number, item in enumerate(items):
        if number == limit:
            print(f"pfn-kg: there are more than {limit} {called}", file=sys.stderr)
            return
        yield item


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Ends the process, with one line and the exit code 1, if what is inside takes longer."""
    if seconds is None:
        yield
        return

    def give_up() -> None:
        # A query can't be stopped from outside, and nothing here needs an orderly end.
        line = f"pfn-kg: the query takes longer than {seconds:g} s (--timeout)\n"
        os.write(2, line.encode())
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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


def _turtle(found: Sequence[Any], prefixes: Mapping[str, str]) -> bytes:
    """Triples as Turtle, with no more prefixes than they need."""
    from pyoxigraph import RdfFormat, serialize

    text = serialize(found, format=RdfFormat.N_TRIPLES) or b""
    used = {prefix: iri for prefix, iri in prefixes.items() if iri.encode() in text}
    return serialize(found, format=RdfFormat.TURTLE, prefixes=used) or b""


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
    cells = [[printable(cell) for cell in row] for row in (names, *rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(names))]
    lines = [
        "  ".join(padded(cell, widths[i]) for i, cell in enumerate(row)).rstrip() for row in cells
    ]
    lines.insert(1, "  ".join("-" * columns for columns in widths))
    return "\n".join(lines)
