"""Numbers in English words: every one is read, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.transforms.values.normalise import normalise_value
from pfn_kg.transforms.values.numerals import leading_number, read_number

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (1000, "thousand"),
    (100, "hundred"),
)


def spell(number: int, hyphen: str, link: str) -> str:
    """A number below 10**15 in words, with these between tens and ones and after hundreds."""
    if number < 20:
        return ONES[number]
    if number < 100:
        ones = number % 10
        return TENS[number // 10 - 2] + (hyphen + ONES[ones] if ones else "")
    for scale, word in SCALES:
        if number >= scale:
            count, rest = divmod(number, scale)
            # After thousands a number below a hundred is linked, or it could mean another.
            linked = " and " if rest < 100 and scale > 100 else link if scale == 100 else " "
            tail = linked + spell(rest, hyphen, link) if rest else ""
            return f"{spell(count, hyphen, link)} {word}{tail}"
    raise AssertionError


@given(
    st.integers(0, 14).flatmap(lambda digits: st.integers(0, 10**digits)),
    st.sampled_from(["-", " - ", " "]),
    st.sampled_from([" ", " and "]),
)
def test_a_number_in_words_is_read(number, hyphen, link):
    words = spell(number, hyphen, link)
    if len(words) > 64:
        assert leading_number(words) is None
        return
    assert leading_number(words) == (str(number), len(words))
    assert leading_number(words.upper()) == (str(number), len(words))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("three hundred and forty-two", "342"),
        ("eleven hundred", "1100"),
        ("one hundred thousand", "100000"),
        ("two million three hundred thousand", "2300000"),
        ("1.5 million", "1500000"),
        ("12 hundred", "1200"),
    ],
)
def test_these_are_numbers(text, number):
    assert read_number(text).lexical == number


@pytest.mark.parametrize(
    "text",
    [
        "a hundred", "hundred", "hundred and five", "and five", "one two", "five six",
        "nineteen eighty-four", "twenty twenty", "three million two", "two thousand three million",
        "one hundred and", "thirty-second", "twentyone", "tension", "sixtysix", "onerous", "no",
        "second", "o", "three point five", "two and a half", "forty--two", "five hundredth",
    ],
)  # fmt: skip
def test_these_are_not(text):
    assert read_number(text) is None


def test_a_quantity_may_begin_with_words():
    value = normalise_value("three hundred and twenty kilometres", "xsd:decimal")
    assert (value.lexical, value.datatype) == ("320 km", "cdt:ucum")
    value = normalise_value("one hundred and five years", "xsd:duration")
    assert (value.lexical, value.datatype) == ("P105Y", "xsd:duration")
