"""The rows that workers exchange between a chunk and the graph: ids and Arrow schemas.

They never reach a file. Ids are bytes here and become hexadecimal text when a table is
written. `pfn_kg.schemas.tables` has the schemas of the tables themselves.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import pyarrow as pa

from pfn_kg.schemas.tables import TABLE_SCHEMAS

#: 96 bits: among a billion ids the odds of any collision are below 1e-11.
ID_BYTES = 12

#: An id on its way.
ID_TYPE = pa.binary(ID_BYTES)

#: The id that the key of a name gives, and the id of the entity that its mentions go to.
Move: TypeAlias = tuple[bytes, bytes]


class Link(NamedTuple):
    """Where the mentions of an entity go that is an entry of a catalogue, or one of several things.

    Attributes:
        old: the id that they have by name, alias table and near names.
        heir: the id of the entity that they go to.
        type: of that entity.
        document_id: in this document alone; None is in all that have no link of their own.
    """

    old: bytes
    heir: bytes
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
    }
)

#: NAME_SCHEMA with the number of the chunk that the name occurs in.
CHUNK_NAME_SCHEMA = NAME_SCHEMA.append(pa.field("chunk", pa.int64()))

#: One row for each relation and document: the document's best triple for the relation, and the
#: score of the relation in that document.
SUPPORT_SCHEMA = pa.schema(
    {
        "relation_id": ID_TYPE,
        "subject_id": ID_TYPE,
        "predicate": pa.string(),
        "object_id": ID_TYPE,
        "triples": pa.int64(),
        "score": pa.float32(),
        "triple_id": ID_TYPE,
        "sentence_key": ID_TYPE,
    }
)

#: One row for each pair of an entity's key and another entity that mentions of this key went to,
#: with the number of these mentions in the chunk.
MOVED_SCHEMA = pa.schema({"old_id": ID_TYPE, "entity_id": ID_TYPE, "mentions": pa.int64()})


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
