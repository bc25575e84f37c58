"""No network for SPARQL: federated queries are refused, and a process can be cut off from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

# The terminals of SPARQL 1.1 (section 19.8) in which a keyword can't stand, then words. Which
# alternative comes first matters as in the grammar: a `#` in an IRI begins no comment, and a
# quotation mark in a comment begins no string.
_TOKEN = re.compile(
    r"""
      <[^\x00-\x20<>"{}|^`\\]*>                       # IRIREF
    | \#[^\r\n]*                                      # comment
    | \'\'\'(?:(?:\'|\'\')?(?:[^'\\]|\\.))*\'\'\'     # STRING_LITERAL_LONG1
    | \"\"\"(?:(?:\"|\"\")?(?:[^"\\]|\\.))*\"\"\"     # STRING_LITERAL_LONG2
    | \'(?:[^'\\\r\n]|\\.)*\'                         # STRING_LITERAL1
    | \"(?:[^"\\\r\n]|\\.)*\"                         # STRING_LITERAL2
    | [?$]\w+                                         # VAR1, VAR2
    | @[A-Za-z]+(?:-[A-Za-z0-9]+)*                    # LANGTAG
    | (?P<word>(?:[\w:.%-]|\\.)+)                     # keywords, prefixed names, numbers
    """,
    re.VERBOSE | re.DOTALL,
)
_CODEPOINT = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


def has_service(sparql: str) -> bool:
    """Whether a query asks another server (SERVICE).

    The text is cut into the terminals of the grammar, so that the word in a string, a comment, an
    IRI, a variable or a prefixed name is none, and the keyword is found however it is written.

    Args:
        sparql: the query; it may be no SPARQL at all.
    """
    # Escapes of code points come before the grammar (section 19.2).
    return any(_names_service(text) for text in {sparql, _CODEPOINT.sub(_character, sparql)})


def _names_service(sparql: str) -> bool:
    # Parsers without a lexer also find the keyword after a number ("1SERVICE") and before an empty
    # prefix ("SERVICE:x"), so a prefix that holds the word is refused too.
    words = (match["word"] for match in _TOKEN.finditer(sparql))
    return any("SERVICE" in word.partition(":")[0].upper() for word in words if word)


def _character(match: re.Match[str]) -> str:
    number = int(match[1] or match[2], 16)
    return chr(number) if number < 0x110000 else match[0]


@contextmanager
def no_new_files() -> Iterator[None]:
    """Lets this process open no file and no socket, on systems that can.

    It is the operating system that refuses, so it holds whatever a library does. Files that are
    open stay so.
    """
    if resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
