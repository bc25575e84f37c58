"""Triples inside a sentence and triples across sentences, each accepted from its own score on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pfn_kg.pfn.inference.head_columns import HeadColumns, TripleColumns
from pfn_kg.schemas.records import DocumentHeads, Sentence


def accepted_by_place(
    columns: HeadColumns,
    sentences: Sequence[Sequence[Sentence]],
    *,
    inside_from: float,
    across_from: float,
) -> HeadColumns:
    """What the model said of texts, without the triples that score too little for their place.

    Args:
        columns: of the texts.
        sentences: of each text, in order.
        inside_from: least score of a triple whose arguments stand in one sentence.
        across_from: least score of a triple whose arguments stand in two.
    """
    counts = [len(of_text) for of_text in sentences]
    begins = np.array([s.begin for of_text in sentences for s in of_text], np.int64)
    begins |= np.repeat(np.arange(len(sentences), dtype=np.int64) << 32, counts)

    def kept(triples: TripleColumns, last: int) -> TripleColumns:
        text = np.repeat(np.arange(len(sentences), dtype=np.int64) << 32, np.diff(triples.bounds))
        one, other = (
            np.searchsorted(begins, (text | side) - last, "right")
            for side in (triples.subject, triples.object)
        )
        chosen = np.flatnonzero(triples.score >= np.where(one == other, inside_from, across_from))
        return TripleColumns(
            np.searchsorted(chosen, triples.bounds),
            triples.subject[chosen],
            triples.relation[chosen],
            triples.object[chosen],
            triples.score[chosen],
        )

    tails = columns.tail_triples
    return columns._replace(
        head_triples=kept(columns.head_triples, 0),
        # The end of a mention may be where the next sentence begins.
        tail_triples=None if tails is None else kept(tails, 1),
    )


def heads_by_place(
    documents: Sequence[DocumentHeads],
    texts: Sequence[str],
    sentences: Sequence[Sequence[Sentence]],
    *,
    inside_from: float,
    across_from: float,
) -> list[DocumentHeads]:
    """As `accepted_by_place`, of records.

    Args:
        documents: what the model said of the texts.
        texts: the texts.
        sentences: of each text, in order.
        inside_from: as in `accepted_by_place`.
        across_from: as in `accepted_by_place`.
    """
    columns = accepted_by_place(
        HeadColumns.of(documents), sentences, inside_from=inside_from, across_from=across_from
    )
    return columns.records(texts)
