"""Lines with styles: in colour on a terminal, and as plain text anywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TextIO, TypeAlias


class Styled(NamedTuple):
    """A text with a style.

    Attributes:
        text: without line breaks.
        style: as rich has it, such as `bold cyan`; empty is none.
    """

    text: str
    style: str = ""


#: What stands on one line; a plain text has no style.
Line: TypeAlias = Sequence[Styled | str]


def in_colour(file: TextIO) -> bool:
    """Whether styles are shown: on a terminal, unless NO_COLOR or a dumb terminal forbids it."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return file.isatty()


def print_lines(lines: Iterable[Line], file: TextIO | None = None) -> None:
    """Prints lines, with their styles where these are shown.

    Long lines are left to the terminal, so that a text copied from it has no breaks of ours.

    Args:
        lines: a text in them holds no line break.
        file: standard output by default.
    """
    file = file or sys.stdout
    if not in_colour(file):
        for line in lines:
            file.write("".join(map(_text, line)).rstrip() + "\n")
        return
    # Imported where it is used: most calls write into a pipe or a file.
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, force_terminal=True, highlight=False, soft_wrap=True)
    for line in lines:
        text = Text()
        for part in line:
            text.append(_text(part), style=part.style if isinstance(part, Styled) else "")
        console.print(text)


def _text(part: Styled | str) -> str:
    return part.text if isinstance(part, Styled) else part
