"""The columns that a graph's tables get from other tables when their rows go to a sink."""

from __future__ import annotations

import pyarrow as pa

#: The columns of the subject and object that `relations` and `triples` get. `kind` is `entity`
#: or `value`. `same_as` is the IRI of an entity. The other three describe an object that is a
#: value and are null otherwise, but `triples` keeps the `object_type` that it has.
JOINED_COLUMNS = pa.schema(
    {
        "subject_kind": pa.string(),
        "object_kind": pa.string(),
        "object_type": pa.string(),
        "object_value": pa.string(),
        "object_datatype": pa.string(),
        "subject_same_as": pa.string(),
        "object_same_as": pa.string(),
    }
)

#: The columns that `sentences` gets: the entities that a sentence mentions, with the number of
#: mentions (`count`), and the triples that it is evidence of. All sentences of a document are in
#: one file.
SENTENCE_COLUMNS = pa.schema(
    {
        "mentions": pa.list_(
            pa.struct({"entity_id": pa.string(), "kind": pa.string(), "count": pa.int64()})
        ),
        "evidence": pa.list_(
            pa.struct({"triple_id": pa.string(), "relation_id": pa.string(), "score": pa.float32()})
        ),
    }
)
