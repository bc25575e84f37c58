"""Okapi BM25 (Robertson and Zaragoza, 2009): texts ranked by the words that they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pfn_kg.pipeline.search.sparse import Rows

#: How soon further occurrences of a word count less, and how much the length of a text counts.
K1, B = 1.2, 0.75


def bm25(
    postings: Rows, words: Sequence[int], lengths: np.ndarray, group: np.ndarray | None = None
) -> np.ndarray:
    """The score of each text, or of each group of texts.

    Args:
        postings: a row for each word, with the texts that it occurs in and how often.
        words: rows of the words of the question; a word that the question has twice counts once.
        lengths: in words, of each text or each group; texts with higher numbers don't count.
        group: the group that a text belongs to, if groups are scored.

    Returns:
        A score for each text or group; 0 where no word is shared.
    """
    count = len(lengths)
    scores = np.zeros(count)
    norm = K1 * (1 - B + B * lengths / max(float(lengths.mean()), 1.0)) if count else scores
    for word in sorted(set(words)):
        texts, often = postings.row(word)
        if group is None:
            texts, often = texts[texts < count], often[texts < count]
        else:
            often = np.bincount(group[texts], weights=often, minlength=count)
            texts = np.flatnonzero(often)
            often = often[texts]
        rarity = np.log1p((count - len(texts) + 0.5) / (len(texts) + 0.5))
        scores[texts] += rarity * often * (K1 + 1) / (often + norm[texts])
    return scores
