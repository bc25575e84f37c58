"""The triples of one chunk as rows, and the support that they give to relations of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.schemas.shuffled_rows import ID_TYPE, SUPPORT_SCHEMA
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions
from pfn_kg.transforms.facts.document_rules import TripleColumns, flag_lists
from pfn_kg.transforms.names.canonical_names import canonical_name
from pfn_kg.transforms.plumbing.ids import (
    from_arrow,
    id_array,
    sort_keys,
    spell,
    spelt_ids,
    to_hex,
)

_OF_MENTION = ("mention_id", "text", "type", "begin", "end", "entity_id")


class Evidence(NamedTuple):
    """For each triple, the smallest run of whole sentences that holds both arguments.

    Attributes:
        begins: offset of its begin in the document.
        ends: offset of its end.
        texts: its text.
        sentences: how many sentences it has; 1 where both arguments stand in one.
    """

    begins: np.ndarray
    ends: np.ndarray
    texts: list[str]
    sentences: np.ndarray


class ChunkRelations(NamedTuple):
    """The relations of the graph that the triples of a chunk state, each once.

    Attributes:
        ids: their ids.
        subjects: position of the subject among the chunk's entities.
        predicates: code of the relation in the label schema.
        objects: position of the object among the chunk's entities.
        of_triple: for each triple, the position of its relation.
    """

    ids: pa.Array
    subjects: np.ndarray
    predicates: np.ndarray
    objects: np.ndarray
    of_triple: np.ndarray


def triple_rows(
    documents: ChunkDocuments,
    mentions: ChunkMentions,
    triples: TripleColumns,
    *,
    relation_names: Sequence[str],
    calibration: Calibration,
) -> tuple[pa.Table, pa.Table]:
    """The rows of the table `triples`, and the support of each relation and document.

    Args:
        documents: of the chunk.
        mentions: of the chunk.
        triples: between positions among the mentions.
        relation_names: names of the relations, in the order of their codes.
        calibration: of the scores of relations in a document.

    Returns:
        Rows of the table `triples` with ids as bytes, and rows as in SUPPORT_SCHEMA.
    """
    evidence = _evidence(documents, mentions, triples)
    relations = _relations(mentions, triples, relation_names)
    ids = _triple_ids(mentions, triples, relation_names)
    table = _table(
        mentions,
        triples,
        relation_names=relation_names,
        evidence=evidence,
        relations=relations,
        ids=ids,
    )
    best, counts = _best_triples(mentions, triples, relations=relations, ids=ids)
    # The sentence keys of equal texts are equal; long texts recur.
    best_texts = [evidence.texts[index] for index in best.tolist()]
    texts = list(dict.fromkeys(best_texts))
    keys = spelt_ids(f"sentence {spell(canonical_name(text))}" for text in texts)
    sentence_keys = dict(zip(texts, keys, strict=True))
    number = relations.of_triple[best]
    names = pa.array(relation_names, pa.string())
    support = {
        "relation_id": relations.ids.take(pa.array(number)),
        "subject_id": mentions.entity_ids.take(pa.array(relations.subjects[number])),
        "predicate": names.take(pa.array(relations.predicates[number])),
        "object_id": mentions.entity_ids.take(pa.array(relations.objects[number])),
        "triples": pa.array(counts),
        "documents": pa.array(np.ones(len(counts), dtype=np.int64)),
        "score": pa.array(calibration.of_scores(triples.scores[best]), pa.float32()),
        "triple_id": pa.array([ids[index] for index in best.tolist()], ID_TYPE),
        "sentence_key": pa.array([sentence_keys[text] for text in best_texts], ID_TYPE),
    }
    return table, pa.table(support, schema=SUPPORT_SCHEMA)


def _evidence(
    documents: ChunkDocuments, mentions: ChunkMentions, triples: TripleColumns
) -> Evidence:
    rows = mentions.columns.rows[triples.subjects]
    first = documents.first_sentences[rows]
    in_subject = mentions.columns.sentences[triples.subjects]
    in_object = mentions.columns.sentences[triples.objects]
    begins = documents.sentence_begins[first + np.minimum(in_subject, in_object)]
    ends = documents.sentence_ends[first + np.maximum(in_subject, in_object)]
    texts = documents.spans(rows.tolist(), begins.tolist(), ends.tolist())
    return Evidence(begins, ends, texts, np.abs(in_subject - in_object) + 1)


def _triple_ids(
    mentions: ChunkMentions, triples: TripleColumns, relation_names: Sequence[str]
) -> list[bytes]:
    return _spelt_triples(
        "triple",
        spelt_arguments=_spelt_ids(mentions.table["mention_id"]),
        relation_names=relation_names,
        columns=(triples.subjects, triples.relations, triples.objects),
    )


def _relations(
    mentions: ChunkMentions, triples: TripleColumns, relation_names: Sequence[str]
) -> ChunkRelations:
    subjects = mentions.entity_numbers[triples.subjects]
    objects = mentions.entity_numbers[triples.objects]
    entities, codes = max(len(mentions.entities), 1), max(len(relation_names), 1)
    keys, of_triple = np.unique(
        (subjects * codes + triples.relations) * entities + objects, return_inverse=True
    )
    of_subject, predicates = np.divmod(keys // entities, codes)
    of_object = keys % entities
    ids = _spelt_triples(
        "relation",
        spelt_arguments=_spelt_ids(mentions.entity_ids),
        relation_names=relation_names,
        columns=(of_subject, predicates, of_object),
    )
    return ChunkRelations(pa.array(ids, ID_TYPE), of_subject, predicates, of_object, of_triple)


def _spelt_triples(
    kind: str,
    *,
    spelt_arguments: Sequence[str],
    relation_names: Sequence[str],
    columns: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> list[bytes]:
    """The id of each (subject, relation, object), given the spelt ids of the arguments."""
    spelt_relations = [spell(name) for name in relation_names]
    return spelt_ids(
        f"{kind} {spelt_arguments[s]}{spelt_relations[r]}{spelt_arguments[o]}"
        for s, r, o in zip(*(column.tolist() for column in columns), strict=True)
    )


def _spelt_ids(ids: pa.Array | pa.ChunkedArray) -> list[str]:
    """Ids as parts of other ids, spelt in hexadecimal."""
    return [spell(id_) for id_ in to_hex(from_arrow(ids)).to_pylist()]


def _table(
    mentions: ChunkMentions,
    triples: TripleColumns,
    *,
    relation_names: Sequence[str],
    evidence: Evidence,
    relations: ChunkRelations,
    ids: Sequence[bytes],
) -> pa.Table:
    names = pa.array(relation_names, pa.string())
    columns = {
        "triple_id": pa.array(ids, ID_TYPE),
        "document_id": mentions.table["document_id"].take(pa.array(triples.subjects)),
        "evidence_begin": pa.array(evidence.begins, pa.int32()),
        "evidence_end": pa.array(evidence.ends, pa.int32()),
        "evidence_text": pa.array(evidence.texts, pa.string()),
        "evidence_sentences": pa.array(evidence.sentences, pa.int32()),
        "relation": names.take(pa.array(triples.relations)),
        "score": pa.array(triples.scores, pa.float32()),
        "flags": flag_lists(triples.flags),
        "relation_id": relations.ids.take(pa.array(relations.of_triple)),
    }
    for side, positions in (("subject", triples.subjects), ("object", triples.objects)):
        for name in _OF_MENTION:
            columns[f"{side}_{name}"] = mentions.table[name].take(pa.array(positions))
    return pa.table({name: columns[name] for name in TABLE_SCHEMAS["triples"].names})


def _best_triples(
    mentions: ChunkMentions,
    triples: TripleColumns,
    *,
    relations: ChunkRelations,
    ids: Sequence[bytes],
) -> tuple[np.ndarray, np.ndarray]:
    """The best triple of each relation and document, and the number of triples it was chosen of.

    Among triples of one score the lowest id is the best.
    """
    rows = mentions.columns.rows[triples.subjects]
    groups = relations.of_triple * (int(rows.max(initial=0)) + 1) + rows
    order = np.lexsort((*sort_keys(id_array(ids)), -triples.scores, groups))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = groups[order][1:] != groups[order][:-1]
    begins = np.flatnonzero(is_first)
    return order[begins], np.diff(np.append(begins, len(order)))
