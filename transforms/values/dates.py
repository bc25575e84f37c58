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
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
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
_BEFORE_CHRIST = r"B\.?\s?C\.?(?:\s?E\.?)?"
_AFTER_CHRIST = r"A\.?\s?D\.?|C\.?\s?E\.?"
#: An era after a year, in the groups `bc` and `ad`.
ERA = rf"(?:(?P<bc>{_BEFORE_CHRIST})|(?P<ad>{_AFTER_CHRIST}))"
# An era says that the digits beside it are a year, however few they are.
_ERA_YEAR = r"(?P<year>[0-9]{1,3},[0-9]{3}|[0-9]{1,5})"
_WITH_ERA = (
    re.compile(rf"(?P<before>.{{0,30}}?){_ERA_YEAR}\s?{ERA}", re.IGNORECASE),
    re.compile(rf"(?P<before>.{{0,30}}?)\bA\.?\s?D\.?\s?{_ERA_YEAR}", re.IGNORECASE),
)
_MONTH_BEFORE = re.compile(rf"{_MONTH}(?:\s?,\s?|\s+(?:of\s+)?)")
_DAY_BEFORE = (
    re.compile(rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:\s?,\s?|\s+)", re.IGNORECASE),
    re.compile(rf"{_MONTH}\s+{_DAY}(?:\s?,\s?|\s+)"),
)
# As XML Schema 1.1 writes what lies before the year 1; 1.0 had no year 0.
_CANONICAL = re.compile(
    r"(?P<year>-(?!0000)[0-9]{4}|-[1-9][0-9]{4}|0000)(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
)
_TYPES = ("xsd:gYear", "xsd:gYearMonth", "xsd:date")


def read_date(text: str) -> Value | None:
    """The date that a text says, if it says just that.

    Years before Christ are those of XSD 1.1 (part 2, appendix D.2.1), as in ISO 8601: 1 BC is 0000
    and 44 BC is -0043. No date is converted between calendars.

    Example:
        >>> read_date("May 4, 2004")
        Value(lexical='2004-05-04', datatype='xsd:date')
        >>> read_date("44 BC")
        Value(lexical='-0043', datatype='xsd:gYear')
    """
    if match := _YEAR_ONLY.fullmatch(text):
        return Value(text, "xsd:gYear") if text != "0000" else None
    for pattern in _DATES:
        if (match := pattern.fullmatch(text)) and (month := _month(match["month"])):
            return (
                None if match["year"] == "0000" else _date(int(match["year"]), month, match["day"])
            )
    for pattern in _YEAR_MONTH:
        if (match := pattern.fullmatch(text)) and (month := _month(match["month"])):
            return None if match["year"] == "0000" else _date(int(match["year"]), month)
    return _read_with_era(text)


def read_ancient_date(text: str) -> Value | None:
    """A canonical form of a date before the year 1, read as itself.

    A minus or the year 0000 in a text means something else more often than not, so that this is
    for where dates are asked for.

    Example:
        >>> read_ancient_date("-0043-03-15")
        Value(lexical='-0043-03-15', datatype='xsd:date')
    """
    if (match := _CANONICAL.fullmatch(text)) is None:
        return None
    month = int(match["month"]) if match["month"] else None
    return _date(int(match["year"]), month, match["day"])


def year_of_era(digits: str, before_christ: bool) -> int | None:
    """The astronomical year of a year of an era; None for a year 0, which no era has.

    Args:
        digits: the year, with or without a comma between the thousands.
        before_christ: whether it is counted backwards.
    """
    year = int(digits.replace(",", ""))
    if not year:
        return None
    return 1 - year if before_christ else year


def spelt_year(year: int) -> str:
    """An astronomical year as XML Schema writes it: four digits at least.

    Example:
        >>> spelt_year(-43), spelt_year(79)
        ('-0043', '0079')
    """
    return f"-{-year:04d}" if year < 0 else f"{year:04d}"


def _read_with_era(text: str) -> Value | None:
    for pattern in _WITH_ERA:
        if (match := pattern.fullmatch(text)) is None:
            continue
        year = year_of_era(match["year"], bool(match.groupdict().get("bc")))
        # Modern dates of five digits do not come with an era; a population does.
        if year is None or year > 9999:
            return None
        before = match["before"]
        if not before:
            return _date(year)
        # "March 5,100 BC" is the fifth of March.
        if "," in match["year"]:
            return None
        for day_pattern in _DAY_BEFORE:
            if (day := day_pattern.fullmatch(before)) and (month := _month(day["month"])):
                return _date(year, month, day["day"])
        if (said := _MONTH_BEFORE.fullmatch(before)) and (month := _month(said["month"])):
            return _date(year, month)
    return None


def _date(year: int, month: int | None = None, day: str | None = None) -> Value | None:
    """A date of an astronomical year, if there is such a day."""
    lexical = spelt_year(year)
    for number in (month, None if day is None else int(day)):
        lexical += "" if number is None else f"-{number:02d}"
    if month is not None:
        try:
            # Leap years come again after 400 years, also before the year 1.
            datetime.date(2000 + year % 400, month, int(day or 1))
        except ValueError:
            return None
    return Value(lexical, _TYPES[(month is not None) + (day is not None)])


def _month(text: str) -> int | None:
    if text.isdigit():
        return int(text) if 1 <= int(text) <= 12 else None
    return _MONTHS.get(text.lower())
