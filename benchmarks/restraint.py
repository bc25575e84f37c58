"""Whether a model states facts only where a text states them.

    python -m benchmarks.restraint
    python -m benchmarks.restraint --model DIR --texts 400

Three kinds of texts are made from the sentences and invented names of restraint.yaml, with a fixed
seed:

- lists of two to four like sentences, each about a subject of its own: the share of facts that are
  found, and triples between two sentences, which are all false. Half of the lists repeat one form;
- facts that are denied or only planned, a sentence each, beside sentences that state the same
  relations: how often the relation is stated of the two names;
- poems, menus, code, German and instructions, which state no fact: triples per 100 sentences.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pfn_kg import Extractor

# What says the same from the object's side.
_INVERSE = {
    "child": ("father", "mother"),
    "parent_organization": ("subsidiary",),
    "spouse": ("spouse",),
}
_LENGTHS = (2, 4)


class Statement(NamedTuple):
    """A sentence with the fact that it states or denies."""

    text: str
    subject: str
    relation: str
    object: str


def statement(
    texts: dict[str, Any], relation: str, kind: str, rng: random.Random, form: float | None = None
) -> Statement:
    """A sentence that `states` or `denies` a relation of two names that are drawn."""
    of_relation = texts["relations"][relation]
    subjects, objects = (texts["names"][pool] for pool in of_relation["of"])
    subject = rng.choice(subjects)
    object_ = rng.choice([name for name in objects if name != subject])
    forms = of_relation[kind]
    template = forms[int((rng.random() if form is None else form) * len(forms))]
    return Statement(template.format(s=subject, o=object_), subject, relation, object_)


def lists(texts: dict[str, Any], count: int, rng: random.Random) -> list[list[Statement]]:
    """Lists of like sentences; no name stands twice in a list."""
    made: list[list[Statement]] = []
    while len(made) < count:
        relation = rng.choice(list(texts["relations"]))
        form = rng.random() if rng.random() < 0.5 else None
        drawn = [
            statement(texts, relation, "states", rng, form) for _ in range(rng.randint(*_LENGTHS))
        ]
        names = [name for each in drawn for name in (each.subject, each.object)]
        if len(set(names)) == len(names):
            made.append(drawn)
    return made


class Stated(NamedTuple):
    """A triple that a model found: its arguments as written, and where they begin."""

    subject: str
    relation: str
    object: str
    begins: tuple[int, int]


def read(extractor: Extractor, texts: list[str]) -> list[list[Stated]]:
    """The triples of each text."""
    found = []
    for text, extraction in zip(texts, extractor.extract_documents(texts), strict=True):
        triples = []
        for triple in extraction.triples:
            subject, object_ = (extraction.mentions[i] for i in (triple.subject, triple.object))
            names = (text[mention.begin : mention.end] for mention in (subject, object_))
            begins = subject.begin, object_.begin
            triples.append(Stated(next(names), triple.relation, next(names), begins))
        found.append(triples)
    return found


def states(triples: list[Stated], fact: Statement) -> bool:
    """Whether the relation of the two names, or its inverse, is among a text's triples."""
    direct = (fact.subject, fact.relation, fact.object)
    inverse = {(fact.object, name, fact.subject) for name in _INVERSE.get(fact.relation, ())}
    return any(triple[:3] == direct or triple[:3] in inverse for triple in triples)


def measure_lists(extractor: Extractor, drawn: list[list[Statement]]) -> str:
    """Facts found, and triples between two sentences."""
    found = across = 0
    texts = [" ".join(each.text for each in sentences) for sentences in drawn]
    for sentences, triples in zip(drawn, read(extractor, texts), strict=True):
        found += sum(states(triples, fact) for fact in sentences)
        ends, end = [], 0
        for each in sentences:
            end += len(each.text) + 1
            ends.append(end)
        for triple in triples:
            subject, object_ = (sum(end <= begin for end in ends) for begin in triple.begins)
            across += subject != object_
    facts = sum(map(len, drawn))
    return (
        f"lists of like sentences: {found} of {facts} facts found ({100 * found / facts:.1f} %),"
        f" {across} triples across ({across / max(found, 1):.2f} per fact found)"
    )


def measure_denials(extractor: Extractor, texts: dict[str, Any], count: int, seed: int) -> str:
    """How often a fact is stated that a sentence denies or plans, and that one states."""
    shares = []
    for kind in ("denies", "states"):
        rng = random.Random(seed)
        relations = [rng.choice(list(texts["relations"])) for _ in range(count)]
        drawn = [statement(texts, relation, kind, rng) for relation in relations]
        triples = read(extractor, [each.text for each in drawn])
        stated = sum(states(of_text, fact) for fact, of_text in zip(drawn, triples, strict=True))
        shares.append(f"{stated} of {count} ({100 * stated / count:.1f} %)")
    return f"denied or planned facts stated: {shares[0]}; stated facts stated: {shares[1]}"


def measure_without_facts(extractor: Extractor, texts: dict[str, Any]) -> str:
    """Triples per 100 sentences of texts that state none, by kind."""
    by_kind = []
    for kind, sentences in texts["none"].items():
        count = sum(len(triples) for triples in read(extractor, [" ".join(sentences), *sentences]))
        by_kind.append(f"{kind} {100 * count / (2 * len(sentences)):.0f}")
    return "triples per 100 sentences without facts: " + ", ".join(by_kind)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", metavar="DIR", help="default: the shipped model")
    parser.add_argument("--texts", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    texts = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    extractor = Extractor.from_pretrained(*([args.model] if args.model else []), device="cpu")
    drawn = lists(texts, args.texts, random.Random(args.seed))
    print(measure_lists(extractor, drawn), flush=True)
    print(measure_denials(extractor, texts, args.texts, args.seed), flush=True)
    print(measure_without_facts(extractor, texts), flush=True)


if __name__ == "__main__":
    main()
