"""Values: what a text such as "4 May 2004" or "1,200 km" says, as a typed literal.

A value is no entity: "2004" in two documents is not one thing. It is recognised
by what it says, so its canonical form and its datatype are its key. What does not
parse strictly stays a string: a wrong number is worse than none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from pfn_kg.schemas.characters import shown_name
from pfn_kg.schemas.datatypes import XSD, Value
from pfn_kg.transforms.values.dates import read_ancient_date, read_date
from pfn_kg.transforms.values.numerals import read_number
from pfn_kg.transforms.values.periods import read_edtf, read_period
from pfn_kg.transforms.values.quantities import (
    read_canonical_quantity,
    read_duration,
    read_quantity,
)

_Reader = Callable[[str], Value | None]

_TIMES: tuple[_Reader, ...] = (read_date, read_period, read_duration)
_NUMBERS: tuple[_Reader, ...] = (read_number, read_quantity, read_duration)
_READERS: dict[str, tuple[_Reader, ...]] = {
    "": (*_TIMES, *_NUMBERS),
    **dict.fromkeys(("date", "datetime", "gyear", "gyearmonth", "time"), _TIMES),
    **dict.fromkeys(("decimal", "double", "float", "integer", "money"), _NUMBERS),
    "ucum": (read_number, read_canonical_quantity, *_NUMBERS[1:]),
    "duration": (read_duration,),
    "edtf": (read_edtf, *_TIMES),
}
#: The types of the canonical forms that `read_ancient_date` gives.
_DATES = ("date", "gyear", "gyearmonth")

#: Longer texts say more than one thing.
_LONGEST = 64


def normalise_value(text: str, datatype: str | None) -> Value:
    """What a text says, read as the datatype of its type in the label schema.

    Args:
        text: the text of a mention.
        datatype: the datatype its type was given (`xsd:date`, `xsd:gYear`,
            `xsd:decimal`, `xsd:integer`, `xsd:string`, with or without prefix or
            namespace). Temporal ones are read as a date, a month of a year, a year,
            a period or a duration, whichever the text says; numeric ones as a
            decimal, a quantity, an amount of money or a duration; without a datatype
            all are tried, dates first.

    Returns:
        The canonical form and the datatype found (`pfn_kg.schemas.datatypes`): `xsd:string`,
        with white space and compatibility characters normalised and without characters that
        cannot be seen, where nothing parses.

    Example:
        >>> normalise_value("May 4, 2004", "date")
        Value(lexical='2004-05-04', datatype='xsd:date')
    """
    # U+2010 is what NFKC makes of the hyphen that is not broken at.
    plain = unicodedata.normalize("NFKC", text).replace("\u2010", "-")
    normalised = shown_name(plain)
    name = (datatype or "").removeprefix(XSD).rpartition(":")[2].lower()
    if len(normalised) <= _LONGEST:
        ancient = read_ancient_date(normalised) if name in _DATES else None
        # The year 0 is mostly a year that nobody knows, unless it has just this type.
        if ancient and (normalised[0] == "-" or ancient.datatype.lower() == f"xsd:{name}"):
            return ancient
        for read in _READERS.get(name, ()):
            if (value := read(normalised)) is not None:
                return value
    return Value(normalised, "xsd:string")
