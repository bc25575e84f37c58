"""Triples whose arguments stand in two sentences, beside those that one sentence holds.

A pair inside a sentence is another thing than a pair across: of the second, a model that reads
several sentences together is right less often, and its most frequent mistake is to give one
subject the object of the next sentence's.
"""

from __future__ import annotations

import numpy as np

from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments


def heads_across(
    documents: ChunkDocuments, subjects: np.ndarray, objects: np.ndarray
) -> np.ndarray:
    """Which pairs of heads stand in two sentences, as a mask.

    Args:
        documents: of the chunk.
        subjects: head of each subject: `position of the document << 32 | offset`.
        objects: head of each object.
    """
    begins = documents.sentence_rows << 32 | documents.sentence_begins
    one, other = (np.searchsorted(begins, heads, "right") for heads in (subjects, objects))
    across: np.ndarray = one != other
    return across


def tails_across(
    documents: ChunkDocuments, subjects: np.ndarray, objects: np.ndarray
) -> np.ndarray:
    """As `heads_across`, of the ends of subjects and objects."""
    # The end of a mention may be where the next sentence begins.
    return heads_across(documents, subjects - 1, objects - 1)


def is_rival_across(
    subjects: np.ndarray, objects: np.ndarray, *, across: np.ndarray, concerned: np.ndarray
) -> np.ndarray:
    """Which triples across sentences have a rival that a sentence of their document holds.

    Rivals are triples of one document, subject and relation with different objects. A fact that
    some sentence of the document holds has no rival, wherever else the document says it.

    Args:
        subjects: a number for the document, subject and relation of each triple.
        objects: a number for its object.
        across: whether its arguments stand in two sentences.
        concerned: whether its relation has one object.

    Returns:
        A mask.
    """
    inside = concerned & ~across
    has_rival = concerned & np.isin(subjects, subjects[inside])
    facts = subjects * (int(objects.max(initial=0)) + 1) + objects
    return has_rival & ~np.isin(facts, facts[inside])
