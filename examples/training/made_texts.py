"""Texts made by rule: lists of like sentences, pronouns, denied and planned facts.

    python examples/training/made_texts.py FOLDER -o made.json --documents 6000

The sentences of made_texts.yaml get names that Re-DocRED's training documents have in that place.
Each text is one of these:

- a list: each sentence has a subject of its own, and all state the same relation, or any;
- portraits: one or more subjects, each followed by sentences that speak of it by a pronoun. These
  state facts across sentences, so that a model does not learn that there are none.

Some sentences deny their fact or only plan it. Relations are annotated in part: those of
made_texts.yaml. `--into FILE` appends the texts to a DocRED file.
"""

from __future__ import annotations

import random
from collections import defaultdict
from functools import partial
from typing import Any, NamedTuple

from made_documents import Document, Maker, write_made

_DENIED = 0.3
_PORTRAITS = 0.35
_OF_ONE_RELATION = 0.7
_LENGTH = (2, 7)
# Of people's names so many are made of the words of two.
_NEW_NAMES = 0.7
_TYPES = ("PER", "ORG", "LOC", "TIME", "MISC")


class Name(NamedTuple):
    """A name of the training documents."""

    tokens: tuple[str, ...]
    type: str


class Names:
    """Names by relation and place in it.

    Args:
        documents: of Re-DocRED's training part.
        relations: the relations of made_texts.yaml.
    """

    def __init__(self, documents: list[Document], relations: dict[str, Any]):
        of_slot: dict[tuple[str, str], list[Name]] = defaultdict(list)
        for document in documents:
            for label in document["labels"]:
                if label["r"] in relations:
                    for slot, end in (("s", "h"), ("o", "t")):
                        of_slot[label["r"], slot] += _names(document["vertexSet"][label[end]])
        self._of_slot = {
            slot: [name for name in names if name.type == _usual_type(names)]
            for slot, names in of_slot.items()
        }
        people = {name.tokens for names in of_slot.values() for name in names if _is_full(name)}
        self._given = sorted({tokens[0] for tokens in people})
        self._family = sorted({tokens[-1] for tokens in people})

    def draw(self, relation: str, slot: str, rng: random.Random) -> Name:
        """A name for the subject (`s`) or object (`o`) of a relation."""
        name = rng.choice(self._of_slot[relation, slot])
        if name.type == "PER" and rng.random() < _NEW_NAMES:
            return Name((rng.choice(self._given), rng.choice(self._family)), "PER")
        return name


def _names(mentions: list[dict[str, Any]]) -> list[Name]:
    return [
        Name(tuple(mention["name"].split()), mention["type"])
        for mention in mentions
        if mention["type"] in _TYPES
        and (mention["name"][:1].isupper() or mention["type"] == "TIME")
    ]


def _usual_type(names: list[Name]) -> str:
    types = [name.type for name in names]
    return max(_TYPES, key=types.count)


def _is_full(name: Name) -> bool:
    return (
        name.type == "PER"
        and len(name.tokens) == 2
        and all(word.isalpha() and word.istitle() for word in name.tokens)
    )


class _Text:
    """A document in the making."""

    def __init__(self) -> None:
        self.sentences: list[list[str]] = []
        self.clusters: list[list[dict[str, Any]]] = []
        self.labels: list[dict[str, Any]] = []
        self._numbers: dict[Name, int] = {}

    def add(self, template: str, **names: Name) -> dict[str, int]:
        """Appends a sentence; gives the clusters of its names."""
        tokens: list[str] = []
        numbers: dict[str, int] = {}
        for word in template.split():
            if not word.startswith("{"):
                tokens.append(word)
                continue
            name = names[word[1:-1]]
            number = self._numbers.setdefault(name, len(self.clusters))
            if number == len(self.clusters):
                self.clusters.append([])
            begin = len(tokens)
            tokens += name.tokens
            mention = {
                "pos": [begin, len(tokens)],
                "type": name.type,
                "name": " ".join(name.tokens),
            }
            self.clusters[number].append(mention | {"sent_id": len(self.sentences)})
            numbers[word[1:-1]] = number
        tokens[0] = tokens[0][:1].upper() + tokens[0][1:]
        self.sentences.append(tokens)
        return numbers

    def state(self, subject: int, relation: str, object_: int, of_relation: dict[str, Any]) -> None:
        """Adds a fact between two clusters, and those that it implies."""
        facts = [(subject, relation, object_)]
        if of_relation.get("symmetric"):
            facts.append((object_, relation, subject))
        if inverse := of_relation.get("inverse"):
            facts.append((object_, inverse, subject))
        for s, r, o in facts:
            label = {"h": s, "t": o, "r": r, "evidence": []}
            if s != o and label not in self.labels:
                self.labels.append(label)


def made_text(relations: dict[str, Any], names: Names, rng: random.Random) -> Document:
    """One text."""
    text = _Text()
    if rng.random() < _PORTRAITS:
        for _ in range(rng.randint(1, 3)):
            _portrait(text, relations, names, rng)
    else:
        only = rng.choice(list(relations)) if rng.random() < _OF_ONE_RELATION else None
        form = rng.random()
        for _ in range(rng.randint(*_LENGTH)):
            relation = only or rng.choice(list(relations))
            # Half of the lists repeat one form, as lists do.
            _sentence(text, relation, relations, names, rng, form if form < 0.5 else None)
    annotated = set(relations) | {r["inverse"] for r in relations.values() if "inverse" in r}
    return {
        "sents": text.sentences,
        "vertexSet": text.clusters,
        "labels": text.labels,
        "annotated_relations": sorted(annotated),
    }


def _sentence(
    text: _Text,
    relation: str,
    relations: dict[str, Any],
    names: Names,
    rng: random.Random,
    form: float | None = None,
    subject: Name | None = None,
) -> Name:
    """Appends a sentence; gives its subject."""
    of_relation = relations[relation]
    denied = rng.random() < _DENIED
    templates = of_relation["denies" if denied else "states"]
    template = templates[int((rng.random() if form is None else 2 * form) * len(templates))]
    subject = subject or names.draw(relation, "s", rng)
    object_ = names.draw(relation, "o", rng)
    numbers = text.add(template, s=subject, o=object_)
    if not denied:
        text.state(numbers["s"], relation, numbers["o"], of_relation)
    return subject


def _portrait(text: _Text, relations: dict[str, Any], names: Names, rng: random.Random) -> None:
    """Appends a sentence about a subject, and some that speak of it by a pronoun."""
    following = [relation for relation, of in relations.items() if "follows" in of]
    first = rng.choice(following)
    subject = _sentence(text, first, relations, names, rng)
    number = next(
        place
        for place, mentions in enumerate(text.clusters)
        if mentions[0]["name"] == " ".join(subject.tokens)
    )
    alike = [r for r in following if names.draw(r, "s", rng).type == subject.type and r != first]
    for relation in rng.sample(alike, min(len(alike), rng.randint(1, 3))):
        if rng.random() < 0.25:
            _sentence(text, relation, relations, names, rng, subject=subject)
            continue
        template = rng.choice(relations[relation]["follows"])
        object_ = text.add(template, o=names.draw(relation, "o", rng))["o"]
        text.state(number, relation, object_, relations[relation])


def _maker(train: list[Document], relations: dict[str, Any]) -> Maker:
    names = Names(train, relations)
    return lambda rng: made_text(relations, names, rng)


main = partial(
    write_made,
    _maker,
    script=__file__,
    description=__doc__.partition("\n")[0],
    title="made",
    documents=6000,
    seed=3,
)

if __name__ == "__main__":
    main()
