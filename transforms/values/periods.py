"""Periods and vague dates, as the Extended Date/Time Format (EDTF, ISO 8601-2) writes them.

Only what has an exact form there: "the 1990s", "2004-05" with a dash, "circa 1850",
"summer 2004", "the 18th century", "58-50 BC". "Early 2004" and "the late 1990s" have none.

Our own: the package edtf reads "early 2004" and "1850 men" as years, "April 17–23, 2013" as a day
of 2023, and "1939 to 1945" not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pfn_kg.schemas.datatypes import PERIOD, Value
from pfn_kg.transforms.values.dates import (
    ERA,
    read_ancient_date,
    read_date,
    spelt_year,
    year_of_era,
)

_SEASONS = {"spring": 21, "summer": 22, "autumn": 23, "fall": 23, "winter": 24}
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth", "twenty-first",
)  # fmt: skip
_CENTURIES = {word: number for number, word in enumerate(_ORDINALS, 1)}

_DASH = r"\s?[-\u2013\u2014]\s?"
# Of "the 1900s" nobody knows whether it is ten years or a hundred.
_DECADE = re.compile(r"(?:the\s)?([0-9]{2}[1-9])0\s?['’]?s", re.IGNORECASE)
_CENTURY = re.compile(
    rf"(?:the\s)?(?:([0-9]{{1,2}})\s?(?:st|nd|rd|th)|({'|'.join(_ORDINALS)}))(?:\s|\s?-\s?)century"
    rf"(?:\s{ERA})?",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:c\.\s?|ca\.?\s|circa\s|about\s|around\s|approximately\s)(.+)", re.IGNORECASE
)
_SEASON = re.compile(
    rf"(?:the\s)?({'|'.join(_SEASONS)})\s(?:of\s)?(?:,\s)?([0-9]{{4}})", re.IGNORECASE
)
_SHORT_END = re.compile(r"([0-9]{2})([0-9]{2})(\s?[-\u2013\u2014]\s?)([0-9]{2})")
_DAYS = (
    re.compile(rf"(?P<month>[A-Za-z]{{3,9}})\s(?P<a>[0-9]{{1,2}}){_DASH}(?P<b>[0-9]{{1,2}})\s?,?\s(?P<year>[0-9]{{4}})"),
    re.compile(rf"(?P<a>[0-9]{{1,2}}){_DASH}(?P<b>[0-9]{{1,2}})\s(?P<month>[A-Za-z]{{3,9}})\s(?P<year>[0-9]{{4}})"),
)  # fmt: skip
_TWO = re.compile(r"(?:from\s)?(.{1,48}?)(?:\s?[\u2013\u2014]\s?|\s-\s|\sto\s|\suntil\s)(.+)")
_TWO_YEARS = re.compile(r"([0-9]{4})-([0-9]{4})")
# The era of a second year is that of the first too: "58-50 BC".
_TWO_BEFORE_CHRIST = re.compile(
    rf"(?:from\s)?([0-9]{{1,4}})(?:{_DASH}|\sto\s|\suntil\s)([0-9]{{1,4}})\s?{ERA}", re.IGNORECASE
)
_CANONICAL = re.compile(r"(?!-0000)-?[0-9]{4}~|(?!0000)[0-9]{4}-2[1-4]")
_YEAR_OF = re.compile(r"-?[0-9]+")


def read_period(text: str) -> Value | None:
    """The period or the vague date that a text says, if it says just that.

    Example:
        >>> read_period("the 1990s")
        Value(lexical='1990/1999', datatype='edtf:EDTF')
    """
    if match := _DECADE.fullmatch(text):
        return _interval(f"{match[1]}0", f"{match[1]}9")
    if match := _CENTURY.fullmatch(text):
        number = int(match[1]) if match[1] else _CENTURIES[match[2].lower()]
        if not number:
            return None
        if match["bc"]:
            return _interval(spelt_year(1 - 100 * number), spelt_year(100 - 100 * number))
        return _interval(spelt_year(100 * number - 99), spelt_year(100 * number))
    if match := _ABOUT.fullmatch(text):
        date = read_date(match[1])
        # EDTF has an exact form for years of five digits, but not this one.
        is_year = date is not None and date.datatype == "xsd:gYear" and len(date.lexical) < 6
        return Value(f"{date.lexical}~", PERIOD) if date and is_year else None
    if match := _SEASON.fullmatch(text):
        season = _SEASONS[match[1].lower()]
        return Value(f"{match[2]}-{season}", PERIOD) if match[2] != "0000" else None
    if match := _SHORT_END.fullmatch(text):
        # With a hyphen it may be a month, as far as there are months.
        if match[3] == "-" and int(match[4]) <= 12:
            return None
        return _interval(match[1] + match[2], match[1] + match[4])
    for pattern in _DAYS:
        if match := pattern.fullmatch(text):
            first, last = (f"{match[day]} {match['month']} {match['year']}" for day in "ab")
            return _between(first, last)
    if match := _TWO_BEFORE_CHRIST.fullmatch(text):
        begin, end = (year_of_era(match[group], bool(match["bc"])) for group in (1, 2))
        if begin is None or end is None:
            return None
        return _interval(spelt_year(begin), spelt_year(end))
    if match := _TWO_YEARS.fullmatch(text) or _TWO.fullmatch(text):
        return _between(match[1], match[2])
    return None


def read_edtf(text: str) -> Value | None:
    """What is in EDTF already, as far as `read_period` gives it."""
    begin, slash, end = text.partition("/")
    if slash:
        return _between(begin, end, _read_canonical)
    return Value(text, PERIOD) if _CANONICAL.fullmatch(text) else None


def _read_canonical(text: str) -> Value | None:
    return read_date(text) or read_ancient_date(text)


def _between(begin: str, end: str, read: Callable[[str], Value | None] = read_date) -> Value | None:
    """An interval, if both ends are dates of one exactness."""
    first, last = read(begin), read(end)
    if first is None or last is None or first.datatype != last.datatype:
        return None
    return _interval(first.lexical, last.lexical)


def _interval(begin: str, end: str) -> Value | None:
    """An interval, if it goes forward; EDTF has another form for years of five digits."""
    years = [match[0] for match in map(_YEAR_OF.match, (begin, end)) if match]
    if max(len(year.lstrip("-")) for year in years) > 4:
        return None
    is_forward = (int(years[0]), begin) < (int(years[1]), end)
    return Value(f"{begin}/{end}", PERIOD) if is_forward else None
