"""The rows that workers exchange between a chunk and the graph: ids and Arrow schemas.

They never reach a file. Ids are bytes here and become hexadecimal text when a table is
written. `pfn_kg.schemas.tables` has the schemas of the tables themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from pfn_kg.schemas.lists import REMOVED_SCHEMA
from pfn_kg.schemas.tables import TABLE_SCHEMAS

#: 96 bits: among a billion ids the odds of any collision are below 1e-11.
ID_BYTES = 12

#: An id on its way.
ID_TYPE = pa.binary(ID_BYTES)


class Move(NamedTuple):
    """Where the mentions of an entity go.

    Attributes:
        old: id of the entity that a name gives by itself.
        heir: id of the entity that its mentions go to.
        rule: that says so, as `joined_by` of the table `entities` calls it.
        type: type of the heir; None if it is that of the name.
    """

    old: bytes
    heir: bytes
    rule: str
    type: str | None = None


class Link(NamedTuple):
    """Where the mentions of an entity go that is an entry of a catalogue, or one of several things.

    Attributes:
        old: the id that they have by name and moves.
        heir: the id of the entity that they go to.
        rule: that says so, as `joined_by` of the table `entities` calls it.
        type: of that entity.
        document_id: in this document alone; None is in all that have no link of their own.
    """

    old: bytes
    heir: bytes
    rule: str
    type: str
    document_id: str | None = None


#: One row for each name of an entity in a chunk.
NAME_SCHEMA = pa.schema(
    {
        "entity_id": ID_TYPE,
        "kind": pa.string(),
        "type": pa.string(),
        "value": pa.string(),
        "datatype": pa.string(),
        "name": pa.string(),
        "mentions": pa.int64(),
        # Mentions whose own key is the entity's. A short form has another key.
        "own": pa.int64(),
        # Documents that mention the entity, by any name: in one row of the entity, 0 in the others.
        "documents": pa.int64(),
        # Whether the alias table gives the name. Such a name may have no mention.
        "is_canonical": pa.bool_(),
        # The IRI that the alias table gives the entity.
        "same_as": pa.string(),
        # The rule that made the name one of the entity's; null if equal keys did.
        "rule": pa.string(),
        # The type that the mentions have by themselves.
        "own_type": pa.string(),
    }
)

#: Bytes of what a fact of an entity is compared by.
FACT_BYTES = 8

#: NAME_SCHEMA with the number of the chunk that the name occurs in, and with the lowest hashes of
#: the entity's facts there, names of its neighbours and the lowest hashes of its documents, where a
#: rule asks for them.
CHUNK_NAME_SCHEMA = pa.schema(
    [
        *NAME_SCHEMA,
        pa.field("chunk", pa.int64()),
        pa.field("facts", pa.list_(pa.binary(FACT_BYTES))),
        pa.field("partners", pa.list_(pa.string())),
        pa.field("seen_in", pa.list_(pa.binary(FACT_BYTES))),
    ]
)

#: One row for each relation and document: the document's best triple for the relation, and the
#: score of the relation in that document. A row may stand for others of its relation too.
SUPPORT_SCHEMA = pa.schema(
    {
        "relation_id": ID_TYPE,
        "subject_id": ID_TYPE,
        "predicate": pa.string(),
        "object_id": ID_TYPE,
        "triples": pa.int64(),
        "documents": pa.int64(),
        "score": pa.float32(),
        "triple_id": ID_TYPE,
        "sentence_key": ID_TYPE,
    }
)

#: One row for each entity that a relation of an acyclic predicate leads to.
OBJECT_SCHEMA = pa.schema({"predicate": pa.string(), "object_id": ID_TYPE})

#: One row for each pair of an entity's key and another entity that mentions of this key went to,
#: with the number of these mentions in the chunk.
MOVED_SCHEMA = pa.schema({"old_id": ID_TYPE, "entity_id": ID_TYPE, "mentions": pa.int64()})

#: One row for each relation and file of `triples` that has triples of it.
CLAIM_SCHEMA = pa.schema({"relation_id": ID_TYPE, "file": pa.int32()})

#: One row for each document of a chunk, by which documents of one id are compared: its number of
#: rows by table, and `stands_for`, as `pfn_kg.transforms.documents.deduplicate` says.
DOCUMENT_SCHEMA = pa.schema(
    {
        "document_id": pa.string(),
        "generation": pa.int64(),
        "source_file": pa.string(),
        "source_row": pa.int64(),
        "content_hash": pa.string(),
        "chunk": pa.int64(),
        "row": pa.int64(),
        "sentences": pa.int32(),
        "mentions": pa.int32(),
        "head_triples": pa.int32(),
        "stands_for": pa.int8(),
    }
)

#: One row for each document of a chunk, to find those that were removed.
PRESENT_SCHEMA = pa.schema(
    {
        "document_id": pa.string(),
        "row": pa.int64(),
        "chunk": pa.int64(),
        "generation": pa.int64(),
    }
)

#: One row for each row of the corpus, or of the extractions that it is compared with. `key` says
#: which document it holds, or its place where it holds none, and `version` hashes what it says.
VERSION_SCHEMA = pa.schema(
    {
        "key": pa.binary(),
        # Of rows of the extractions; null in others.
        "generation": pa.int64(),
        "source_file": pa.binary(),
        "source_row": pa.int64(),
        # Null in rows that only tell that a document is there, though it was rejected.
        "version": pa.binary(16),
        # Of rows of the corpus: the number of the run, the row as the run counts them, and whether
        # its file can't be read there.
        "run": pa.int64(),
        "row": pa.int64(),
        "is_lost": pa.bool_(),
    }
)

#: Rows that `pfn-kg retry` compares, by the document and by the place that each tells of.
RETRY_SCHEMA = pa.schema(
    {
        "key": pa.binary(),
        # Of rows of the extractions; null in others, as the next four are.
        "generation": pa.int64(),
        "source_file": pa.binary(),
        "source_row": pa.int64(),
        "is_document": pa.bool_(),
        "is_refused": pa.bool_(),
        # Null in rows of the corpus that can be read.
        "version": pa.binary(16),
        # Of rows of the corpus: the number of the run, and the rows as the run counts them.
        "run": pa.int64(),
        "begin": pa.int64(),
        "end": pa.int64(),
    }
)


def shuffled_schema(table: str) -> pa.Schema:
    """The schema of the rows that a table is made of, before they are written.

    Args:
        table: a key of `pfn_kg.schemas.tables.TABLE_SCHEMAS`.

    Returns:
        NAME_SCHEMA for `entities` and SUPPORT_SCHEMA for `relations`, whose rows are aggregated;
        the schema of the table with ids as bytes for `mentions` and `triples`; otherwise the
        schema of the table.
    """
    if table in ("entities", "relations"):
        return NAME_SCHEMA if table == "entities" else SUPPORT_SCHEMA
    schema = TABLE_SCHEMAS[table]
    if table not in ("mentions", "triples"):
        return schema
    return pa.schema(
        [
            f.with_type(ID_TYPE) if f.name.endswith("_id") and f.name != "document_id" else f
            for f in schema
        ]
    )


#: The schemas that workers know of each other, so that rows of these travel without their schema.
SHUFFLED_SCHEMAS = (
    *(shuffled_schema(table) for table in TABLE_SCHEMAS),
    CHUNK_NAME_SCHEMA,
    OBJECT_SCHEMA,
    MOVED_SCHEMA,
    DOCUMENT_SCHEMA,
    PRESENT_SCHEMA,
    VERSION_SCHEMA,
    RETRY_SCHEMA,
    CLAIM_SCHEMA,
    REMOVED_SCHEMA,
)
