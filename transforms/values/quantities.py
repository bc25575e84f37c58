"""Quantities: numbers with a unit, amounts of money and durations.

A quantity is a literal of `cdt:ucum`: a decimal, a space and a unit of the Unified Code
for Units of Measure. Nothing is converted: 5000 m is what the text says, not 5 km. Units
that mean two things (a ton, an acre, a pound) are left to be text.

Money is not in that code. An amount is a decimal, a space and the ISO 4217 code of the
currency, or its sign where that is all the text says and several have it, as with "$".

Our own: quantulum3 decides on units that mean two things ("100 pounds", "5 tons") and gives names
of its own in place of UCUM codes.
"""

from __future__ import annotations

import re
from decimal import Decimal

from pfn_kg.schemas.datatypes import DURATION, MONEY, QUANTITY, Value
from pfn_kg.transforms.values.numerals import leading_number

#: Units as they are written; of these the case matters.
_SYMBOLS = {
    **{code: code for code in ("m", "km", "cm", "mm", "g", "kg", "mg", "t", "L", "mL", "%")},
    **{code: code for code in ("Hz", "kHz", "MHz", "GHz", "W", "kW", "MW", "GW", "V", "kV")},
    **{code: code for code in ("km/h", "m/s", "m2", "km2", "cm2", "m3", "km3", "cm3")},
    "ft": "[ft_i]",
    "mi": "[mi_i]",
    "yd": "[yd_i]",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "ha": "har",
    "sq mi": "[mi_i]2",
    "sq km": "km2",
    "mph": "[mi_i]/h",
    "°C": "Cel",
    "° C": "Cel",
    "°F": "[degF]",
    "° F": "[degF]",
}
#: Units as words, in the singular; "er" is taken for "re" at their end.
_WORDS = {
    "metre": "m",
    "kilometre": "km",
    "centimetre": "cm",
    "millimetre": "mm",
    "square metre": "m2",
    "square kilometre": "km2",
    "cubic metre": "m3",
    "cubic kilometre": "km3",
    "litre": "L",
    "gram": "g",
    "kilogram": "kg",
    "milligram": "mg",
    "tonne": "t",
    "metric ton": "t",
    "hectare": "har",
    "inch": "[in_i]",
    "foot": "[ft_i]",
    "yard": "[yd_i]",
    "mile": "[mi_i]",
    "square mile": "[mi_i]2",
    "square foot": "[ft_i]2",
    "mile per hour": "[mi_i]/h",
    "kilometre per hour": "km/h",
    "knot": "[kn_i]",
    "hertz": "Hz",
    "watt": "W",
    "kilowatt": "kW",
    "megawatt": "MW",
    "volt": "V",
    "percent": "%",
    "per cent": "%",
    "degree celsius": "Cel",
    "degree fahrenheit": "[degF]",
}
# A canonical form is read as itself.
_SYMBOLS |= {code: code for code in {*_SYMBOLS.values(), *_WORDS.values()}}
# A letter by itself is a unit only where units are asked for: "1.5m" people are a million and a
# half, 5 g a mobile network, and a V and an L are roman numbers.
_LETTERS = frozenset(code for code in _SYMBOLS if len(code) == 1 and code.isalpha())

_CODES = ("AUD", "BRL", "CAD", "CHF", "CNY", "EUR", "GBP", "INR", "JPY", "KRW", "RUB", "USD")
#: Currencies before or after a number, and what they are called after one.
_CURRENCIES = {code.lower(): code for code in _CODES} | {
    "$": "$",
    "£": "£",
    "¥": "¥",
    "€": "EUR",
    "us$": "USD",
    "us $": "USD",
    "a$": "AUD",
    "c$": "CAD",
    "ca$": "CAD",
}
_CURRENCY_WORDS = {
    "dollar": "$",
    "us dollar": "USD",
    "u.s. dollar": "USD",
    "euro": "EUR",
    "pound sterling": "GBP",
    "yen": "JPY",
    "swiss franc": "CHF",
}
_CURRENCY_FIRST = re.compile(
    rf"(?P<currency>{'|'.join(map(re.escape, sorted(_CURRENCIES, key=len, reverse=True)))})\s?"
    r"(?=[0-9])",
    re.IGNORECASE,
)
#: What follows a number of money: "$3 m" is three million.
_SHORT_SCALES = {"": 0, "k": 3, "m": 6, "bn": 9}

#: Months and seconds of what durations are counted in.
_LENGTHS = {
    "second": (0, 1),
    "minute": (0, 60),
    "hour": (0, 3600),
    "day": (0, 86400),
    "week": (0, 7 * 86400),
    "month": (1, 0),
    "year": (12, 0),
    "decade": (120, 0),
    "century": (1200, 0),
}
_DURATION = re.compile(
    r"P(?=.)(?:(?P<year>\d+)Y)?(?:(?P<month>\d+)M)?(?:(?P<day>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hour>\d+)H)?(?:(?P<minute>\d+)M)?(?:(?P<second>\d+)S)?)?",
    re.ASCII,
)
#: Longer than that is geology, and more than some readers of xsd:duration can hold.
_MOST_UNITS = 9_999_999


def read_quantity(text: str) -> Value | None:
    """The quantity or the amount of money that a text says, if it says just that.

    Example:
        >>> read_quantity("20 °C")
        Value(lexical='20 Cel', datatype='cdt:ucum')
        >>> read_quantity("$3.5 million")
        Value(lexical='3500000 $', datatype='term:money')
    """
    if match := _CURRENCY_FIRST.match(text):
        return _money(text[match.end() :], _CURRENCIES[match["currency"].lower()])
    if (leading := leading_number(text)) is None:
        return None
    number, end = leading
    unit = _unit_at(text, end)
    symbol = None if unit in _LETTERS else _SYMBOLS.get(unit)
    if code := symbol or _by_word(unit, _WORDS):
        return Value(f"{number} {code}", QUANTITY)
    # "1.5m euros": the currency says that the letter is a million.
    scale, space, rest = unit.partition(" ")
    if space and scale.lower() in _SHORT_SCALES:
        number, unit = _scaled(number, _SHORT_SCALES[scale.lower()]), rest.strip()
    currency = _CURRENCIES.get(unit.lower()) or _by_word(unit, _CURRENCY_WORDS)
    return Value(f"{number} {currency}", MONEY) if currency else None


def read_canonical_quantity(text: str) -> Value | None:
    """A quantity whose unit may be a letter by itself, for where quantities are asked for.

    Example:
        >>> read_canonical_quantity("1.5 m")
        Value(lexical='1.5 m', datatype='cdt:ucum')
        >>> read_quantity("1.5 m") is None
        True
    """
    if (leading := leading_number(text)) is None:
        return None
    unit = _unit_at(text, leading[1])
    return Value(f"{leading[0]} {unit}", QUANTITY) if unit in _LETTERS else None


def _money(text: str, currency: str) -> Value | None:
    if (leading := leading_number(text)) is None:
        return None
    number, end = leading
    scale = _SHORT_SCALES.get(text[end:].strip().lower())
    if scale is None:
        return None
    return Value(f"{_scaled(number, scale)} {currency}", MONEY)


def _scaled(number: str, scale: int) -> str:
    """A number times a power of ten, in canonical form."""
    if not scale:
        return number
    sign, figures, exponent = Decimal(number).as_tuple()
    number = format(Decimal((sign, figures, int(exponent) + scale)), "f")
    # 3.50 and 3.5 are one amount.
    return number.rstrip("0").rstrip(".") if "." in number else number


def _unit_at(text: str, end: int) -> str:
    # "10-inch" and "two - mile" are quantities too.
    return text[end:].strip().removeprefix("-").strip()


def _by_word(unit: str, words: dict[str, str]) -> str | None:
    """The code of a unit or currency called by a word, in the singular or the plural."""
    unit = unit.lower()
    if unit in words:
        return words[unit]
    head, space, rest = unit.partition(" per ")
    head = head.replace("feet", "foot").replace("inches", "inch").replace("degrees ", "degree ")
    if head.startswith("pounds "):
        head = head.replace("pounds", "pound", 1)
    for singular in (head.removesuffix("s"), head):
        if singular.endswith(("meter", "liter")):
            singular = f"{singular[:-2]}re"
        if known_unit := words.get(f"{singular}{space}{rest}"):
            return known_unit
    return None


def read_duration(text: str) -> Value | None:
    """The duration that a text says, if it says just that, in the canonical form of XML Schema.

    Example:
        >>> read_duration("ninety minutes")
        Value(lexical='PT1H30M', datatype='xsd:duration')
    """
    counts: dict[str, int]
    if match := _DURATION.fullmatch(text):
        if len(text) > 48:
            return None
        counts = {name: int(digits or 0) for name, digits in match.groupdict().items()}
    else:
        if (leading := leading_number(text)) is None or not leading[0].isdigit():
            return None
        unit = _unit_at(text, leading[1]).lower()
        unit = "century" if unit == "centuries" else unit.removesuffix("s")
        if unit not in _LENGTHS or len(leading[0]) > 12:
            return None
        counts = {unit: int(leading[0])}
    months = sum(count * _LENGTHS[name][0] for name, count in counts.items())
    seconds = sum(count * _LENGTHS[name][1] for name, count in counts.items())
    years, months = divmod(months, 12)
    days, seconds = divmod(seconds, 86400)
    if max(years, days) > _MOST_UNITS:
        return None
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)

    def part(*fields: tuple[int, str]) -> str:
        return "".join(f"{count}{name}" for count, name in fields if count)

    date = part((years, "Y"), (months, "M"), (days, "D"))
    time = part((hours, "H"), (minutes, "M"), (seconds, "S"))
    lexical = f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"
    return Value(lexical, DURATION)
