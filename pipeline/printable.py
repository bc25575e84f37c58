"""Text of documents in a terminal: what would move the cursor is escaped, and widths are known."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""Text that moves no cursor: control characters and those that turn the line are escaped.

    Example:
        >>> printable("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return "".join(
        c
        if c.isprintable() or unicodedata.category(c) == "Zs" or c == "\u200d"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def one_line(text: str) -> str:
    """Text on one line, with one blank for each run of white space, that moves no cursor."""
    return printable(" ".join(text.split()))


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0
        if unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def padded(text: str, columns: int) -> str:
    """Text with blanks up to a number of columns."""
    return text + " " * (columns - width(text))
