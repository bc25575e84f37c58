"""Errors as text for the rows of `rejected` and for people."""

from __future__ import annotations

_MOST_CHARACTERS = 1000


def one_line(error: BaseException) -> str:
    """An error as one line: its class and its message, cut after 1000 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_CHARACTERS]
