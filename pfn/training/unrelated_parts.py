"""Documents of unrelated parts: a model learns that sentences side by side need not be related.

All windows of ordinary training documents are about one subject, so a model that learned from them
alone relates whatever stands near. Here short runs of sentences of different documents are put
together in random order. Facts hold inside a part; every pair across two parts is a negative. Some
lists are of sentences that state the same relation of different subjects, which mislead most.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from pfn_kg.pfn.readers.records import AnnotatedDocument, Reading

# Parts of a document, at least and at most.
_PARTS = (2, 9)
# Of so many documents each part is a single sentence, as in a list.
_LISTS = 0.6
# Of so many lists all sentences state one relation.
_ALIKE = 0.5
# Sentences of a part, at most.
_LONGEST = 3
# So many parts begin with the first sentence of their document, which introduces its subject as
# the first sentence of any text does.
_BEGINNINGS = 0.4


class _Part(NamedTuple):
    """A run of sentences of a document, from its sentence number `first` on."""

    document: AnnotatedDocument
    first: int
    length: int


def unrelated_parts(reading: Reading, sentences: int, rng: random.Random) -> Reading:
    """Draws documents made of parts of others.

    Args:
        reading: with at least two documents that are annotated with all labels.
        sentences: about how many sentences the new documents have together.
        rng: draws the parts.

    Returns:
        Documents whose clusters and facts are those inside their parts.
    """
    mixed = Reading()
    by_relation = _sentences_by_relation(reading.documents)
    while len(mixed) < sentences:
        is_list = rng.random() < _LISTS
        if is_list and by_relation and rng.random() < _ALIKE:
            parts = _like_sentences(reading.documents, by_relation, rng)
        else:
            parts = _any_parts(reading.documents, is_list, rng)
        _append(mixed, reading, parts)
    return mixed


def _any_parts(
    documents: list[AnnotatedDocument], is_list: bool, rng: random.Random
) -> list[_Part]:
    most = min(_PARTS[1], len(documents))
    parts = []
    for document in rng.sample(documents, rng.randint(min(_PARTS[0], most), most)):
        size = document.end - document.begin
        length = min(size, 1 if is_list else rng.randint(1, _LONGEST))
        first = 0 if rng.random() < _BEGINNINGS else rng.randrange(size - length + 1)
        parts.append(_Part(document, first, length))
    return parts


def _like_sentences(
    documents: list[AnnotatedDocument],
    by_relation: dict[str, dict[int, list[int]]],
    rng: random.Random,
) -> list[_Part]:
    """One sentence of each of several documents, all stating the same relation."""
    # Each relation as often as any other: frequent ones have their share of the other lists.
    of_relation = by_relation[rng.choice(list(by_relation))]
    most = min(_PARTS[1], len(of_relation))
    drawn = rng.sample(list(of_relation), rng.randint(min(_PARTS[0], most), most))
    return [_Part(documents[number], rng.choice(of_relation[number]), 1) for number in drawn]


def _sentences_by_relation(documents: list[AnnotatedDocument]) -> dict[str, dict[int, list[int]]]:
    """Sentences that name both arguments of a fact, by relation and document's place in the list.

    Relations of a single document are left out.
    """
    by_relation: dict[str, dict[int, list[int]]] = {}
    for number, document in enumerate(documents):
        places = [{sentence for sentence, _ in mentions} for mentions in document.clusters]
        for subject, relation, object_ in document.facts:
            if both := sorted(places[subject] & places[object_]):
                of_relation = by_relation.setdefault(relation, {})
                of_relation.setdefault(number, []).extend(both)
    return {relation: found for relation, found in by_relation.items() if len(found) > 1}


def _append(mixed: Reading, reading: Reading, parts: list[_Part]) -> None:
    """Adds one document of these parts, with the clusters and facts inside each."""
    begin = len(mixed)
    clusters: list[list[tuple[int, int]]] = []
    facts: list[tuple[int, str, int]] = []
    for document, first, length in parts:
        shift = len(mixed) - begin - first
        numbers: dict[int, int] = {}
        for number, mentions in enumerate(document.clusters):
            kept = [(s + shift, i) for s, i in mentions if first <= s < first + length]
            if kept:
                numbers[number] = len(clusters)
                clusters.append(kept)
        facts += [
            (numbers[subject], relation, numbers[object_])
            for subject, relation, object_ in document.facts
            if subject in numbers and object_ in numbers
        ]
        mixed += reading[document.begin + first : document.begin + first + length]
    mixed.documents.append(AnnotatedDocument(begin, len(mixed), clusters, facts))
