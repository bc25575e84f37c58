"""The shape of a word: what an uncased encoder does not see of it, and names need."""

from __future__ import annotations

from functools import lru_cache

WORD_SHAPES: tuple[str, ...] = (
    "special",  # no word: [CLS], [SEP], padding
    "lower",
    "title",
    "upper",
    "initial",  # one letter, upper case
    "mixed",
    "digits",
    "digits-four",  # mostly years
    "alphanumeric",
    "punctuation",
    "other",
)
_INDEX = {name: index for index, name in enumerate(WORD_SHAPES)}


# Most words of a text have been seen before.
@lru_cache(maxsize=1 << 16)
def word_shape(word: str) -> int:
    """The index into `WORD_SHAPES` of a word's shape.

    Example:
        >>> [WORD_SHAPES[word_shape(w)] for w in ("London", "in", "1815", "NATO", "McKay", ",")]
        ['title', 'lower', 'digits-four', 'upper', 'mixed', 'punctuation']
    """
    if word.isdecimal():
        return _INDEX["digits-four" if len(word) == 4 else "digits"]
    if any(c.isdecimal() for c in word):
        return _INDEX["alphanumeric"]
    if word.islower():
        return _INDEX["lower"]
    if word.isupper():
        return _INDEX["initial" if len(word) == 1 else "upper"]
    if word[:1].isupper() and word[1:].islower():
        return _INDEX["title"]
    if any(c.isupper() for c in word):
        return _INDEX["mixed"]
    return _INDEX["other" if any(c.isalpha() for c in word) else "punctuation"]
