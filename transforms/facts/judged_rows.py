"""What people judge in one chunk: how sure the model was, and the texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.schemas.shuffled_rows import ID_TYPE, SUPPORT_SCHEMA
from pfn_kg.transforms.corrections.evidence import best_evidence, numbered
from pfn_kg.transforms.corrections.outcomes import judgement_id
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions
from pfn_kg.transforms.facts.corrected_triples import TripleCorrections
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
        for row, of_row, is_right in lessons:
            table, of_relations = triple_rows(
                documents,
                mentions,
                of_row,
                relation_names=relation_names,
                calibration=calibration,
            )
            begins = _sentence_begins(documents, mentions, of_row)
            evidence.append(numbered(row, table, begins, is_right=is_right))
            if is_of_model:
                ids = pa.array([judgement_id(row)] * len(of_relations), ID_TYPE)
                field = SUPPORT_SCHEMA.field("relation_id")
                support.append(of_relations.set_column(0, field, ids))
    if not evidence:
        return None
    return Judged(
        pa.concat_tables([SUPPORT_SCHEMA.empty_table(), *support]), best_evidence(evidence)
    )


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
