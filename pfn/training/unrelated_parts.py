"""Documents of unrelated parts: a model learns that sentences side by side need not be related.

All windows of ordinary training documents are about one subject, so a model that learned from them
alone relates whatever stands near. Here short runs of sentences of different documents are put
together in random order. Facts hold inside a part; every pair across two parts is a negative.
"""

from __future__ import annotations

import random

from pfn_kg.pfn.readers.records import AnnotatedDocument, Reading

# Parts of a document, at least and at most.
_PARTS = (2, 9)
# Of so many documents each part is a single sentence, as in a list.
_LISTS = 0.6
# Sentences of a part, at most.
_LONGEST = 3
# So many parts begin with the first sentence of their document, which introduces its subject as
# the first sentence of any text does.
_BEGINNINGS = 0.4


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
    most = min(_PARTS[1], len(reading.documents))
    while len(mixed) < sentences:
        begin = len(mixed)
        clusters: list[list[tuple[int, int]]] = []
        facts: list[tuple[int, str, int]] = []
        is_list = rng.random() < _LISTS
        for document in rng.sample(reading.documents, rng.randint(min(_PARTS[0], most), most)):
            size = document.end - document.begin
            length = min(size, 1 if is_list else rng.randint(1, _LONGEST))
            first = 0 if rng.random() < _BEGINNINGS else rng.randrange(size - length + 1)
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
    return mixed
