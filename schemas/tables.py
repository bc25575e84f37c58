"""The tables of the output folder: Arrow schemas, and the columns that each is sorted by.

They are the contract with every reader of a graph. Ids are hexadecimal text
derived from content. Offsets are code points of the document's text, begin
inclusive, end exclusive.
"""

from __future__ import annotations

import pyarrow as pa

TABLE_SCHEMAS: dict[str, pa.Schema] = {
    "documents": pa.schema(
        {
            "document_id": pa.string(),
            "title": pa.string(),
            "metadata": pa.string(),  # a JSON object
            "content_hash": pa.string(),
            "source_file": pa.string(),
            "source_row": pa.int64(),
            "characters": pa.int64(),
            "sentences": pa.int64(),
            "model_hash": pa.string(),
        }
    ),
    "sentences": pa.schema(
        {
            "document_id": pa.string(),
            "sentence_index": pa.int32(),
            "begin": pa.int32(),
            "end": pa.int32(),
            "text": pa.string(),
        }
    ),
    "mentions": pa.schema(
        {
            "mention_id": pa.string(),
            "document_id": pa.string(),
            "sentence_index": pa.int32(),
            "begin": pa.int32(),
            "end": pa.int32(),
            "text": pa.string(),
            "type": pa.string(),
            "score": pa.float32(),
            "entity_id": pa.string(),
        }
    ),
    "triples": pa.schema(
        {
            "triple_id": pa.string(),
            "document_id": pa.string(),
            "evidence_begin": pa.int32(),
            "evidence_end": pa.int32(),
            "evidence_text": pa.string(),
            "evidence_sentences": pa.int32(),  # 1: both arguments stand in one sentence
            "subject_mention_id": pa.string(),
            "relation": pa.string(),
            "object_mention_id": pa.string(),
            "subject_text": pa.string(),
            "subject_type": pa.string(),
            "subject_begin": pa.int32(),
            "subject_end": pa.int32(),
            "object_text": pa.string(),
            "object_type": pa.string(),
            "object_begin": pa.int32(),
            "object_end": pa.int32(),
            "score": pa.float32(),
            "flags": pa.list_(pa.string()),  # names of the rules that spoke of it
            "subject_entity_id": pa.string(),
            "object_entity_id": pa.string(),
            "relation_id": pa.string(),
        }
    ),
    "entities": pa.schema(
        {
            "entity_id": pa.string(),
            "kind": pa.string(),  # entity or value
            "name": pa.string(),
            "type": pa.string(),
            "value": pa.string(),  # of values alone: the canonical lexical form
            "datatype": pa.string(),
            "iri": pa.string(),  # of entities alone
            "same_as": pa.string(),  # IRI of the same thing elsewhere
            "aliases": pa.list_(pa.string()),  # other names, most frequent first
            # Names that are not the entity's by their keys: which rule joined each of them.
            "joined_by": pa.list_(
                pa.struct({"name": pa.string(), "type": pa.string(), "rule": pa.string()})
            ),
            "mentions": pa.int64(),
            "documents": pa.int64(),
        }
    ),
    "relations": pa.schema(
        {
            "relation_id": pa.string(),
            "subject_id": pa.string(),
            "predicate": pa.string(),
            "object_id": pa.string(),
            "confidence": pa.float32(),
            "evidence_count": pa.int64(),
            "document_count": pa.int64(),
            "evidence": pa.list_(pa.string()),  # triple ids, best first
        }
    ),
    "redirects": pa.schema({"old_id": pa.string(), "entity_id": pa.string()}),
    "rejected": pa.schema(
        {
            "stage": pa.string(),
            "document_id": pa.string(),
            "source_file": pa.string(),
            "source_row": pa.int64(),
            "sentence_index": pa.int32(),
            "error": pa.string(),
            "payload": pa.string(),
        }
    ),
}

#: What `entities` and `relations` have besides if the build was given corrections: which kind of
#: correction a row goes back to, who made it, when (UTC, ISO 8601), and why. All are null in rows
#: that nobody corrected.
CORRECTED_COLUMNS = pa.schema(
    {
        "corrected": pa.string(),
        "corrected_by": pa.string(),
        "corrected_at": pa.string(),
        "correction_note": pa.string(),
    }
)

#: The tables that have them.
CORRECTED_TABLES = ("entities", "relations")


def table_schema(table: str, *, corrected: bool) -> pa.Schema:
    """The schema of a table of one graph.

    Args:
        table: a key of TABLE_SCHEMAS.
        corrected: whether the graph was built with corrections.
    """
    schema = TABLE_SCHEMAS[table]
    if corrected and table in CORRECTED_TABLES:
        schema = pa.schema([*schema, *CORRECTED_COLUMNS])
    return schema


#: What the rows of each file are sorted by; no two rows agree in all of it, save rejected ones.
SORTED_BY: dict[str, tuple[str, ...]] = {
    "documents": ("document_id",),
    "sentences": ("document_id", "sentence_index"),
    "mentions": ("mention_id",),
    "triples": ("triple_id",),
    "entities": ("entity_id",),
    "relations": ("relation_id",),
    "redirects": ("old_id",),
    "rejected": tuple(TABLE_SCHEMAS["rejected"].names),
}
