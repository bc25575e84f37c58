"""Resolution of one chunk: its scored mentions and head triples become spans and triples.

`pfn_kg.pfn.resolution` resolves; this module reads the columns of an extraction file for it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pfn.resolution import TailColumns, resolve_columns
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.facts.across_sentences import heads_across, tails_across
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments, integers
from pfn_kg.transforms.facts.document_rules import TripleColumns
from pfn_kg.transforms.facts.fact_options import FactOptions


class Labels(NamedTuple):
    """The labels in the order of their codes: sorted, as resolution requires.

    Attributes:
        types: names of the entity types.
        relations: names of the relations.
    """

    types: list[str]
    relations: list[str]

    @classmethod
    def of(cls, label_schema: LabelSchema) -> Labels:
        """The labels of a schema."""
        return cls(
            sorted(t.name for t in label_schema.entity_types),
            sorted(r.name for r in label_schema.relations),
        )


class MentionColumns(NamedTuple):
    """Mentions as arrays of one length.

    Attributes:
        rows: position of each mention's document in the chunk.
        begins: offset of its begin in the document.
        ends: offset of its end.
        types: code of its type.
        scores: its score.
        sentences: index of its sentence in the document.
    """

    rows: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    types: np.ndarray
    scores: np.ndarray
    sentences: np.ndarray

    def at(self, positions: np.ndarray) -> MentionColumns:
        """The mentions at some positions, or where a mask holds."""
        return MentionColumns(*(column[positions] for column in self))


class HeadTripleColumns(NamedTuple):
    """Head triples, or tail triples, as arrays of one length.

    Attributes:
        subjects: head of each subject: `position of the document << 32 | offset`.
        relations: code of the relation.
        objects: head of each object.
        scores: scores.
    """

    subjects: np.ndarray
    relations: np.ndarray
    objects: np.ndarray
    scores: np.ndarray

    def accepted(self, across: np.ndarray, *, inside_from: float, across_from: float) -> Self:
        """Those that reach their threshold.

        Args:
            across: whether each stands in two sentences.
            inside_from: threshold of those in one sentence.
            across_from: threshold of the others.
        """
        # In the scores' precision, as a plain number is compared: 0.7 reaches 0.7.
        thresholds = np.where(across, across_from, inside_from).astype(self.scores.dtype)
        kept = self.scores >= thresholds
        return type(self)(*(column[kept] for column in self))


class ResolvedChunk(NamedTuple):
    """Accepted mentions, and triples between positions among them."""

    mentions: MentionColumns
    triples: TripleColumns


def resolved_chunk(
    documents: ChunkDocuments, labels: Labels, *, options: FactOptions, counts: Counter[str]
) -> ResolvedChunk:
    """Accepts mentions and expands head triples to pairs of them (eq. 13).

    Args:
        documents: of the chunk.
        labels: those of the label schema. Mentions and head triples with other labels are left
            out and counted.
        options: thresholds and head policy.
        counts: receives the counts of this step.
    """
    mentions, unknown_mentions = _read_mentions(documents, labels.types)
    heads, unknown_heads = _read_triples(documents, "head_triples", labels.relations)
    counts["mentions_of_unknown_type"] = unknown_mentions
    counts["head_triples_of_unknown_relation"] = unknown_heads
    tails = _read_tails(documents, labels.relations)
    threshold, across = options.relation_threshold, options.across_threshold
    if across is not None:
        heads = heads.accepted(
            heads_across(documents, heads.subjects, heads.objects),
            inside_from=threshold,
            across_from=across,
        )
        if tails is not None:
            tails = tails.accepted(
                tails_across(documents, tails.subjects, tails.objects),
                inside_from=threshold,
                across_from=across,
            )
        threshold = min(threshold, across)
    resolved = resolve_columns(
        heads=mentions.rows << 32 | mentions.begins,
        ends=mentions.rows << 32 | mentions.ends,
        types=mentions.types,
        mention_scores=mentions.scores,
        subject_heads=heads.subjects,
        relations=heads.relations,
        object_heads=heads.objects,
        triple_scores=heads.scores,
        entity_threshold=options.entity_threshold,
        relation_threshold=threshold,
        head_policy=options.head_policy,
        tails=None if tails is None else TailColumns(*tails),
    )
    counts["unresolved_head_triples"] = resolved.unresolved
    counts["triples_without_tails"] = resolved.without_tails
    counts["mentions"] = len(resolved.mentions)
    of_triple = resolved.head_triples
    triples = TripleColumns(
        subjects=resolved.subjects,
        relations=heads.relations[of_triple],
        objects=resolved.objects,
        scores=heads.scores[of_triple],
        flags=np.zeros(len(of_triple), dtype=np.int64),
    )
    return ResolvedChunk(mentions.at(resolved.mentions), triples)


def _read_mentions(documents: ChunkDocuments, types: list[str]) -> tuple[MentionColumns, int]:
    """The mentions of known types, and the number of the others."""
    rows, (begin, end, type_, score, sentence) = documents.flatten(
        "mentions", ("begin", "end", "type", "score", "sentence")
    )
    codes = _codes(type_, types)
    known = np.flatnonzero(codes >= 0)
    mentions = MentionColumns(
        rows=rows,
        begins=integers(begin),
        ends=integers(end),
        types=codes,
        scores=score.to_numpy(zero_copy_only=False),
        sentences=integers(sentence),
    )
    return mentions.at(known), len(codes) - len(known)


def _read_triples(
    documents: ChunkDocuments, column: str, relations: list[str]
) -> tuple[HeadTripleColumns, int]:
    """The head triples of known relations, and the number of the others."""
    rows, (subject, relation, object_, score) = documents.flatten(
        column, ("subject", "relation", "object", "score")
    )
    codes = _codes(relation, relations)
    known = np.flatnonzero(codes >= 0)
    triples = HeadTripleColumns(
        subjects=(rows << 32 | integers(subject))[known],
        relations=codes[known],
        objects=(rows << 32 | integers(object_))[known],
        scores=score.to_numpy(zero_copy_only=False)[known],
    )
    return triples, len(codes) - len(known)


def _read_tails(documents: ChunkDocuments, relations: list[str]) -> HeadTripleColumns | None:
    """The tail triples of the chunk, or None if its model has no tail table."""
    if documents.rows["tail_triples"].null_count == len(documents.rows):
        return None
    tails, _ = _read_triples(documents, "tail_triples", relations)
    return tails


def _codes(names: pa.Array, known: list[str]) -> np.ndarray:
    """The position of each name among the known ones, -1 for others."""
    positions = pc.index_in(names, value_set=pa.array(known, pa.string()))
    return integers(pc.fill_null(positions, -1))
