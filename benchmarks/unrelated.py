"""Facts across unrelated sentences: how often a model relates things that merely stand together.

Two sentences about different things are joined to one text. Every triple between the two is false,
so the number of such triples, beside the number inside the sentences and the share of annotated
facts that are found, tells how much a model infers from nearness alone.

    python -m benchmarks.unrelated --datasets FOLDER            # fewrel and redocred in there
    python -m benchmarks.unrelated --datasets FOLDER --model DIR --texts 400

The sentences are FewRel's validation part (one annotated pair each) and the first sentences of
documents of Re-DocRED's development split. Texts are drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pfn_kg import Extractor
from pfn_kg.pfn.readers.detokenisation import detokenise

# FewRel's properties that are relations of Re-DocRED, by the names of the shipped label schema.
_RELATIONS = {
    "P364": "original_language_of_work",
    "P361": "part_of",
    "P206": "located_in_or_next_to_body_of_water",
    "P155": "follows",
    "P26": "spouse",
    "P25": "mother",
    "P463": "member_of",
    "P40": "child",
}


class Fact(NamedTuple):
    """An annotated pair: spans of characters in its sentence, and the relation."""

    subject: tuple[int, int]
    relation: str
    object: tuple[int, int]


class Sentence(NamedTuple):
    """A sentence with the fact that is annotated in it, if any."""

    text: str
    fact: Fact | None = None


class Figures(NamedTuple):
    """Counts over all texts: triples across, triples inside, facts found, facts annotated."""

    texts: int
    across: int
    inside: int
    facts: int
    annotated: int

    def __str__(self) -> str:
        own = f"{100 * self.facts / self.annotated:5.1f} %" if self.annotated else "    -"
        return (
            f"{100 * self.across / self.texts:6.1f} across and {100 * self.inside / self.texts:6.1f}"
            f" inside per 100 texts, ratio {self.across / max(self.inside, 1):.2f},"
            f" annotated facts found {own}"
        )


def fewrel(folder: Path) -> list[Sentence]:
    """The sentences of FewRel whose relation the shipped model knows."""
    sentences = []
    for row in json.loads((folder / "fewrel" / "sentences.json").read_text(encoding="utf-8")):
        relation = _RELATIONS.get(row["relations"][0]["type"])
        if relation is None:
            continue
        text, offsets = detokenise(row["tokens"])
        spans = [(offsets[e["start"]][0], offsets[e["end"] - 1][1]) for e in row["entities"]]
        head, tail = row["relations"][0]["head"], row["relations"][0]["tail"]
        sentences.append(Sentence(text, Fact(spans[head], relation, spans[tail])))
    return sentences


def redocred(folder: Path) -> list[Sentence]:
    """The first sentence of each document of Re-DocRED's development split."""
    documents = json.loads((folder / "redocred" / "dev.json").read_text(encoding="utf-8"))
    return [Sentence(detokenise(document["sents"][0])[0]) for document in documents]


def pairs(sentences: Sequence[Sentence], texts: int, seed: int) -> Iterator[tuple[Sentence, ...]]:
    """Draws pairs of sentences with different relations."""
    rng = random.Random(seed)
    drawn = 0
    while drawn < texts:
        pair = rng.sample(sentences, 2)
        relations = {sentence.fact.relation for sentence in pair if sentence.fact}
        if len(relations) == 1:
            continue
        drawn += 1
        yield tuple(pair)


def measure(
    extractor: Extractor, drawn: Sequence[tuple[Sentence, ...]], window_tokens: int | None
) -> Figures:
    """Reads the texts and counts."""
    texts = [" ".join(sentence.text for sentence in pair) for pair in drawn]
    across = inside = facts = annotated = 0
    for pair, extraction in zip(
        drawn, extractor.extract_documents(texts, window_tokens=window_tokens), strict=True
    ):
        boundary = len(pair[0].text)
        mentions = extraction.mentions
        stated = set()
        for triple in extraction.triples:
            subject, object_ = mentions[triple.subject], mentions[triple.object]
            if (subject.begin < boundary) != (object_.begin < boundary):
                across += 1
            else:
                inside += 1
            stated.add(
                Fact((subject.begin, subject.end), triple.relation, (object_.begin, object_.end))
            )
        for offset, sentence in zip((0, boundary + 1), pair, strict=True):
            if sentence.fact is not None:
                annotated += 1
                facts += any(_same(fact, sentence.fact, offset) for fact in stated)
    return Figures(len(texts), across, inside, facts, annotated)


def _same(stated: Fact, annotated: Fact, offset: int) -> bool:
    """Whether a stated fact has the annotated relation between overlapping spans."""
    return stated.relation == annotated.relation and all(
        one[0] < other[1] + offset and other[0] + offset < one[1]
        for one, other in (
            (stated.subject, annotated.subject),
            (stated.object, annotated.object),
        )
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--datasets", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--texts", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    extractor = Extractor.from_pretrained(*([args.model] if args.model else []), device="cpu")
    for name, sentences in (
        ("FewRel", fewrel(args.datasets)),
        ("Re-DocRED dev", redocred(args.datasets)),
    ):
        drawn = list(pairs(sentences, args.texts, args.seed))
        for window, label in ((None, "in windows"), (0, "sentence by sentence")):
            print(f"{name}, {label}: {measure(extractor, drawn, window)}", flush=True)


if __name__ == "__main__":
    main()
