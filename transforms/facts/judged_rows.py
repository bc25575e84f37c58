"""What people judge in one chunk: how sure the model was, and the texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.schemas.shuffled_rows import ID_TYPE, SUPPORT_SCHEMA
from pfn_kg.transforms.corrections.evidence import best_evidence, numbered
from pfn_kg.transforms.corrections.outcomes import judgement_id
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions
from pfn_kg.transforms.facts.corrected_triples import Lesson, TripleCorrections
from pfn_kg.transforms.facts.document_rules import TripleColumns
from pfn_kg.transforms.facts.triple_rows import triple_rows


class Judged(NamedTuple):
    """What corrections judge in one chunk, as the model says it.

    Attributes:
        support: as in SUPPORT_SCHEMA, with the ids of judgements in the place of relations.
        evidence: as in `pfn_kg.transforms.corrections.evidence.EVIDENCE_SCHEMA`.
    """

    support: pa.Table
    evidence: pa.Table


def judged_rows(
    documents: ChunkDocuments,
    mentions: ChunkMentions,
    triples: TripleColumns,
    *,
    correct: TripleCorrections,
    relation_names: Sequence[str],
    calibration: Calibration,
) -> Judged | None:
    """The triples that corrections judge, as support and as evidence; None if there are none.

    Args:
        documents: of the chunk.
        mentions: of the chunk.
        triples: after all rules, before corrections of facts.
        correct: the corrections of facts.
        relation_names: names of the relations, in the order of their codes.
        calibration: of the scores of relations in a document.
    """
    support, evidence = [], []
    for lessons, is_of_model in ((correct.judged(triples), True), (correct.added(triples), False)):
        for batch in _batches(lessons, mentions):
            columns = zip(*(lesson.triples for lesson in batch), strict=True)
            together = TripleColumns(*map(np.concatenate, columns))
            table, of_relations = triple_rows(
                documents,
                mentions,
                together,
                relation_names=relation_names,
                calibration=calibration,
            )
            sizes = [len(lesson.triples.subjects) for lesson in batch]
            evidence.append(
                numbered(
                    table,
                    _sentence_begins(documents, mentions, together),
                    rows=np.repeat([lesson.row for lesson in batch], sizes),
                    is_right=np.repeat([lesson.is_right for lesson in batch], sizes),
                )
            )
            if is_of_model:
                support.append(_of_judgements(of_relations, table, evidence[-1]))
    if not evidence:
        return None
    return Judged(
        pa.concat_tables([SUPPORT_SCHEMA.empty_table(), *support]), best_evidence(evidence)
    )


def _batches(lessons: Iterable[Lesson], mentions: ChunkMentions) -> list[list[Lesson]]:
    """Lessons that are worked on together: no two of them are of one fact, mostly all."""
    numbers = mentions.entity_numbers
    batches: list[tuple[list[Lesson], set[tuple[int, int, int]]]] = []
    for lesson in lessons:
        triples = lesson.triples
        ends = numbers[triples.subjects].tolist(), numbers[triples.objects].tolist()
        facts = set(zip(ends[0], triples.relations.tolist(), ends[1], strict=True))
        for batch, known in batches:
            if facts.isdisjoint(known):
                batch.append(lesson)
                known |= facts
                break
        else:
            batches.append(([lesson], facts))
    return [batch for batch, _ in batches]


def _of_judgements(support: pa.Table, triples: pa.Table, evidence: pa.Table) -> pa.Table:
    """Support with the ids of judgements in the place of relations."""
    judgement_of = dict(
        zip(triples["relation_id"].to_pylist(), evidence["row"].to_pylist(), strict=True)
    )
    ids = [judgement_id(judgement_of[id_] - 1) for id_ in support["relation_id"].to_pylist()]
    field = SUPPORT_SCHEMA.field("relation_id")
    return support.set_column(0, field, pa.array(ids, ID_TYPE))


def _sentence_begins(
    documents: ChunkDocuments, mentions: ChunkMentions, triples: TripleColumns
) -> pa.Array:
    """Where the sentences of each triple's evidence begin."""
    sentences = mentions.columns.sentences
    first = documents.first_sentences[mentions.columns.rows[triples.subjects]]
    ends = np.stack([sentences[triples.subjects], sentences[triples.objects]])
    begins = [
        documents.sentence_begins[begin : end + 1].tolist()
        for begin, end in zip(
            (first + ends.min(axis=0)).tolist(), (first + ends.max(axis=0)).tolist(), strict=True
        )
    ]
    return pa.array(begins, pa.list_(pa.int32()))
