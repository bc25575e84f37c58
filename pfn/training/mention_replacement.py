"""Mention replacement: training documents told of other entities (Dai and Adel, COLING 2020).

A model that has seen a few hundred documents many times knows their names by heart, and finds
names instead of reading what is said of them. So each epoch some entities of a document take the
names of an entity of another document, of the same type; all mentions of an entity change
together, and what is said of it stays.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from pfn_kg.pfn.readers.records import AnnotatedDocument, GoldEntity, Reading

# Of so many entities that are drawn, the one whose name ends most like the old one is taken, so
# that "Danish" rather becomes "Polish" than "Poland", and a university another one.
_DRAWN = 8


class _Entity(NamedTuple):
    """An entity that can be replaced, or whose names another one can take.

    Attributes:
        document: place of its document.
        cluster: its place there.
        type: of its mentions.
        names: its different names as tokens, those with most characters first.
    """

    document: int
    cluster: int
    type: str
    names: list[tuple[str, ...]]


class MentionReplacement:
    """Replaces entities of a reading.

    Args:
        reading: with documents.
        rate: of the entities that are replaced.
    """

    def __init__(self, reading: Reading, rate: float):
        self._reading = reading
        self._rate = rate
        self._entities = [
            list(_entities(reading, number)) for number in range(len(reading.documents))
        ]
        self._of_type: dict[str, list[_Entity]] = {}
        for entity in (e for of_document in self._entities for e in of_document):
            self._of_type.setdefault(entity.type, []).append(entity)

    def replaced(self, rng: random.Random) -> Reading:
        """The reading with some of its entities replaced.

        Args:
            rng: draws them.

        Returns:
            The same documents, clusters and facts; sentences of which a mention is replaced have
            other tokens, text and places of entities.
        """
        replaced = Reading()
        for number, document in enumerate(self._reading.documents):
            new: dict[tuple[int, int], tuple[str, ...]] = {}
            for entity in self._entities[number]:
                if rng.random() < self._rate:
                    other = self._draw(entity, rng)
                    for place, index in document.clusters[entity.cluster]:
                        rank = entity.names.index(_tokens(self._reading, document, place, index))
                        new[place, index] = other.names[min(rank, len(other.names) - 1)]
            for place in range(document.end - document.begin):
                sentence = self._reading[document.begin + place]
                names = {
                    i: new[place, i] for i in range(len(sentence.entities)) if (place, i) in new
                }
                if not names:
                    replaced.append(sentence)
                    continue
                tokens, entities = _rename(sentence.tokens, sentence.entities, names)
                replaced.add(*sentence[:2], tokens, entities, sentence.triples)
            replaced.documents.append(document)
        return replaced

    def _draw(self, entity: _Entity, rng: random.Random) -> _Entity:
        """An entity of the same type and another document; itself where none is drawn."""
        drawn = rng.choices(self._of_type[entity.type], k=_DRAWN)
        elsewhere = [other for other in drawn if other.document != entity.document]
        return max(elsewhere or [entity], key=lambda other: _alike(other.names[0], entity.names[0]))


def _entities(reading: Reading, number: int) -> Iterator[_Entity]:
    """The entities of a document whose mentions overlap no mention of another."""
    document = reading.documents[number]
    clear = [_clear(sentence.entities) for sentence in reading[document.begin : document.end]]
    owners = Counter(mention for cluster in document.clusters for mention in set(cluster))
    for cluster, mentions in enumerate(document.clusters):
        types = {reading[document.begin + place].entities[i][2] for place, i in mentions}
        if len(types) == 1 and all(
            i in clear[place] and owners[place, i] == 1 for place, i in mentions
        ):
            names = {_tokens(reading, document, place, i) for place, i in mentions}
            longest_first = sorted(names, key=lambda name: (-sum(map(len, name)), name))
            yield _Entity(number, cluster, types.pop(), longest_first)


def _clear(entities: list[GoldEntity]) -> set[int]:
    """Which of a sentence's entities overlap no other one."""
    return {
        i
        for i, (begin, end, _) in enumerate(entities)
        if not any(
            begin < other_end and other_begin < end
            for j, (other_begin, other_end, _) in enumerate(entities)
            if j != i
        )
    }


def _tokens(
    reading: Reading, document: AnnotatedDocument, place: int, index: int
) -> tuple[str, ...]:
    sentence = reading[document.begin + place]
    begin, end, _ = sentence.entities[index]
    return tuple(sentence.tokens[begin:end])


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many characters the ends of two names share."""
    pairs = zip(reversed(" ".join(one)), reversed(" ".join(other)), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _rename(
    tokens: list[str], entities: list[GoldEntity], names: dict[int, tuple[str, ...]]
) -> tuple[list[str], list[GoldEntity]]:
    """Tokens and entities with other names for some of the entities, which don't overlap."""
    renamed: list[str] = []
    # Of each token, and of the end, its new place.
    places: list[int] = []
    begins = {entities[index][0]: index for index in names}
    inside = 0
    for place, token in enumerate(tokens):
        places.append(len(renamed))
        if place in begins:
            index = begins[place]
            renamed += names[index]
            inside = entities[index][1]
        elif place >= inside:
            renamed.append(token)
    places.append(len(renamed))
    # A token inside of a name that is replaced stands where the new name ends: no other entity
    # begins or ends there.
    return renamed, [(places[begin], places[end], type_) for begin, end, type_ in entities]
