"""The text beside the graph, under the names that the retrievers of neo4j-graphrag use.

```
(:Chunk {id, index, text})-[:FROM_DOCUMENT]->(:Document {id, title, ...})
(:Chunk)-[:NEXT_CHUNK]->(:Chunk)
(:Entity|:Value)-[:FROM_CHUNK]->(:Chunk),  -[:MENTIONED_IN {count}]->(:Document)
(:Evidence {id, relation, score})-[:FROM_CHUNK]->(:Chunk)
```

A chunk is a sentence. The `evidence` of a relationship lists ids of `:Evidence`, and
`relation` of these is the id of the relationship.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.sinks.neo4j.long_texts import is_long, short_ids
from pfn_kg.sinks.neo4j.statements import Merge, merge_nodes, merge_relationships

_OWN = ("id", "whole_id", "title", "source_file", "source_row", "graph", "version")


def merge_documents(rows: pa.Table) -> Iterator[Merge]:
    """Documents, with their metadata as properties."""
    properties = pa.array([_properties(text) for text in rows["metadata"].to_pylist()], pa.string())
    columns = {
        "id": short_ids(rows["document_id"]),
        "title": rows["title"],
        "source_file": rows["source_file"],
        "source_row": rows["source_row"],
        "metadata": properties,
    }
    long = is_long(rows["document_id"])
    if pc.any(long).as_py():
        columns["whole_id"] = pc.if_else(long, rows["document_id"], pa.scalar(None, pa.string()))
    yield merge_nodes("Document", pa.table(columns), map_column="metadata")


def _properties(metadata: str | None) -> str:
    """Metadata as what a node can hold: scalars, lists of scalars of one kind, JSON else."""
    values = json.loads(metadata) if metadata else {}
    properties = {
        f"metadata_{name}" if name in _OWN else name: _property(value)
        for name, value in values.items()
        if value is not None and name
    }
    return orjson.dumps(properties).decode()


def _property(value: Any) -> Any:
    if _is_scalar(value):
        return value
    is_of_one_kind = isinstance(value, list) and len({type(item) for item in value}) == 1
    if is_of_one_kind and all(map(_is_scalar, value)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_scalar(value: Any) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str | float)


def merge_sentences(rows: pa.Table) -> Iterator[Merge]:
    """Sentences as chunks, and what was found in them.

    Args:
        rows: all sentences of each of their documents, with
            `pfn_kg.schemas.joined_columns.SENTENCE_COLUMNS`.
    """
    index = rows.schema.get_field_index("document_id")
    rows = rows.set_column(index, "document_id", short_ids(rows["document_id"]))
    chunk = chunk_ids(rows)
    yield merge_nodes(
        "Chunk",
        pa.table(
            {
                "id": chunk,
                "index": rows["sentence_index"],
                "text": rows["text"],
                "begin": rows["begin"],
                "end": rows["end"],
            }
        ),
    )
    yield merge_relationships(
        "FROM_DOCUMENT",
        pa.table({"start": chunk, "end": rows["document_id"]}),
        ends=("Chunk", "Document"),
    )
    document = rows["document_id"]
    is_next = pc.equal(document.slice(1), document.slice(0, max(len(rows) - 1, 0)))
    yield merge_relationships(
        "NEXT_CHUNK",
        pa.table({"start": chunk.slice(0, max(len(rows) - 1, 0)), "end": chunk.slice(1)}).filter(
            is_next
        ),
        ends=("Chunk", "Chunk"),
    )
    yield from _merge_evidence(rows, chunk)
    yield from _merge_mentioned(rows, chunk)


def chunk_ids(rows: pa.Table) -> pa.ChunkedArray:
    """The ids of sentences: that of the document, a number sign, and the index."""
    index = rows["sentence_index"].cast(pa.string())
    return pc.binary_join_element_wise(rows["document_id"], index, "#")


def _unnest(rows: pa.Table, column: str) -> tuple[pa.Table, pa.Array]:
    """The structs in the lists of a column as a table, and for each the row it is of."""
    lists = rows[column].combine_chunks()
    items = lists.flatten()
    table = pa.table({field.name: pc.struct_field(items, field.name) for field in items.type})
    return table, pc.list_parent_indices(lists)


def _merge_evidence(rows: pa.Table, chunk: pa.ChunkedArray) -> Iterator[Merge]:
    evidence, row = _unnest(rows, "evidence")
    # Evidence of several sentences is there once, and leads to each of them.
    ids = evidence["triple_id"].to_numpy(zero_copy_only=False).astype(str)
    _, first = np.unique(ids, return_index=True)
    nodes = evidence.take(pa.array(first))
    yield merge_nodes(
        "Evidence",
        pa.table(
            {
                "id": nodes["triple_id"],
                "relation": nodes["relation_id"],
                "score": nodes["score"],
            }
        ),
    )
    yield merge_relationships(
        "FROM_CHUNK",
        pa.table({"start": evidence["triple_id"], "end": chunk.take(row)}),
        ends=("Evidence", "Chunk"),
    )


def _merge_mentioned(rows: pa.Table, chunk: pa.ChunkedArray) -> Iterator[Merge]:
    mentions, row = _unnest(rows, "mentions")
    mentions = mentions.append_column("chunk", chunk.take(row))
    mentions = mentions.append_column("document", rows["document_id"].take(row))
    keys = ["entity_id", "kind", "document"]
    counts = mentions.group_by(keys, use_threads=False).aggregate([("count", "sum")])
    for kind, label in (("entity", "Entity"), ("value", "Value")):
        of_kind = mentions.filter(pc.equal(mentions["kind"], kind))
        yield merge_relationships(
            "FROM_CHUNK",
            pa.table({"start": of_kind["entity_id"], "end": of_kind["chunk"]}),
            ends=(label, "Chunk"),
        )
        counted = counts.filter(pc.equal(counts["kind"], kind))
        yield merge_relationships(
            "MENTIONED_IN",
            pa.table(
                {
                    "start": counted["entity_id"],
                    "end": counted["document"],
                    "count": counted["count_sum"],
                }
            ),
            ends=(label, "Document"),
        )
