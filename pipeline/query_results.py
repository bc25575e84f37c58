"""The answers of SELECT and ASK for machines: SPARQL's JSON and CSV, row by row."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyoxigraph

_STRING = "http://www.w3.org/2001/XMLSchema#string"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
# A spreadsheet takes what begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def json_results(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """SELECT's answer as SPARQL 1.1 Query Results JSON Format has it, in pieces.

    Args:
        names: of the variables.
        rows: a term or None for each of them.
    """
    yield f'{{"head":{{"vars":{_dumps(list(names))}}},"results":{{"bindings":['
    for number, row in enumerate(rows):
        bound = {n: _json_term(t) for n, t in zip(names, row, strict=True) if t is not None}
        yield ("," if number else "") + _dumps(bound)
    yield "]}}\n"


def json_answer(answer: bool) -> str:
    """ASK's answer in the same format."""
    return f'{{"head":{{}},"boolean":{_dumps(answer)}}}\n'


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json_term(term: Any) -> dict[str, Any]:
    if isinstance(term, pyoxigraph.NamedNode):
        return {"type": "uri", "value": term.value}
    if isinstance(term, pyoxigraph.BlankNode):
        return {"type": "bnode", "value": term.value}
    if isinstance(term, pyoxigraph.Triple):
        parts = zip(("subject", "predicate", "object"), term, strict=True)
        return {"type": "triple", "value": {name: _json_term(part) for name, part in parts}}
    found = {"type": "literal", "value": term.value}
    if term.language is not None:
        found["xml:lang"] = term.language
    elif term.datatype.value != _STRING:
        found["datatype"] = term.datatype.value
    return found


def csv_results(
    names: Sequence[str], rows: Iterable[Sequence[Any]], *, raw: bool = False
) -> Iterator[str]:
    """SELECT's answer as CSV (SPARQL 1.1 Query Results CSV Format), line by line.

    Args:
        names: of the variables.
        rows: a term or None for each of them.
        raw: whether cells are left as they are. Else a cell that a spreadsheet would take for a
            formula gets an apostrophe in front, as OWASP recommends; numbers stay.
    """
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(names)
    yield line.getvalue()
    for row in rows:
        line.seek(0)
        line.truncate()
        writer.writerow([_cell(term, raw) for term in row])
        yield line.getvalue()


def csv_answer(answer: bool) -> str:
    """ASK's answer as a CSV file of one cell."""
    return f"{_dumps(answer)}\r\n"


def _cell(term: Any, raw: bool) -> str:
    if term is None:
        return ""
    if isinstance(term, pyoxigraph.NamedNode | pyoxigraph.Literal):
        text: str = term.value
    else:
        text = str(term)
    return text if raw else without_formula(text)


def without_formula(text: str) -> str:
    """A cell's text such that no spreadsheet takes it for a formula.

    Example:
        >>> without_formula("=1+1"), without_formula("-44"), without_formula("a=b")
        ("'=1+1", '-44', 'a=b')
    """
    if text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None:
        return f"'{text}"
    return text
