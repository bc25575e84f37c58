"""News items made by rule: companies, politics, sports and culture, several facts in a sentence.

    python examples/training/made_news.py FOLDER -o news.json --documents 3000

The sentences of made_news.yaml get names: some that Re-DocRED's training documents have in such a
place, some invented. An item keeps its names, and people come again by their family name. Others
are lists, in which like sentences have each its own names. Relations are annotated in part: those
of made_news.yaml, with the facts that follow from them. `--into FILE` appends the items to a DocRED
file.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from functools import partial
from typing import Any, NamedTuple

from made_documents import Document, Maker, write_made

Fact = tuple[str, str, str]

#: The share of items that are lists of like sentences, and how many sentences these have.
_LISTS = 0.3
_LIST_LENGTH = (2, 7)
_SYMMETRIC = ("P26", "P3373")
_INVERSE = {
    "P22": "P40",
    "P25": "P40",
    "P36": "P1376",
    "P50": "P800",
    "P57": "P800",
    "P175": "P800",
    "P749": "P355",
    "P1344": "P710",
}
# Slots and the places of facts whose names fit them: relation, and subject or object.
_FROM_FACTS = {
    "ab": (
        ("P159", "h"),
        ("P749", "h"),
        ("P749", "t"),
        ("P127", "h"),
        ("P178", "t"),
        ("P176", "t"),
    ),
    "g": (("P463", "t"), ("P1001", "h")),
    "yo": (("P102", "t"),),
    "u": (("P69", "t"),),
    "tf": (("P54", "t"),),
    "cd": (("P159", "t"), ("P19", "t"), ("P20", "t"), ("P551", "t"), ("P36", "t")),
    "l": (("P150", "h"),),
    "nk": (("P17", "t"), ("P27", "t")),
    "s": (("P50", "h"), ("P57", "h"), ("P175", "h"), ("P178", "h")),
    "h": (("P166", "t"),),
    "v": (("P1344", "t"), ("P607", "t")),
    "e": (("P569", "t"), ("P570", "t")),
}
_TYPES = {"ab": "ORG", "g": "ORG", "yo": "ORG", "u": "ORG", "tf": "ORG", "cd": "LOC", "l": "LOC"}
_TYPES |= {"nk": "LOC", "s": "MISC", "h": "MISC", "v": "MISC", "e": "TIME"}
_PEOPLE = "pqr"
_INVENTED = {"ab": 0.6, "g": 0.4, "yo": 0.4, "u": 0.5, "tf": 0.3, "h": 0.3, "s": 0.4}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Name(NamedTuple):
    """A name that an item gives to a slot.

    Attributes:
        tokens: the full name.
        type: its entity type.
        short: the form in which it comes again.
    """

    tokens: tuple[str, ...]
    type: str
    short: tuple[str, ...]


class Names:
    """Draws names for slots.

    Args:
        documents: of Re-DocRED's training part.
        wording: made_news.yaml.
    """

    def __init__(self, documents: list[Document], wording: dict[str, Any]):
        self._forms: dict[str, list[str]] = wording["invented"]
        self._words: list[str] = wording["words"]
        self._syllables: list[str] = wording["syllables"]
        self._adjectives = list(wording["adjectives"].values())
        self._of_place: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
        people: set[tuple[str, ...]] = set()
        for document in documents:
            clusters = document["vertexSet"]
            for mention in (m for mentions in clusters for m in mentions):
                words = tuple(mention["name"].split())
                if mention["type"] == "PER" and len(words) == 2 and all(map(_is_name, words)):
                    people.add(words)
            for label in document["labels"]:
                for end in "ht":
                    for mention in clusters[label[end]]:
                        if mention["name"] in self._adjectives:
                            continue
                        if mention["name"][:1].isupper() or mention["type"] == "TIME":
                            self._of_place[label["r"] + end, mention["type"]].append(
                                tuple(mention["name"].split())
                            )
        self._given = sorted({words[0] for words in people})
        self._family = sorted({words[1] for words in people})

    def draw(self, slot: str, rng: random.Random) -> Name:
        """A name for a slot."""
        if slot in _PEOPLE:
            return self._person(rng)
        if slot in "wjxz":
            return self._simple(slot, rng)
        kind = next(kind for kind in _FROM_FACTS if slot in kind)
        if rng.random() < _INVENTED.get(kind, 0):
            tokens = self._invented(kind, rng)
        else:
            relation, end = rng.choice(_FROM_FACTS[kind])
            tokens = rng.choice(self._of_place[relation + end, _TYPES[kind]])
        short = tokens[:1] if kind == "ab" and len(tokens) > 1 and tokens[0].isalpha() else tokens
        return Name(tokens, _TYPES[kind], short if rng.random() < 0.5 else tokens)

    def _person(self, rng: random.Random) -> Name:
        family = (rng.choice(self._family),)
        if rng.random() < 0.05:
            family = (f"{family[0]}-{rng.choice(self._family)}",)
        given = (rng.choice(self._given),)
        if rng.random() < 0.08:
            given += (rng.choice("ABCDEFGHJKLMNPRSTW") + ".",)
        return Name(given + family, "PER", family)

    def _invented(self, kind: str, rng: random.Random) -> tuple[str, ...]:
        coined = "".join(rng.choices(self._syllables, k=rng.choice((2, 2, 3)))).capitalize()
        place = rng.choice(self._of_place["P19t", "LOC"])
        return tuple(
            rng.choice(self._forms[kind])
            .format(
                family=rng.choice(self._family),
                second=rng.choice(self._family),
                place=" ".join(place),
                coined=coined,
                word=rng.choice(self._words),
                word2=rng.choice(self._words),
                digit=rng.randint(2, 90),
            )
            .split()
        )

    def _simple(self, slot: str, rng: random.Random) -> Name:
        if slot == "w":
            text, kind = rng.choice(_DAYS), "TIME"
        elif slot == "j":
            text, kind = str(rng.randint(1950, 2024)), "TIME"
        elif slot == "z":
            text, kind = rng.choice(self._adjectives), "LOC"
        else:
            number = rng.choice(
                (f"{rng.randint(1, 99)} million", f"{rng.uniform(1, 9):.1f} billion")
            )
            text, kind = (
                rng.choice(("$ {}", "{} euros", "{} dollars", "£ {}")).format(number),
                "NUM",
            )
        tokens = tuple(text.split())
        return Name(tokens, kind, tokens)


def _is_name(word: str) -> bool:
    return word.isalpha() and word.istitle()


def _date(rng: random.Random) -> Name:
    day, month = rng.randint(1, 28), rng.choice(_MONTHS)
    year = rng.randint(1940, 2024)
    text = rng.choice((f"{month} {day}", f"{month} {day} , {year}", f"{day} {month} {year}"))
    return Name(tuple(text.split()), "TIME", tuple(text.split()))


class Sentence(NamedTuple):
    """A sentence of made_news.yaml.

    Attributes:
        words: words and slots.
        slots: the slots in it.
        facts: subject, relation, object by their slots.
    """

    words: list[str]
    slots: frozenset[str]
    facts: list[Fact]


def read_sentences(wording: dict[str, Any]) -> dict[str, list[Sentence]]:
    """The sentences by topic."""
    return {
        topic: [
            Sentence(
                text.split(), frozenset(re.findall(r"\{(\w)\}", text)), [_fact(f) for f in facts]
            )
            for text, *facts in rows
        ]
        for topic, rows in wording["sentences"].items()
    }


def _fact(text: str) -> Fact:
    subject, relation, object_ = text.split()
    return subject, relation, object_


def made_item(sentences: dict[str, list[Sentence]], names: Names, rng: random.Random) -> Document:
    """One news item."""
    topic = sentences[rng.choice(list(sentences))]
    is_list = rng.random() < _LISTS
    drawn: dict[str, Name] = {}
    used: set[Name] = set()
    clusters: dict[Name, list[dict[str, Any]]] = {}
    facts: set[tuple[Name, str, Name]] = set()
    texts: list[list[str]] = []
    before: frozenset[str] = frozenset()
    wanted = rng.randint(1, 6)
    plan = rng.sample(topic, len(topic))
    if is_list:
        wanted = rng.randint(*_LIST_LENGTH)
        alike = [s for s in plan if s.facts and not _missing(s)][: rng.choice((1, 1, 2, 3))]
        plan = rng.choices(alike, k=wanted)
    for sentence in plan:
        missing = _missing(sentence)
        if missing and (missing - before or len(before & set(_PEOPLE)) != len(missing)):
            continue
        if len(texts) == wanted:
            break
        for slot in sorted(sentence.slots):
            if slot not in drawn or is_list or slot in "wjxez" or rng.random() < 0.35:
                drawn[slot] = _date(rng) if slot == "e" else names.draw(slot, rng)
        tokens: list[str] = []
        for word in sentence.words:
            slot = re.search(r"\{(\w)\}", word)
            if slot is None:
                tokens.append(word)
                continue
            name = drawn[slot[1]]
            spelt = name.short if name in used and rng.random() < 0.8 else name.tokens
            used.add(name)
            mention = {
                "pos": [len(tokens), len(tokens) + len(spelt)],
                "type": name.type,
                "name": " ".join(spelt),
                "sent_id": len(texts),
            }
            clusters.setdefault(name, []).append(mention)
            tokens += spelt
        tokens[0] = tokens[0][:1].upper() + tokens[0][1:]
        facts |= {(drawn[s], relation, drawn[o]) for s, relation, o in sentence.facts}
        texts.append(tokens)
        before = sentence.slots
    places = {name: place for place, name in enumerate(clusters)}
    return {
        "sents": texts,
        "vertexSet": list(clusters.values()),
        "labels": [
            {"h": places[s], "t": places[o], "r": relation, "evidence": []}
            for s, relation, o in sorted(_closed(facts))
            if s != o
        ],
        "annotated_relations": _annotated(sentences),
    }


def _missing(sentence: Sentence) -> frozenset[str]:
    """The slots of a sentence's facts that a pronoun stands for."""
    return frozenset(slot for s, _, o in sentence.facts for slot in (s, o)) - sentence.slots


def _closed(facts: set[tuple[Name, str, Name]]) -> set[tuple[Name, str, Name]]:
    """The facts, and what follows: the other direction, and the country of a place or a seat."""
    country = {s: o for s, relation, o in facts if relation == "P17"}
    closed = set(facts)
    for s, relation, o in facts:
        if relation in _SYMMETRIC:
            closed.add((o, relation, s))
        if relation in _INVERSE:
            closed.add((o, _INVERSE[relation], s))
        if relation in ("P159", "P131") and o in country and s not in country:
            closed.add((s, "P17", country[o]))
    return closed


def _annotated(sentences: dict[str, list[Sentence]]) -> list[str]:
    stated = {fact[1] for rows in sentences.values() for row in rows for fact in row.facts}
    return sorted(stated | {_INVERSE[relation] for relation in stated if relation in _INVERSE})


def _maker(train: list[Document], wording: dict[str, Any]) -> Maker:
    sentences, names = read_sentences(wording), Names(train, wording)
    return lambda rng: made_item(sentences, names, rng)


main = partial(
    write_made,
    _maker,
    script=__file__,
    description=__doc__.partition("\n")[0],
    title="news",
    documents=3000,
    seed=5,
)

if __name__ == "__main__":
    main()
