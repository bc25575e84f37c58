"""The evidence of a fact in a document: where its arguments stand nearest to each other.

A model that reads several sentences together says a fact of each two mentions of its
entities, however far apart. The sentences that say it are those where both stand close.
"""

from __future__ import annotations

import numpy as np


def is_nearest(
    documents: np.ndarray, facts: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Which triples have no other of their fact and document that spans fewer sentences.

    Args:
        documents: the document of each triple, a number.
        facts: the fact that it says, a number.
        first: sentence of its subject.
        second: sentence of its object.

    Returns:
        A mask; each fact keeps at least one triple in each document that has it.
    """
    distance = np.abs(first - second)
    order = np.lexsort((distance, facts, documents))
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (documents[order][1:] != documents[order][:-1]) | (
        facts[order][1:] != facts[order][:-1]
    )
    least = distance[order][begins][np.cumsum(begins) - 1]
    nearest = np.empty(len(order), dtype=bool)
    nearest[order] = distance[order] == least
    return nearest
