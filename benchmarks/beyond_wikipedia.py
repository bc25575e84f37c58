"""How far a model's facts can be believed on texts that are not one Wikipedia abstract.

    python -m benchmarks.beyond_wikipedia --datasets FOLDER
    python -m benchmarks.beyond_wikipedia --datasets FOLDER --model DIR --texts 400

Unrelated sentences: two sentences about different things are joined to one text. Every triple
between the two is false, so the number of such triples, beside the number inside the sentences and
the share of annotated facts that are found, tells how much a model infers from nearness alone. The
sentences are FewRel's validation part (one annotated pair each) and the first sentences of the
documents of Re-DocRED's development split (fewrel and redocred in FOLDER). Texts are drawn with a
fixed seed.

KnowledgeNet: passages of web pages and biographies, in which 15 relations are annotated, each in
some passages (knowledgenet_facts in FOLDER). Recall is over the annotated facts between names in
one passage; precision over all triples that the model states of a relation where it was annotated.
`--fold` and `--part` choose passages, such as the half of a fold that no calibration has seen.

FIRE: sentences of financial reports, with companies, people, places and dates (fire in FOLDER, its
development part). F1 of the model's type of each, by exact borders and by overlap; FIRE's companies
include what stands behind the name ("the Company"), and often more words than the name has.

`--measures` names those that are wanted.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pfn_kg import Extractor
from pfn_kg.pfn.evaluation.scores import f1_of, prf
from pfn_kg.pfn.readers.detokenisation import detokenise
from pfn_kg.pfn.readers.docred import relation_names
from pfn_kg.pfn.readers.relation_ids import names_of_ids
from pfn_kg.schemas.label_schema import LabelSchema

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


# The model's types that companies, people, places and dates have.
_FIRE_TYPES = ("ORG", "PER", "LOC", "TIME")

_MEASURES = ("unrelated", "knowledgenet", "fire")

#: A mention: begin, end and type.
Span = tuple[int, int, str]


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
        across, inside = (100 * count / self.texts for count in (self.across, self.inside))
        return (
            f"{across:6.1f} across and {inside:6.1f} inside per 100 texts, ratio"
            f" {self.across / max(self.inside, 1):.2f}, annotated facts found {own}"
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


class Entities(NamedTuple):
    """F1 of entities in percent, by exact borders and by overlap."""

    exact: float
    overlap: float
    annotated: int


def fire(extractor: Extractor, folder: Path) -> dict[str, Entities]:
    """Reads the development part of FIRE, a sentence at a time.

    Returns:
        Of all four types and of each the F1.
    """
    rows = json.loads((folder / "fire" / "dev.json").read_text(encoding="utf-8"))
    gold: list[set[Span]] = []
    texts: list[str] = []
    for row in rows:
        text, offsets = detokenise(row["tokens"])
        texts.append(text)
        gold.append(
            {
                (offsets[e["start"]][0], offsets[e["end"] - 1][1], e["type6"])
                for e in row["entities"]
                if e["type6"] in _FIRE_TYPES
            }
        )
    found: list[set[Span]] = [
        {(m.begin, m.end, m.type) for m in extraction.mentions if m.type in _FIRE_TYPES}
        for extraction in extractor.extract(texts)
    ]
    return {
        name: _entities(found, gold, [key for key in _FIRE_TYPES if name in ("all", key)])
        for name in ("all", *_FIRE_TYPES)
    }


def _entities(
    found: Sequence[set[Span]], gold: Sequence[set[Span]], types: Sequence[str]
) -> Entities:
    counts = Counter[str]()
    for of_text, annotated in zip(found, gold, strict=True):
        ours = {span for span in of_text if span[2] in types}
        theirs = {span for span in annotated if span[2] in types}
        counts["found"] += len(ours)
        counts["gold"] += len(theirs)
        counts["exact"] += len(ours & theirs)
        counts["right"] += sum(_overlaps(span, theirs) for span in ours)
        counts["met"] += sum(_overlaps(span, ours) for span in theirs)
    precision, recall = (
        counts["right"] / max(counts["found"], 1),
        counts["met"] / max(counts["gold"], 1),
    )
    exact = prf(counts["exact"], counts["found"], counts["gold"])["f1"]
    return Entities(100 * exact, 100 * f1_of(precision, recall), counts["gold"])


def _overlaps(span: Span, others: set[Span]) -> bool:
    return any(span[2] == t and span[0] < e and b < span[1] for b, e, t in others)


class KnowledgeNet(NamedTuple):
    """Counts over passages: facts annotated, facts found, triples stated, of these right."""

    annotated: int
    found: int
    stated: int
    right: int

    def __str__(self) -> str:
        recall = 100 * self.found / max(self.annotated, 1)
        precision = 100 * self.right / max(self.stated, 1)
        return (
            f"recall {recall:5.1f} % of {self.annotated} facts, precision {precision:5.1f} % of "
            f"{self.stated} triples of annotated relations"
        )


def knowledgenet(extractor: Extractor, folder: Path, fold: int, part: int | None) -> KnowledgeNet:
    """Reads the passages of a fold.

    Args:
        extractor: the model.
        folder: holds the data sets.
        fold: 1 to 3.
        part: every second document, from the first (0) or the second (1); None: all.
    """
    names = relation_names(folder / "redocred" / "train.json")
    # A model may know more of its relations than Re-DocRED has.
    schema = LabelSchema.from_dict(extractor.config.label_schema or {})
    names |= names_of_ids(schema)
    path = folder / "knowledgenet_facts" / "docred.json"
    documents = [d for d in json.loads(path.read_text(encoding="utf-8")) if d["fold"] == fold]
    texts: list[str] = []
    golds: list[tuple[dict[int, set[tuple[int, int]]], set[tuple[int, str, int]], set[str]]] = []
    for document in documents if part is None else documents[part::2]:
        for place, tokens in enumerate(document["sents"]):
            relations = {names[r] for r in document["annotated_relations"][place] if r in names}
            if not relations:
                continue
            text, offsets = detokenise(tokens)
            mentions: dict[int, set[tuple[int, int]]] = {}
            for number, cluster in enumerate(document["vertexSet"]):
                spans = {
                    (offsets[m["pos"][0]][0], offsets[m["pos"][1] - 1][1])
                    for m in cluster
                    if m["sent_id"] == place
                }
                if spans:
                    mentions[number] = spans
            facts = {
                (label["h"], names.get(label["r"], ""), label["t"])
                for label in document["labels"]
                if label["h"] in mentions and label["t"] in mentions
            }
            texts.append(text)
            golds.append((mentions, {f for f in facts if f[1] in relations}, relations))
    annotated = found = stated = right = 0
    for (mentions, facts, relations), extraction in zip(
        golds, extractor.extract_documents(texts), strict=True
    ):
        annotated += len(facts)
        hit = set()
        for triple in extraction.triples:
            if triple.relation not in relations:
                continue
            ends = [extraction.mentions[triple.subject], extraction.mentions[triple.object]]
            subjects, objects = (
                {
                    number
                    for number, spans in mentions.items()
                    if any(b < end.end and end.begin < e for b, e in spans)
                }
                for end in ends
            )
            matched = {
                f for f in facts if f[1] == triple.relation and f[0] in subjects and f[2] in objects
            }
            stated += 1
            right += bool(matched)
            hit |= matched
        found += len(hit)
    return KnowledgeNet(annotated, found, stated, right)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--datasets", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--texts", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fold", type=int, default=3, help="of KnowledgeNet; default: 3")
    parser.add_argument("--part", type=int, choices=(0, 1), help="half of the fold; default: all")
    parser.add_argument(
        "--measures", nargs="+", choices=_MEASURES, default=_MEASURES, help="default: all"
    )
    args = parser.parse_args(argv)
    extractor = Extractor.from_pretrained(*([args.model] if args.model else []), device="cpu")
    for name, sentences_of in (("FewRel", fewrel), ("Re-DocRED dev", redocred)):
        if "unrelated" not in args.measures:
            break
        drawn = list(pairs(sentences_of(args.datasets), args.texts, args.seed))
        for window, label in ((None, "in windows"), (0, "sentence by sentence")):
            print(f"{name}, {label}: {measure(extractor, drawn, window)}", flush=True)
    if "knowledgenet" in args.measures:
        print(f"KnowledgeNet: {knowledgenet(extractor, args.datasets, args.fold, args.part)}")
    if "fire" in args.measures:
        for name, of_type in fire(extractor, args.datasets).items():
            print(
                f"FIRE, {name}: F1 {of_type.exact:.1f} %, by overlap {of_type.overlap:.1f} %, of"
                f" {of_type.annotated} annotated"
            )


if __name__ == "__main__":
    main()
