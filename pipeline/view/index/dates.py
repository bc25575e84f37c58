"""The date of a document, as its metadata give it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ].*)?)?)?")
# Words of the names of fields, the better first.
_GOOD_NAMES = ("publi", "date", "issued", "created", "year", "time", "modified", "updated")


def iso_date(value: Any) -> str | None:
    """A year, month or day of ISO 8601 as text; None for all else.

    Example:
        >>> iso_date("2004-05-06T07:08:09Z"), iso_date(1815), iso_date("2004-13-01")
        ('2004-05-06', '1815', None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    match = _ISO.fullmatch(str(value).strip())
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(part for part in (year, month, day) if part)


def dates_of(metadata: Sequence[str | None]) -> list[str | None]:
    """The date of each document: of the field of the metadata that most often holds one.

    Among fields, one whose name speaks of a date or of publication comes before others, whatever
    the numbers, and a field with another name must hold whole days: an `edition` of 1999 or a
    number of four digits is no date.

    Args:
        metadata: of each document, a JSON object or None.

    Returns:
        A year, month or day of ISO 8601, or None.
    """
    found: list[dict[str, str]] = []
    counts: Counter[str] = Counter()
    for text in metadata:
        fields = _fields(text)
        dates = {
            name: spelt
            for name, value in fields.items()
            if (spelt := iso_date(value)) and (len(spelt) == 10 or _rank(name) < len(_GOOD_NAMES))
        }
        counts.update(dates.keys())
        found.append(dates)
    if not counts:
        return [None] * len(found)
    field = min(counts, key=lambda name: (_rank(name), -counts[name], name))
    return [dates.get(field) for dates in found]


def _fields(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _rank(name: str) -> int:
    lower = name.lower()
    return next((i for i, word in enumerate(_GOOD_NAMES) if word in lower), len(_GOOD_NAMES))
