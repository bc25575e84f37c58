"""No text takes quadratic time: every regular expression and every function over texts."""

import importlib
import re
import time
from pathlib import Path

import pytest

from pfn_kg.pfn.inference.cut_words import join_cut_words
from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pfn.inference.sentences import split_sentences, unread_parts
from pfn_kg.schemas.characters import shown_name, xml_text
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.merging.near_names import numbers_of, words_of
from pfn_kg.transforms.names.canonical_names import canonical_name, plain_name
from pfn_kg.transforms.names.name_keys import name_key
from pfn_kg.transforms.names.short_forms import abbreviates, form_of
from pfn_kg.transforms.values.dates import read_date
from pfn_kg.transforms.values.normalise import normalise_value
from pfn_kg.transforms.values.numerals import read_number
from pfn_kg.transforms.values.periods import read_period
from pfn_kg.transforms.values.quantities import read_duration, read_quantity

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "pfn", "transforms", "sinks", "pipeline")
CHARACTERS = 16_000
#: Seconds below which nobody minds, and how much longer a text of four times the length may take:
#: quadratic is 16.
QUICK, GROWTH = 0.1, 10

ATOMS = [
    *("a", "A", "0", " ", "\n", "\t", ".", ",", "-", "'", '"', "(", "[", "&", "/", "_", "\u00e9"),
    *(
        "\u2019",
        "\u2013",
        "\u00ad",
        "\u6771",
        "<",
        "#",
        "@",
        ":",
        "$",
        "a.",
        "a ",
        "A ",
        "1,",
        "1 ",
    ),
    *("0-", "- ", "-\n", ", ", "\r\n", "B.C.", "ad ", "the ", "and ", "Inc. ", "'s", "1,000"),
    *("twenty ", "hundred ", " to ", "from ", "Jan ", "c. ", "a. A", "? ", "()", "a\u0301", ". \n"),
]


def patterns():
    """Each compiled expression at the top of a module of ours, by its place; each once.

    With it, whether its module looks for it anywhere in a text, not only at the beginning.
    """
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "re.compile" not in source:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = importlib.import_module(f"pfn_kg.{'.'.join(parts)}")
            for name, value in vars(module).items():
                for number, item in enumerate(value if type(value) is tuple else (value,)):
                    # A bound method of an expression, such as its fullmatch.
                    item = getattr(item, "__self__", item)
                    if isinstance(item, re.Pattern):
                        place = f"{module.__name__}.{name}[{number}]"
                        used = rf"\b{name}\.(search|finditer|findall|sub|subn|split)\b"
                        param = pytest.param(item, bool(re.search(used, source)), id=place)
                        found.setdefault((item.pattern, item.flags), param)
    return list(found.values())


FUNCTIONS = {
    "canonical_name": canonical_name,
    "plain_name": plain_name,
    "shown_name": shown_name,
    "xml_text": xml_text,
    "name_key of people": lambda text: name_key(text, "person", NameRules()),
    "name_key of organisations": lambda text: name_key(text, "organization", NameRules()),
    "normalise_value": lambda text: normalise_value(text, None),
    "read_date": read_date,
    "read_period": read_period,
    "read_number": read_number,
    "read_quantity": read_quantity,
    "read_duration": read_duration,
    "form_of": lambda text: form_of(text, text, "person"),
    "abbreviates": lambda text: abbreviates(text[:10], text),
    "numbers_of": lambda text: numbers_of(words_of(text)),
    "join_cut_words": join_cut_words,
    "unread_parts": lambda text: list(unread_parts(text)),
    "split_sentences": split_sentences,
    "segment": segment,
}


def seconds(call, text):
    begin = time.process_time()
    call(text)
    return time.process_time() - begin


def check(call, atom, characters=CHARACTERS):
    before = None
    for size in (characters // 64, characters // 16, characters // 4, characters):
        text = atom * (size // len(atom)) + "!"
        taken = min(seconds(call, text) for _ in range(2)) if before else seconds(call, text)
        if taken > QUICK:
            assert before is not None, (atom, size, taken)
            assert taken < GROWTH * before, (atom, size, before, taken)
        before = max(taken, QUICK / 16)


@pytest.mark.parametrize(("pattern", "is_sought"), patterns())
def test_expressions(pattern, is_sought):
    as_read = str.encode if isinstance(pattern.pattern, bytes) else str
    for atom in ATOMS:
        if is_sought:
            check(lambda text: sum(1 for _ in pattern.finditer(as_read(text))), atom)
        check(lambda text: pattern.match(as_read(text)), atom)
        check(lambda text: pattern.fullmatch(as_read(text)), atom)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    for atom in ATOMS:
        check(FUNCTIONS[name], atom)


def test_quadratic_time_is_found():
    """The test itself can fail."""
    with pytest.raises(AssertionError):
        check(lambda text: re.fullmatch("a*a*a*b", text), "a", 4_000)
