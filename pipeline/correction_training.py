"""Corrections as training data: documents of DocRED's format that are annotated in part.

A record has the sentences of one piece of evidence and two mentions in it. What people said of the
two is known; all else is unknown, and `pfn-kg train` leaves it out of the loss. A relation that
they judged is known in both directions: where they did not say that it holds, it does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.corrections.find_plan import EVIDENCE_FILE
from pfn_kg.transforms.plumbing.files import join, read_if_there, replace


class Lessons(NamedTuple):
    """Training data made of corrections.

    Attributes:
        records: documents of DocRED's format.
        counts: `right` and `wrong` judgements in them, and what is `left_out` because a mention
            ends inside a word.
    """

    records: list[dict[str, Any]]
    counts: Counter[str]


class _Place(NamedTuple):
    """A mention in the evidence of its document."""

    begin: int
    end: int
    type: str


def write_lessons(directory: str, output: str) -> Counter[str]:
    """Writes the corrections of the current graph as training data.

    Args:
        directory: the output folder.
        output: the file, a JSON list.

    Returns:
        Counts as in `Lessons`, and `records`.

    Raises:
        ConfigurationError: if there is no graph, it has no corrections, or they judge no text.
    """
    run = read_finished(directory)
    data = read_if_there(join(run.graph, EVIDENCE_FILE))
    if data is None:
        raise ConfigurationError(
            f"{directory}: its graph has no corrections; build it with a file of `corrections`"
        )
    lessons = lessons_of(pq.read_table(pa.BufferReader(data)), run.label_schema)
    if not lessons.records:
        raise ConfigurationError(f"{directory}: its corrections judge no text that is in the graph")
    replace(output, orjson.dumps(lessons.records, option=orjson.OPT_APPEND_NEWLINE))
    return lessons.counts + Counter(records=len(lessons.records))


def lessons_of(evidence: pa.Table, label_schema: LabelSchema) -> Lessons:
    """The judged pieces of evidence as training data.

    Of two that contradict each other, on the same two mentions, the later correction holds.

    Args:
        evidence: as in `pfn_kg.transforms.corrections.evidence.EVIDENCE_SCHEMA`.
        label_schema: says which relations are symmetric.
    """
    symmetric = {r.name for r in label_schema.relations if r.symmetric}
    counts: Counter[str] = Counter()
    pairs: dict[tuple[str, frozenset[_Place]], list[dict[str, Any]]] = {}
    for row in evidence.sort_by("row").to_pylist():
        ends = [
            _Place(row[f"{end}_begin"], row[f"{end}_end"], row[f"{end}_type"])
            for end in ("subject", "object")
        ]
        pairs.setdefault((row["document_id"], frozenset(ends)), []).append(row | {"at": ends})
    records = []
    for (document_id, places), rows in sorted(pairs.items(), key=lambda pair: _order(pair[1])):
        words = _words(rows[0])
        spans: dict[_Place, tuple[int, int, int]] = {}
        for place in sorted(places):
            span = _span(place, words, rows[0]["evidence_begin"])
            if span is not None:
                spans[place] = span
        if len(spans) < len(places):
            counts["left_out"] += len(rows)
            continue
        facts = _facts(rows, symmetric)
        counts.update("right" if is_right else "wrong" for is_right in facts.values())
        records.append(
            {
                "title": document_id,
                "sents": [[word for word, _, _ in sentence] for sentence in words],
                "vertexSet": [[_mention(span, place.type)] for place, span in spans.items()],
                "labels": _labels(facts, list(spans)),
                "annotated_entity_types": [],
                "annotated_relations": sorted({relation for _, relation, _ in facts}),
                "annotated_pairs": "mentions",
            }
        )
    return Lessons(records, counts)


def _order(rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    first = rows[0]
    return first["document_id"], sorted(first["at"])


def _facts(
    rows: Iterable[dict[str, Any]], symmetric: set[str]
) -> dict[tuple[_Place, str, _Place], bool]:
    """What is said of two mentions, in the order in which it was said."""
    facts: dict[tuple[_Place, str, _Place], bool] = {}
    for row in rows:
        subject, object_ = row["at"]
        facts[subject, row["relation"], object_] = row["is_right"]
        if row["relation"] in symmetric:
            facts[object_, row["relation"], subject] = row["is_right"]
    return facts


def _labels(
    facts: dict[tuple[_Place, str, _Place], bool], places: list[_Place]
) -> list[dict[str, Any]]:
    """The facts that hold, by the positions of their ends."""
    held = [
        (places.index(subject), places.index(object_), relation)
        for (subject, relation, object_), is_right in facts.items()
        if is_right
    ]
    return [dict(zip("htr", fact, strict=True)) for fact in sorted(held)]


def _words(row: dict[str, Any]) -> list[list[tuple[str, int, int]]]:
    """The words of each sentence of a piece of evidence, with their offsets in it."""
    text, first = row["evidence_text"], row["evidence_begin"]
    begins = [begin - first for begin in row["sentence_begins"]]
    sentences = []
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        words = [(begin + b, begin + e) for b, e in segment(text[begin:end])]
        sentences.append([(text[b:e], b, e) for b, e in words])
    return sentences


def _span(
    place: _Place, sentences: list[list[tuple[str, int, int]]], first: int
) -> tuple[int, int, int] | None:
    """Sentence and words of a mention; None where it does not end with a word."""
    for number, words in enumerate(sentences):
        begins = {begin + first: index for index, (_, begin, _) in enumerate(words)}
        ends = {end + first: index for index, (_, _, end) in enumerate(words)}
        if place.begin in begins and place.end in ends:
            return number, begins[place.begin], ends[place.end] + 1
    return None


def _mention(span: tuple[int, int, int], type_: str) -> dict[str, Any]:
    return {"sent_id": span[0], "pos": list(span[1:]), "type": type_}
