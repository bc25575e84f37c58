"""What readers of files give: documents, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a file.

    Attributes:
        text: of the document.
        id: that the file gives it; None is the file's own, or one derived from content.
        title: of the document.
        fields: all else that is known of it.
        pages: where its pages begin, in code points of `text`; empty without pages.
    """

    text: str
    id: str | None = None
    title: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a file that could not be read.

    Attributes:
        reason: one line; names the line of the file, if it has lines.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know of a file that was read.

    Attributes:
        text: one line.
    """

    text: str


class UnreadableFileError(Exception):
    """A file could not be read to its end; the message is one line without the file's name."""
