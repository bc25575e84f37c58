"""Dates: a day, a month of a year or a year, as XML Schema writes them.

Our own: dateutil and dateparser fill in the parts that a text lacks from today's date, and read
"2004", "10" and "Friday" as days.
"""

from __future__ import annotations

import datetime
import re

from pfn_kg.schemas.datatypes import Value

_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july",
    "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()} | {"sept": 9}
_MONTH = r"(?P<month>[A-Za-z]+)\.?"
_DAY = r"(?P<day>[0-3]?[0-9])(?:\s?(?:st|nd|rd|th))?"
# A year of fewer digits is as likely to be a number or an age.
_YEAR = r"(?P<year>[0-9]{4})"
_YEAR_ONLY = re.compile(_YEAR)
_YEAR_MONTH = (
    re.compile(rf"{_MONTH}(?:\s?,\s?|\s+(?:of\s+)?){_YEAR}"),
    re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})"),
)
_DATES = (
    re.compile(r"(?P<year>[0-9]{4})\s?-\s?(?P<month>[0-9]{2})\s?-\s?(?P<day>[0-9]{2})"),
    re.compile(rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:\s?,\s?|\s+){_YEAR}", re.IGNORECASE),
    re.compile(rf"{_MONTH}\s+{_DAY}(?:\s?,\s?|\s+){_YEAR}"),
)


def read_date(text: str) -> Value | None:
    """The date that a text says, if it says just that.

    Example:
        >>> read_date("May 4, 2004")
        Value(lexical='2004-05-04', datatype='xsd:date')
    """
    if match := _YEAR_ONLY.fullmatch(text):
        return Value(text, "xsd:gYear") if text != "0000" else None
    for pattern in _DATES:
        if (match := pattern.fullmatch(text)) and (month := _month(match["month"])):
            try:
                date = datetime.date(int(match["year"]), month, int(match["day"]))
            except ValueError:
                return None
            return Value(date.isoformat(), "xsd:date")
    for pattern in _YEAR_MONTH:
        if (match := pattern.fullmatch(text)) and (month := _month(match["month"])):
            if match["year"] == "0000":
                return None
            return Value(f"{match['year']}-{month:02d}", "xsd:gYearMonth")
    return None


def _month(text: str) -> int | None:
    if text.isdigit():
        return int(text) if 1 <= int(text) <= 12 else None
    return _MONTHS.get(text.lower())
