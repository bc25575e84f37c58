"""Names as vectors of the encoder that ships, in whole numbers.

Vectors of names lie in a narrow cone: two strangers have a cosine above 0.5. Hence the mean of a
few names of all kinds is taken away first. What is left is rounded to bytes, of which products are
exact in float32, whatever library multiplies them and in whichever order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pfn_kg.pfn.inference.embedding import TextEmbedder

#: What a component of 1 would become. None of a real vector is above a half.
_SCALE = 254

# People, organisations, places, works and events, whose mean is the centre.
_REFERENCES = (
    *("Maria Lopez", "John Smith", "Ada Lovelace", "Chen Wei", "Ivan Petrov", "Fatima Hassan"),
    *("Acme Corporation", "Ministry of Finance", "Oxford University", "Green Party", "Siemens"),
    *("London", "Norway", "Lake Victoria", "Ohio River", "South Street", "Mount Kenya", "Bavaria"),
    *("The Magic Flute", "Pride and Prejudice", "Yellow Submarine", "English", "Buddhism"),
    *("Battle of Hastings", "World Cup", "Nobel Prize", "City Council", "Air Force", "Red Cross"),
    *("Central Station", "Evening Post", "Royal Theatre", "Boeing 747", "Windows", "Aspirin"),
)


@cache
def _embedder() -> TextEmbedder:
    from pfn_kg.pfn.inference.embedding import TextEmbedder

    # The rounding to bytes then hides most of what machines do differently.
    return TextEmbedder(precision="fp32")


@cache
def _centre() -> np.ndarray:
    return _embedder().embed(_REFERENCES).mean(axis=0)


def vectors_of(texts: Sequence[str]) -> np.ndarray:
    """The vectors of texts; the same texts in the same order give the same bytes on one machine.

    Args:
        texts: names, or lists of names.

    Returns:
        int8, (texts, width).
    """
    if not texts:
        return np.zeros((0, _embedder().width), np.int8)
    away = _embedder().embed(texts) - _centre()
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    return np.clip(np.rint(away * _SCALE), -127, 127).astype(np.int8)


def cosines(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The cosines of all pairs of vectors.

    Args:
        ones: int8, (m, width).
        others: int8, (n, width).

    Returns:
        float64, (m, n); 0 where a vector is all zeros.
    """
    one, other = ones.astype(np.float32), others.astype(np.float32)
    # Sums of whole numbers below 2 ** 24 are exact in float32.
    products = (one @ other.T).astype(np.float64)
    norms = [np.sqrt((v.astype(np.float64) ** 2).sum(axis=1)) for v in (one, other)]
    return products / np.maximum(norms[0][:, None] * norms[1][None, :], 1e-9)
