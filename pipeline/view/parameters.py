"""What a request asks for, read from its address."""

from __future__ import annotations

from starlette.requests import Request

from pfn_kg.pipeline.view.data.filters import FactFilter
from pfn_kg.pipeline.view.index.dates import iso_date


class BadRequestError(ValueError):
    """A parameter of a request is wrong. The message names it."""


def text_of(request: Request, name: str) -> str | None:
    """A parameter; None where it is missing or empty."""
    return request.query_params.get(name) or None


def number_of(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number, drawn into its bounds.

    Raises:
        BadRequestError: if it is no whole number.
    """
    text = text_of(request, name)
    if text is None:
        return default
    if not text.lstrip("-").isdecimal() or len(text) > 12:
        raise BadRequestError(f"{name}: {text!r} is not a whole number")
    return max(least, min(int(text), most))


def filter_of(request: Request) -> FactFilter:
    """The facts that a request asks for.

    Raises:
        BadRequestError: if a confidence is no number, or a date none of ISO 8601.
    """
    confidence = text_of(request, "min_confidence") or "0"
    try:
        least = float(confidence)
    except ValueError:
        raise BadRequestError(f"min_confidence: {confidence!r} is not a number") from None
    if not 0 <= least <= 1:
        raise BadRequestError(f"min_confidence: {confidence!r} is not between 0 and 1")
    return FactFilter(
        relations=tuple(request.query_params.getlist("relation")),
        min_confidence=least,
        document=text_of(request, "document"),
        since=_date(request, "since"),
        until=_date(request, "until"),
    )


def _date(request: Request, name: str) -> str | None:
    text = text_of(request, name)
    if text is None:
        return None
    found = iso_date(text)
    if found is None:
        raise BadRequestError(f"{name}: {text!r} is not a year, month or day such as 2004-05-06")
    return found
