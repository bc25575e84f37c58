"""The invented news items of news.yaml: texts, gold entities, and facts.

    python -m benchmarks.news_items examples/news/news.parquet --first 12
    python -m benchmarks.news_items news.json --part A

The first writes a corpus; the first twelve items tell of the same companies and people. The second
writes the DocRED format, which `pfn-kg evaluate --format docred` reads. That format cannot say
which facts hold without being stated, so precision of facts comes out too low there.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema

#: The items are for development (A) or for the last figure alone (B).
PARTS = ("A", "B")

_TYPES = {"P": "PER", "O": "ORG", "L": "LOC", "T": "TIME", "N": "NUM", "M": "MISC"}
_MENTION = re.compile(r"\[([POLTNM][0-9]+) ([^]]+)\]")

#: Subject, relation and object; subject and object are keys of entities, such as `P1`.
Fact = tuple[str, str, str]

_IN = "located_in_the_administrative_territorial_entity"

# What a fact says beside itself, of the same two entities: another relation, or one from the object
# to the subject.
_CONSEQUENCES = {
    "chief_executive_officer": ("chairperson",),
    "owned_by": ("parent_organization",),
    "parent_organization": ("owned_by", "part_of"),
    "country": (_IN, "country_of_origin"),
    "capital_of": ("country", _IN),
    "headquarters_location": ("location", "location_of_formation", _IN),
    _IN: ("location",),
    "country_of_origin": ("country",),
    "employer": ("member_of",),
    "member_of": ("part_of",),
    "member_of_political_party": ("member_of",),
    "member_of_sports_team": ("member_of", "employer"),
    "conflict": ("participant_of",),
    "residence": ("work_location",),
    "publication_date": ("inception",),
    "inception": ("start_time",),
    "manufacturer": ("developer",),
    "developer": ("creator", "manufacturer"),
    "award_received": ("participant_of",),
}  # fmt: skip
_CONSEQUENCES_OF_OBJECT = {
    **dict.fromkeys(("chairperson", "chief_executive_officer"), ("employer", "member_of")),
    "founded_by": ("employer", "notable_work"),
    "participant": ("conflict",),
    "head_of_state": ("applies_to_jurisdiction",),
    "head_of_government": ("applies_to_jurisdiction",),
} | dict.fromkeys(
    ("author", "creator", "director", "screenwriter", "composer", "performer", "developer"),
    ("notable_work",),
)
# Of these, the place of the object says the same as the object.
_OF_PLACES = {
    "country", "headquarters_location", "location", _IN,
    "location_of_formation", "narrative_location", "place_of_birth", "place_of_death", "residence",
    "work_location",
}  # fmt: skip
_HOLDS = {"country", _IN, "capital_of"}


class Span(NamedTuple):
    """A gold mention: its place in the text, its entity's key and its type."""

    begin: int
    end: int
    entity: str
    type: str


class NewsItem(NamedTuple):
    """A news item.

    Attributes:
        title: its headline, which is no part of the text.
        text: as it is printed.
        spans: of all mentions, in order.
        facts: that the text states, in the direction in which news.yaml has them.
        right: these and what says the same from the object's side.
        unasked: facts that are neither asked for nor wrong; none is in `right`.
    """

    title: str
    text: str
    spans: list[Span]
    facts: frozenset[Fact]
    right: frozenset[Fact]
    unasked: frozenset[Fact]


def news_items(part: str, schema: LabelSchema) -> list[NewsItem]:
    """The items of a part.

    Args:
        part: one of `PARTS`.
        schema: has the relations, and says which are inverse or symmetric.

    Raises:
        ConfigurationError: if an item has a fact of a relation or an entity that there is not.
    """
    return [_item(row, schema) for row in _rows(part)]


def corpus(part: str, first: int | None = None) -> pa.Table:
    """The texts of a part, as `pfn-kg run` reads them: columns `id`, `title` and `text`."""
    rows = [
        {"id": f"news-{number}", "title": row["title"], "text": _unmarked(row["text"])[0]}
        for number, row in enumerate(_rows(part)[:first])
    ]
    return pa.Table.from_pylist(rows)


def _rows(part: str) -> list[dict[str, Any]]:
    path = Path(__file__).with_name("news.yaml")
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))[part]
    return rows


def _unmarked(marked: str) -> tuple[str, list[Span]]:
    """A text without the marks of its mentions, and the mentions."""
    text, spans, position = "", [], 0
    for match in _MENTION.finditer(marked):
        text += marked[position : match.start()]
        key, name = match.groups()
        spans.append(Span(len(text), len(text) + len(name), key, _TYPES[key[0]]))
        text += name
        position = match.end()
    return text + marked[position:], spans


def _item(row: Mapping[str, Any], schema: LabelSchema) -> NewsItem:
    where = f"news.yaml, {row['title']!r}"
    text, spans = _unmarked(row["text"])
    keys = {span.entity for span in spans}
    facts, also = (
        [_fact(line, keys, schema, where) for line in row[field]] for field in ("facts", "also")
    )
    right = {fact for stated in facts for fact in same(stated, schema)}
    unasked = _consequences({*right, *(f for stated in also for f in same(stated, schema))}, schema)
    return NewsItem(
        row["title"], text, spans, frozenset(facts), frozenset(right), frozenset(unasked - right)
    )


def _fact(line: str, keys: set[str], schema: LabelSchema, where: str) -> Fact:
    subject, relation, object_ = line.split()
    for key in (subject, object_):
        if key not in keys:
            raise ConfigurationError(f"{where}: {line}: the text has no {key}")
    if relation not in {known.name for known in schema.relations}:
        raise ConfigurationError(f"{where}: {line}: there is no such relation")
    return subject, relation, object_


def same(fact: Fact, schema: LabelSchema) -> set[Fact]:
    """A fact and what says the same from the object's side."""
    subject, name, object_ = fact
    relation = schema.relation(name)
    inverse = {name} if relation.symmetric else {relation.inverse} - {None}
    if name == "child":
        inverse = {"father", "mother"}
    if name in {"father", "mother"}:
        inverse = {"child"}
    return {fact, *((object_, other, subject) for other in inverse if other)}


def _consequences(facts: set[Fact], schema: LabelSchema) -> set[Fact]:
    """Facts with what they say beside themselves."""
    known = set(facts)
    while True:
        more = set()
        for subject, relation, object_ in known:
            more |= {(subject, other, object_) for other in _CONSEQUENCES.get(relation, ())}
            more |= {
                (object_, other, subject) for other in _CONSEQUENCES_OF_OBJECT.get(relation, ())
            }
            if relation in _OF_PLACES:
                for inner, holds, outer in known:
                    if inner == object_ and holds in _HOLDS and outer != subject:
                        more.add((subject, relation, outer))
                        if not subject.startswith("P"):
                            more |= {(subject, each, outer) for each in _HOLDS - {"capital_of"}}
        more = {other for fact in more for other in same(fact, schema)} - known
        if not more:
            return known
        known |= more


def docred(items: Sequence[NewsItem]) -> list[dict[str, Any]]:
    """The items in DocRED's format, with the facts that are right, by the relations' names."""
    documents = []
    for item in items:
        sentences = split_sentences(item.text)
        words = [
            [(b + s.begin, e + s.begin) for b, e in segment(item.text[s.begin : s.end])]
            for s in sentences
        ]
        keys = list(dict.fromkeys(span.entity for span in item.spans))
        clusters: list[list[dict[str, Any]]] = [[] for _ in keys]
        for span in item.spans:
            (place,) = (s.index for s in sentences if s.begin <= span.begin and span.end <= s.end)
            begins, ends = zip(*words[place], strict=True)
            clusters[keys.index(span.entity)].append(
                {
                    "name": item.text[span.begin : span.end],
                    "sent_id": place,
                    "pos": [begins.index(span.begin), ends.index(span.end) + 1],
                    "type": span.type,
                }
            )
        documents.append(
            {
                "title": item.title,
                "sents": [[item.text[b:e] for b, e in of_sentence] for of_sentence in words],
                "vertexSet": clusters,
                "labels": [
                    {"h": keys.index(s), "r": r, "t": keys.index(o)}
                    for s, r, o in sorted(item.right)
                ],
            }
        )
    return documents


def shipped_schema() -> LabelSchema:
    """The label schema of the shipped model, whose relations the items have."""
    path = Path(__file__).parent.with_name("examples") / "training" / "redocred_schema.yaml"
    return LabelSchema.from_yaml(path.read_text(encoding="utf-8"), str(path))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path, help="a .json (DocRED) or .parquet (a corpus) file")
    parser.add_argument("--part", choices=PARTS, default="A", help="default: A")
    parser.add_argument("--first", type=int, metavar="N", help="only so many items")
    args = parser.parse_args(argv)
    if args.output.suffix == ".parquet":
        pq.write_table(corpus(args.part, args.first), args.output)
        return
    documents = docred(news_items(args.part, shipped_schema())[: args.first])
    args.output.write_text(json.dumps(documents, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
