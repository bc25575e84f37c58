"""Names as they are searched: without case and accents, from each of their words on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from pfn_kg.transforms.names.canonical_names import canonical_name

#: A key ends after so many characters; no one types more to find a name.
KEY_CHARACTERS = 64
# A name of more words is found by the first ones.
_MOST_WORDS = 12
# Letters that Unicode does not decompose, as people type them without a compose key.
_PLAIN = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ŧ": "t", "ı": "i"}
    | {"æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n", "ĸ": "k"}
)
# Scripts that put no spaces between words: each character may begin one.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W_{_SPACELESS}]+")


def search_form(text: str) -> str:
    """A text without regard to case, accents, white space and the encoding of characters.

    Example:
        >>> search_form("  Łódź, ÉMILE Zola ")
        'lodz, emile zola'
    """
    folded = canonical_name(text)
    if folded.isascii():
        return folded
    parts = unicodedata.normalize("NFD", folded)
    bare = "".join(c for c in parts if unicodedata.category(c) != "Mn").translate(_PLAIN)
    return " ".join(unicodedata.normalize("NFC", bare).split())


def words_of(form: str) -> list[str]:
    """The words of a search form, without punctuation.

    Example:
        >>> words_of("o'brien, conan")
        ['o', 'brien', 'conan']
    """
    return _WORD.findall(form)


def keys_of(form: str) -> Iterator[tuple[str, bool]]:
    """The keys of a search form: the form itself, and what follows from each later word on.

    A prefix of a key is what someone types to find the name, so "lovelace" finds "ada lovelace".

    Args:
        form: from `search_form`.

    Yields:
        A key, and whether it is the whole form; no key twice.

    Example:
        >>> list(keys_of("ada lovelace"))
        [('ada lovelace', True), ('lovelace', False)]
    """
    if not form:
        return
    yield form[:KEY_CHARACTERS], True
    seen = {form[:KEY_CHARACTERS]}
    for number, match in enumerate(_WORD.finditer(form)):
        if number == _MOST_WORDS:
            return
        key = form[match.start() : match.start() + KEY_CHARACTERS]
        if match.start() and key not in seen:
            seen.add(key)
            yield key, False
