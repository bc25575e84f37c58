"""Names that are spelt nearly alike: what makes two of them one.

Of two names that meet in a block, those are alike that have as many words, the same numbers in
them, words that are alike one by one, and as a whole at least the similarity that was asked for
(Indel similarity, as `rapidfuzz.fuzz.ratio`). A whole word that differs, such as north and south,
is no misspelling, however long the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from pfn_kg.transforms.merging.letter_sketches import least_differences, sketches

#: How alike words at the same place must be.
WORD_SIMILARITY = 0.7

# That a similarity is a quotient of floats never decides here.
_SLACK = 1e-6

_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d")
# Louis XIV and Louis XV are two; that Mix is a number too costs nothing.
_ROMAN = re.compile(r"m{0,3}(cm|cd|d?c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")


def words_of(key: str) -> list[str]:
    """The words of a name in canonical form."""
    return _WORD.findall(key)


def numbers_of(words: Sequence[str]) -> tuple[str, ...]:
    """The words that are or hold numbers, Roman ones among them."""
    return tuple(filter(_is_number, words))


def _is_number(word: str) -> bool:
    return bool(_DIGITS.search(word) or _ROMAN.fullmatch(word))


class NearNames:
    """Compares pairs of some names.

    Args:
        keys: names in canonical form.
        similarity: names are alike from here on.
    """

    def __init__(self, keys: Sequence[str], similarity: float):
        self._keys = np.array(keys, dtype=object)
        self._similarity = similarity
        self._sketches, self._lengths = sketches(keys)

    def may_be_alike(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Whether the letters of pairs allow that they are alike: quick, and never wrong about no.

        Args:
            ones: the place of a name for each pair.
            others: the place of the other one.
        """
        lengths = self._lengths[ones] + self._lengths[others]
        least = least_differences(self._sketches[ones], self._sketches[others])
        return least <= (1 - self._similarity) * lengths + _SLACK

    def compare(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How similar the names of pairs are: 0 where they are not alike (float32).

        Args:
            ones: the place of a name for each pair.
            others: the place of the other one.
        """
        from rapidfuzz import process
        from rapidfuzz.distance import Indel

        count = max(1, len(self._keys))
        pairs = np.minimum(ones, others) * count + np.maximum(ones, others)
        # Names meet in several blocks.
        distinct, places = np.unique(pairs, return_inverse=True)
        lower, upper = np.divmod(distinct, count)
        similarities = process.cpdist(
            self._keys[lower],
            self._keys[upper],
            scorer=Indel.normalized_similarity,
            score_cutoff=self._similarity,
            dtype=np.float32,
        )
        similar = np.flatnonzero(similarities)
        alike = are_alike(self._keys[lower[similar]], self._keys[upper[similar]])
        similarities[similar[~alike]] = 0
        return similarities[places]


def are_alike(ones: Iterable[str], others: Iterable[str]) -> np.ndarray:
    """Whether the words of names may be spellings of each other, for pairs of names.

    Args:
        ones: a name for each pair, in canonical form.
        others: the other one.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    alike: list[bool] = []
    pairs: list[int] = []
    words: list[tuple[str, str]] = []
    for number, (one, other) in enumerate(
        zip(map(words_of, ones), map(words_of, others), strict=True)
    ):
        alike.append(len(one) == len(other))
        if alike[-1]:
            differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
            if any(map(_is_number, chain.from_iterable(differing))):
                alike[-1] = numbers_of(one) == numbers_of(other)
            words += differing
            pairs += [number] * len(differing)
    found = np.array(alike, dtype=bool)
    if words:
        similarities = process.cpdist(
            *zip(*words, strict=True),
            scorer=Indel.normalized_similarity,
            score_cutoff=WORD_SIMILARITY,
            dtype=np.float64,
        )
        found[np.array(pairs)[similarities == 0]] = False
    return found
