"""Values: what a text such as "4 May 2004" or "1,200" says, as a typed literal.

A value is no entity: "2004" in two documents is not one thing. It is recognised
by what it says, so its canonical form and its XML Schema datatype are its key. What
does not parse strictly stays a string: a wrong number is worse than none.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from decimal import Decimal
from typing import NamedTuple

XSD = "http://www.w3.org/2001/XMLSchema#"

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
_NUMBER = re.compile(
    r"(?P<sign>[-+\u2212]\s?)?(?P<whole>[0-9]{1,3}(?:\s?,\s?[0-9]{3})+|[0-9]+)"
    r"(?P<fraction>\.[0-9]+)?(?:\s(?P<scale>hundred|thousand|million|billion|trillion))?",
    re.IGNORECASE,
)
_SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_NUMBER_NAMES = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_WORDS = {word: number for number, word in enumerate(_NUMBER_NAMES)}


class Value(NamedTuple):
    """A value: its canonical lexical form and its datatype, such as `xsd:gYear`."""

    lexical: str
    datatype: str


def normalise_value(text: str, datatype: str | None) -> Value:
    """What a text says, read as the datatype of its type in the label schema.

    Args:
        text: the text of a mention.
        datatype: the datatype its type was given (`xsd:date`, `xsd:gYear`,
            `xsd:decimal`, `xsd:integer`, `xsd:string`, with or without prefix or
            namespace). Temporal ones are read as a date, a month of a year or a
            year, whichever the text says; numeric ones as a decimal; without a
            datatype both are tried, dates first.

    Returns:
        The canonical form and the datatype found: `xsd:string`, with white space
        and compatibility characters normalised, where nothing parses.

    Example:
        >>> normalise_value("May 4, 2004", "date")
        Value(lexical='2004-05-04', datatype='xsd:date')
    """
    normalised = " ".join(unicodedata.normalize("NFKC", text).split())
    name = (datatype or "").removeprefix(XSD).rpartition(":")[2].lower()
    readers = {
        "": (_read_time, _read_number),
        "date": (_read_time,),
        "datetime": (_read_time,),
        "gyear": (_read_time,),
        "gyearmonth": (_read_time,),
        "time": (_read_time,),
        "decimal": (_read_number,),
        "double": (_read_number,),
        "float": (_read_number,),
        "integer": (_read_number,),
    }.get(name, ())
    for read in readers:
        if (value := read(normalised)) is not None:
            return value
    return Value(normalised, "xsd:string")


def _read_time(text: str) -> Value | None:
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


def _read_number(text: str) -> Value | None:
    if text.lower() in _WORDS:
        return Value(str(_WORDS[text.lower()]), "xsd:decimal")
    # Nobody writes numbers of hundreds of digits; reading them takes quadratic time.
    if len(text) > 64 or not (match := _NUMBER.fullmatch(text)):
        return None
    digits = re.sub(r"[,\s]", "", match["whole"])
    number = Decimal(digits + (match["fraction"] or ""))
    # Exact: the context's precision of 28 digits does not apply to a tuple.
    sign, figures, exponent = number.as_tuple()
    scale = len(str(_SCALES[match["scale"].lower()])) - 1 if match["scale"] else 0
    lexical = format(Decimal((sign, figures, int(exponent) + scale)), "f")
    whole, _, fraction = lexical.partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    lexical = f"{whole}.{fraction}" if fraction else whole
    negative = (match["sign"] or "").strip() in ("-", "\u2212") and lexical != "0"
    return Value("-" + lexical if negative else lexical, "xsd:decimal")
