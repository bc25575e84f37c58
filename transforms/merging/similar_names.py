"""How likely two names that no rule of spelling joins are of one thing.

A logistic regression over what the names, their neighbours in the graph and their types say.
`benchmarks/similar_names.py` fits it on annotated documents whose entities have ids of a catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

import numpy as np

from pfn_kg.transforms.merging.name_vectors import cosines
from pfn_kg.transforms.merging.near_names import numbers_of, words_of

#: The rule, as the table of entities and the counters call it.
SIMILAR_NAMES = "similar_names"

#: Trigrams in common from which on two words are alike.
_ALIKE = 0.5


class Described(NamedTuple):
    """An entity, as far as it is compared.

    Attributes:
        id: of the entity.
        type: its type.
        key: of its most frequent name.
        name: that name.
        count: its mentions.
        vector: of the name, int8 as bytes.
        context: of the names of its neighbours in the graph, likewise; empty if it has none.
        facts: hashes of some of its facts.
        partners: keys of some of these neighbours.
        seen_in: hashes of some documents that mention it.
    """

    id: bytes
    type: str
    key: str
    name: str
    # A tuple's method of that name is of no use for an entity.
    count: int  # type: ignore[assignment]
    vector: bytes
    context: bytes
    facts: frozenset[bytes]
    partners: frozenset[str]
    seen_in: frozenset[bytes]


class Evidence(NamedTuple):
    """What speaks for two names being of one thing: each from 0 (or -1, of cosines) to 1.

    Attributes:
        names: cosine of the names.
        contexts: cosine of the names of their neighbours; 0 if one has none.
        letters: trigrams of letters in common, of all that both have (Dice).
        facts: facts in common, of one more than those of the one that has fewer: one of one says
            less than three of three.
        partners: neighbours in common, likewise.
        contradiction: 1 if each has a word that is like none of the other, as Ohio River and Mad
            River have, otherwise 0.
        together: 1 if one document has both, otherwise 0.
        unknown: 1 if one has no neighbours that could agree, otherwise 0.
        same_type: 1 or 0.
    """

    names: float
    contexts: float
    letters: float
    facts: float
    partners: float
    contradiction: float
    together: float
    unknown: float
    same_type: float


def evidence(one: Described, other: Described) -> Evidence | None:
    """What speaks for two names being of one thing; None if something rules it out.

    Names with different numbers are of two things, and so are the two ends of a fact.
    """
    if numbers_of(words_of(one.key)) != numbers_of(words_of(other.key)):
        return None
    if other.key in one.partners or one.key in other.partners:
        return None
    return Evidence(
        _cosine(one.vector, other.vector),
        _cosine(one.context, other.context),
        _dice(_trigrams(one.key), _trigrams(other.key)),
        _overlap(one.facts, other.facts),
        _overlap(one.partners, other.partners),
        float(_contradict(words_of(one.key), words_of(other.key))),
        float(bool(one.seen_in & other.seen_in)),
        float(not (one.context and other.context)),
        float(one.type == other.type),
    )


def score(said: Evidence) -> float:
    """How likely two names are of one thing, from 0 to 1."""
    total = BIAS + sum(weight * value for weight, value in zip(WEIGHTS, said, strict=True))
    return 1 / (1 + exp(-total))


def may_be_one(one: Described, other: Described) -> bool:
    """Whether two names may reach DOUBTFUL, by what is quick to say. Most candidates do not.

    All that is slow to say is taken to be the best that it can be.
    """
    total = BIAS + _BEST_OF_OTHERS + _TOGETHER * bool(one.seen_in & other.seen_in)
    total += _LETTERS * _dice(_trigrams(one.key), _trigrams(other.key))
    return 1 / (1 + exp(-total)) >= DOUBTFUL - 1e-9


def _cosine(one: bytes, other: bytes) -> float:
    if not one or not other:
        return 0.0
    vectors = [np.frombuffer(data, np.int8)[None] for data in (one, other)]
    return float(cosines(*vectors)[0, 0])


def _trigrams(key: str) -> frozenset[str]:
    padded = f"  {key} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def _dice(one: frozenset, other: frozenset) -> float:
    return 2 * len(one & other) / max(1, len(one) + len(other))


def _overlap(one: frozenset, other: frozenset) -> float:
    return len(one & other) / (1 + min(len(one), len(other)))


def _contradict(ones: Sequence[str], others: Sequence[str]) -> bool:
    return all(
        any(all(_dice(_trigrams(w), _trigrams(v)) < _ALIKE for v in theirs) for w in mine)
        for mine, theirs in ((ones, others), (others, ones))
    )


#: Of `Evidence`, in its order, fitted by `benchmarks/similar_names.py` on the training part of
#: Re-DocRED, where most pairs of two names for one thing stand in one document.
WEIGHTS = (0.356, -0.331, 4.174, 0.425, -0.039, -1.669, 4.154, 1.805, 0.949)
BIAS = -8.403

#: Scores from which on names are one, and from which on people are asked.
JOINED, DOUBTFUL = 0.92, 0.3

_OF = Evidence(*WEIGHTS)
_LETTERS, _TOGETHER = _OF.letters, _OF.together
# Cosines may be negative.
_BEST_OF_OTHERS = sum(
    abs(weight) if name in ("names", "contexts") else max(weight, 0)
    for name, weight in _OF._replace(letters=0, together=0)._asdict().items()
)
