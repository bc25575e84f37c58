"""Sentence splitting that keeps offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from sentencex import get_sentence_boundaries

from pfn_kg.schemas.records import Sentence

# A thousand characters without a space, or eight full lines without one: encoded data, a rule of
# dots, a table's border. There is nothing to find in it, and reading it takes minutes. Scripts that
# are written without spaces are not ASCII.
_NO_TEXT = re.compile(r"(?<![!-~])[!-~]{1000,}|^(?:[!-~]{60,}[ \t]*\r?\n){8,}[!-~]*", re.MULTILINE)
# Either of them has 60 such characters in a row, which few texts have and which is soon found.
_IS_DENSE = bytes(ord("!") <= byte <= ord("~") for byte in range(256))
_DENSE_RUN = bytes([True]) * 60
# As `_make` of a named tuple does it, at a third of the time.
_sentence: Any = partial(tuple.__new__, Sentence)


def unread_parts(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text that are no text: (begin, end) in order, none empty."""
    if _DENSE_RUN not in text.encode("utf-8", "surrogatepass").translate(_IS_DENSE):
        return iter(())
    return (match.span() for match in _NO_TEXT.finditer(text))


def split_sentences(text: str, language: str = "en") -> list[Sentence]:
    """Splits a text into sentences, white space around them left out.

    Args:
        text: any text.
        language: ISO 639-1 code; an unknown one is split by general rules.

    Returns:
        Sentences in order, indices from 0; none is empty and none overlaps another. All that is
        neither white space nor an unread part (`unread_parts`) is in one.

    Example:
        >>> text = "It rained. We left."
        >>> [text[s.begin:s.end] for s in split_sentences(text)]
        ['It rained.', 'We left.']
    """
    sentences: list[Sentence] = []
    for part_begin, part_end in _read_parts(text):
        part = text[part_begin:part_end]
        for boundary in get_sentence_boundaries(language, part):
            begin, end = boundary["start_index"], boundary["end_index"]
            sentence = part[begin:end].rstrip()
            if sentence:
                end = part_begin + begin + len(sentence)
                begin = end - len(sentence.lstrip())
                sentences.append(_sentence((len(sentences), begin, end)))
    return sentences


def _read_parts(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text between those that are unread."""
    begin = 0
    for unread_begin, unread_end in unread_parts(text):
        yield begin, unread_begin
        begin = unread_end
    yield begin, len(text)
