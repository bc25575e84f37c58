"""The words of many texts at once, by the class of each character.

The segmentation (`pfn_kg.pfn.inference.segmentation`) looks at one character at a time: it takes
it out, lets it stand alone, or leaves it to the run of letters that it is part of. So the classes
of all characters are looked up in a table, and the borders of words are where classes change.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pfn_kg.pfn.inference.segmentation import segment

_SPACE, _LETTER, _ALONE, _UNKNOWN = range(4)
_CODE_POINTS = 0x110000
_FIRST_SURROGATE, _LAST_SURROGATE = 0xD800, 0xDFFF


class Words(NamedTuple):
    """The words of texts that are joined to one.

    Attributes:
        joined: the texts, one after the other.
        begin: first character of each word in `joined`, in order, (words,).
        end: one past the last character of each word in `joined`, (words,).
        bounds: the words of text i are those from `bounds[i]` to `bounds[i + 1]`, (texts + 1,).
        texts: where each text begins in `joined`, (texts,).
    """

    joined: str
    begin: np.ndarray
    end: np.ndarray
    bounds: np.ndarray
    texts: np.ndarray

    def spelt(self) -> list[str]:
        """The words themselves."""
        joined = self.joined
        return [joined[b:e] for b, e in zip(self.begin.tolist(), self.end.tolist(), strict=True)]


def find_words(texts: Sequence[str], segmentation: str) -> Words:
    """Splits texts into words, each as `segment` does it.

    Args:
        texts: any texts.
        segmentation: a key of `segmentation.SEGMENTATIONS`.

    Raises:
        ConfigurationError: if the segmentation is unknown.
        UnicodeEncodeError: if a text holds half a surrogate pair.
    """
    joined = "".join(texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    firsts = np.cumsum(lengths) - lengths
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _classes(segmentation)[codes]
    if (kinds == _UNKNOWN).any():
        _learn(segmentation, np.unique(codes[kinds == _UNKNOWN]), texts)
        kinds = _classes(segmentation)[codes]
    is_letter = kinds == _LETTER
    # A letter begins a word unless one stands before it in the same text.
    goes_on = np.zeros(len(codes) + 1, bool)
    np.logical_and(is_letter[1:], is_letter[:-1], out=goes_on[1:-1])
    goes_on[firsts] = False
    in_words = kinds != _SPACE
    begin = np.flatnonzero(in_words & ~goes_on[:-1])
    end = np.flatnonzero(in_words & ~goes_on[1:]) + 1
    bounds = np.append(np.searchsorted(begin, firsts), len(begin))
    return Words(joined, begin, end, bounds, firsts)


@lru_cache
def _classes(segmentation: str) -> np.ndarray:
    """The class of each code point; those not met yet are unknown."""
    return np.full(_CODE_POINTS, _UNKNOWN, np.uint8)


def _learn(segmentation: str, codes: np.ndarray, texts: Sequence[str]) -> None:
    """Asks the segmentation for the classes of code points."""
    if ((codes >= _FIRST_SURROGATE) & (codes <= _LAST_SURROGATE)).any():
        for text in texts:
            segment(text, segmentation)
    classes = _classes(segmentation)
    of_words = {((0, 3),): _LETTER, ((0, 1), (2, 3)): _SPACE, ((0, 1), (1, 2), (2, 3)): _ALONE}
    for code in codes.tolist():
        classes[code] = of_words[tuple(segment(f"a{chr(code)}b", segmentation))]
