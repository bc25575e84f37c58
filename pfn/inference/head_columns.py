"""What a model said of many texts, as columns: what the pipeline works with.

Records (`pfn_kg.schemas.records`) are made of them only where people get to see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from pfn_kg.pfn.inference.ranges import bounds_of
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention

# As `_make` of a named tuple does it, at a third of the time.
_mention: Any = partial(tuple.__new__, Mention)
_head_triple: Any = partial(tuple.__new__, HeadTriple)


class MentionColumns(NamedTuple):
    """Mentions of texts, sorted by (text, begin, end, type), each column (mentions,).

    Attributes:
        bounds: the mentions of text i are those from `bounds[i]` to `bounds[i + 1]`, (texts + 1,).
        begin: first character in the text.
        end: one past the last character.
        type: index into `HeadColumns.entity_types`.
        score: as in `Mention`, float32.
    """

    bounds: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    type: np.ndarray
    score: np.ndarray


class TripleColumns(NamedTuple):
    """Head triples of texts, or tail triples, sorted by (text, subject, object, relation).

    Each column is (triples,).

    Attributes:
        bounds: the triples of text i are those from `bounds[i]` to `bounds[i + 1]`, (texts + 1,).
        subject: where the subject begins; of a tail triple, where it ends.
        relation: index into `HeadColumns.relation_types`.
        object: where the object begins or ends.
        score: as in `HeadTriple`, float32.
    """

    bounds: np.ndarray
    subject: np.ndarray
    relation: np.ndarray
    object: np.ndarray
    score: np.ndarray


class HeadColumns(NamedTuple):
    """What the model said of texts, unresolved: as `DocumentHeads` of each, all in one.

    Attributes:
        entity_types: names, sorted.
        relation_types: names, sorted.
        mentions: of all texts.
        head_triples: of all texts.
        tail_triples: of all texts, if the model has a tail table.
        windows: in how many windows each text was read, (texts,).
        cut_sentences: how many of its sentences are longer than the model reads at once, (texts,).
        long_mentions: how many of its spans were left out because no name is that long, (texts,).
        errors: of each text that has some: of each sentence that could not be read (by its place)
            why.
    """

    entity_types: tuple[str, ...]
    relation_types: tuple[str, ...]
    mentions: MentionColumns
    head_triples: TripleColumns
    tail_triples: TripleColumns | None
    windows: np.ndarray
    cut_sentences: np.ndarray
    long_mentions: np.ndarray
    errors: Mapping[int, Mapping[int, Exception]]

    @classmethod
    def of(cls, documents: Sequence[DocumentHeads]) -> HeadColumns:
        """The columns of records; either all of them have tail triples or none."""
        types = sorted({m.type for d in documents for m in d.mentions})
        has_tails = bool(documents) and documents[0].tail_triples is not None
        heads = [d.head_triples for d in documents]
        tails = [d.tail_triples or [] for d in documents]
        relations = sorted({t.relation for of_text in heads + tails for t in of_text})

        def columns(records: list[Any], widths: int) -> tuple[list[np.ndarray], np.ndarray]:
            rows = [record for of_text in records for record in of_text]
            bounds = bounds_of(np.array([len(of_text) for of_text in records], np.int64))
            return [np.array([row[i] for row in rows]) for i in range(widths)], bounds

        def triples(records: list[Any]) -> TripleColumns:
            (subject, relation, object_, score), bounds = columns(records, 4)
            codes = np.searchsorted(relations, relation) if len(relation) else relation.astype(int)
            return TripleColumns(
                bounds,
                subject.astype(np.int64),
                codes,
                object_.astype(np.int64),
                score.astype(np.float32),
            )

        (begin, end, _, type_, score), bounds = columns([d.mentions for d in documents], 5)
        codes = np.searchsorted(types, type_) if len(type_) else type_.astype(int)
        return cls(
            tuple(types),
            tuple(relations),
            MentionColumns(
                bounds,
                begin.astype(np.int64),
                end.astype(np.int64),
                codes,
                score.astype(np.float32),
            ),
            triples(heads),
            triples(tails) if has_tails else None,
            np.array([d.windows for d in documents], np.int64),
            np.array([d.cut_sentences for d in documents], np.int64),
            np.array([d.long_mentions for d in documents], np.int64),
            {i: d.errors for i, d in enumerate(documents) if d.errors},
        )

    def records(self, texts: Sequence[str]) -> list[DocumentHeads]:
        """What the model said of each text, as records.

        Args:
            texts: the ones that it read.
        """
        mentions = list(mention_records(self, texts))
        heads = list(self._triple_records(self.head_triples))
        tails: list[list[HeadTriple] | None] = [None] * len(texts)
        if self.tail_triples is not None:
            tails = list(self._triple_records(self.tail_triples))
        counts = (self.windows, self.cut_sentences, self.long_mentions)
        return [
            DocumentHeads(m, h, t, windows, cut, self.errors.get(number, {}), long)
            for number, (m, h, t, windows, cut, long) in enumerate(
                zip(mentions, heads, tails, *(c.tolist() for c in counts), strict=True)
            )
        ]

    def _triple_records(self, triples: TripleColumns) -> Iterator[list[HeadTriple]]:
        names = np.array(self.relation_types, object)
        rows = zip(
            triples.subject.tolist(),
            names[triples.relation].tolist(),
            triples.object.tolist(),
            triples.score.tolist(),
            strict=True,
        )
        return parts(list(map(_head_triple, rows)), triples.bounds)


def mention_records(
    columns: HeadColumns, texts: Sequence[str], chosen: np.ndarray | None = None
) -> Iterator[list[Mention]]:
    """The mentions of each text as records.

    Args:
        columns: of the texts.
        texts: the texts.
        chosen: which mentions, in order; all of them by default.
    """
    bounds, begin, end, type_, score = columns.mentions
    if chosen is not None:
        begin, end, type_, score = (c[chosen] for c in (begin, end, type_, score))
        bounds = np.searchsorted(chosen, bounds)
    begins, ends = begin.tolist(), end.tolist()
    spelt: list[str] = []
    places = bounds.tolist()
    for text, first, last in zip(texts, places[:-1], places[1:], strict=True):
        spelt += [text[b:e] for b, e in zip(begins[first:last], ends[first:last], strict=True)]
    names = np.array(columns.entity_types, object)[type_].tolist()
    rows = zip(begins, ends, spelt, names, score.tolist(), strict=True)
    return parts(list(map(_mention, rows)), bounds)


def parts(items: list[Any], bounds: np.ndarray) -> Iterator[list[Any]]:
    """The items between neighbouring bounds."""
    places = bounds.tolist()
    return (items[b:e] for b, e in pairwise(places))
