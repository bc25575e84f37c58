"""Numbers, in figures and in English words, as exact decimals."""

from __future__ import annotations

import re
from decimal import Decimal

from pfn_kg.schemas.datatypes import Value

_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: number for number, word in enumerate(_SMALL)}
_WORDS |= {word: 10 * number for number, word in enumerate(_TENS, 2)}

_SCALE = rf"(?:\s(?P<scale>{'|'.join(_SCALES)})\b)?"
_FIGURES = re.compile(
    r"(?P<sign>[-+\u2212]\s?)?(?P<whole>[0-9]{1,3}(?:\s?,\s?[0-9]{3})+|[0-9]+)"
    rf"(?P<fraction>\.[0-9]+)?{_SCALE}",
    re.IGNORECASE,
)
_SPELT = re.compile(
    rf"(?:(?P<tens>{'|'.join(_TENS)})(?:\s?-\s?(?P<ones>{'|'.join(_SMALL[1:10])}))?"
    rf"|(?P<small>{'|'.join(sorted(_SMALL, key=len, reverse=True))}))\b{_SCALE}",
    re.IGNORECASE,
)

# Nobody writes numbers of hundreds of digits; reading them takes quadratic time.
_LONGEST = 64


def leading_number(text: str) -> tuple[str, int] | None:
    """The number at the start of a text.

    Returns:
        Its canonical form as an `xsd:decimal`, and where it ends in the text.

    Example:
        >>> leading_number("1.5 million years")
        ('1500000', 11)
    """
    if len(text) > _LONGEST:
        return None
    if match := _FIGURES.match(text):
        digits = re.sub(r"[,\s]", "", match["whole"])
        number = Decimal(digits + (match["fraction"] or ""))
    elif match := _SPELT.match(text):
        words = [match[name] for name in ("tens", "ones", "small") if match[name]]
        number = Decimal(sum(_WORDS[word.lower()] for word in words))
    else:
        return None
    # Exact: the context's precision of 28 digits does not apply to a tuple.
    sign, figures, exponent = number.as_tuple()
    scale = _SCALES[match["scale"].lower()] if match["scale"] else 0
    lexical = format(Decimal((sign, figures, int(exponent) + scale)), "f")
    whole, _, fraction = lexical.partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    lexical = f"{whole}.{fraction}" if fraction else whole
    negative = (match.groupdict().get("sign") or "").strip() in ("-", "\u2212") and lexical != "0"
    return "-" + lexical if negative else lexical, match.end()


def read_number(text: str) -> Value | None:
    """The number that a text says, if it says just that.

    Example:
        >>> read_number("twenty-one")
        Value(lexical='21', datatype='xsd:decimal')
    """
    leading = leading_number(text)
    return Value(leading[0], "xsd:decimal") if leading and leading[1] == len(text) else None
