"""From the rows of chunks to entities and relations: what all documents say together.

Both functions give the same table whatever the order and the grouping of the rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.ids import from_arrow, group_ids, sort_keys, to_hex

#: No number of sentences makes certain: scores are of one model, which errs alike.
CONFIDENCE_CAP = 0.999

#: How many triple ids a relation lists.
EVIDENCE_LISTED = 5


def aggregate_entities(names: pa.Table, base_iri: str) -> pa.Table:
    """Entities from their names.

    The name of an entity is the one that the alias table gives, else the most frequent
    one, of these the longest, of these the first; the others are its aliases, in that
    order. Short forms come after names that have a key of the entity, however frequent
    they are.

    A name that no text has is there only if it is the name of the entity.

    Args:
        names: as in `pfn_kg.schemas.shuffled_rows.NAME_SCHEMA`, all rows of the entities.
        base_iri: namespace of the entities' IRIs.

    Returns:
        The table `entities`, sorted by id.
    """
    keys = ["entity_id", "kind", "type", "value", "datatype", "name"]
    spellings = names.group_by(keys, use_threads=False).aggregate(
        [("mentions", "sum"), ("own", "sum"), ("documents", "sum"), ("is_canonical", "max")]
    )
    spellings = spellings.append_column("length", pc.utf8_length(spellings["name"]))
    spellings = spellings.append_column("is_own", pc.greater(spellings["own_sum"], 0)).sort_by(
        [
            ("entity_id", "ascending"),
            ("is_canonical_max", "descending"),
            ("is_own", "descending"),
            ("mentions_sum", "descending"),
            ("length", "descending"),
            ("name", "ascending"),
        ]
    )
    ids = from_arrow(spellings["entity_id"])
    _, group, first = group_ids(ids)
    is_canonical = pc.fill_null(spellings["is_canonical_max"], False)
    is_alias = pc.or_(pc.greater(spellings["mentions_sum"], 0), is_canonical).to_numpy().copy()
    is_alias[first] = False
    sizes = np.bincount(group, weights=is_alias, minlength=len(first))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    rows = spellings.take(pa.array(first))
    hexadecimal = to_hex(ids[first])
    iris = pc.binary_join_element_wise(f"{base_iri}entity/", hexadecimal, "")
    is_entity = pc.equal(rows["kind"], "entity")
    columns = {
        **{name: rows[name] for name in keys[1:]},
        "entity_id": hexadecimal,
        "iri": pc.if_else(is_entity, iris, pa.scalar(None, pa.string())),
        "aliases": pa.ListArray.from_arrays(
            pa.array(offsets), one_array(spellings["name"].filter(pa.array(is_alias)))
        ),
        "joined_by": _joined_by(names, rows["entity_id"]),
        "same_as": _same_as(names, rows["entity_id"]),
        "mentions": _sums(spellings["mentions_sum"], first),
        "documents": _sums(spellings["documents_sum"], first),
    }
    schema = TABLE_SCHEMAS["entities"]
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def aggregate_relations(support: pa.Table) -> pa.Table:
    """Relations from what supports them, with noisy-or confidence.

    Distinct evidence is the best triple of each document, and of equal sentences
    (but for case and white space) again the best alone, so that boilerplate counts
    once. The confidence is `1 - prod(1 - score)` over it, capped.

    Args:
        support: as in `pfn_kg.schemas.shuffled_rows.SUPPORT_SCHEMA`,
            all rows of the relations.

    Returns:
        The table `relations`, sorted by id.
    """
    ids, sentences, triples = (
        from_arrow(support[name]) for name in ("relation_id", "sentence_key", "triple_id")
    )
    scores = support["score"].to_numpy().astype(np.float64)
    order = np.lexsort((*sort_keys(triples), -scores, *sort_keys(sentences), *sort_keys(ids)))
    _, group, first = group_ids(ids[order])
    sorted_sentences = sentences[order]
    is_distinct = np.ones(len(order), dtype=bool)
    is_distinct[1:] = (group[1:] != group[:-1]) | (
        sorted_sentences[1:] != sorted_sentences[:-1]
    ).any(axis=1)

    distinct, of_relation = order[is_distinct], group[is_distinct]
    best_first = np.lexsort((*sort_keys(triples[distinct]), -scores[distinct], of_relation))
    distinct = distinct[best_first]
    sizes = np.bincount(of_relation, minlength=len(first))
    begins = np.cumsum(sizes) - sizes
    doubts = np.ones(0)
    if len(first):
        # A product in a fixed order: sums of logarithms differ between processors.
        doubts = np.multiply.reduceat(1 - scores[distinct], begins)
    rank = np.arange(len(distinct)) - np.repeat(begins, sizes)
    listed = distinct[rank < EVIDENCE_LISTED]
    offsets = np.concatenate([[0], np.cumsum(np.minimum(sizes, EVIDENCE_LISTED))]).astype(np.int32)

    rows = support.take(pa.array(order[first]))
    columns = {
        "relation_id": to_hex(from_arrow(rows["relation_id"])),
        "subject_id": to_hex(from_arrow(rows["subject_id"])),
        "predicate": rows["predicate"],
        "object_id": to_hex(from_arrow(rows["object_id"])),
        "confidence": pa.array(np.minimum(1 - doubts, CONFIDENCE_CAP), pa.float32()),
        "evidence_count": _sums(support["triples"].take(pa.array(order)), first),
        "document_count": pa.array(np.bincount(group, minlength=len(first)), pa.int64()),
        "evidence": pa.ListArray.from_arrays(pa.array(offsets), to_hex(triples[listed])),
    }
    return pa.table(columns, schema=TABLE_SCHEMAS["relations"])


def _same_as(names: pa.Table, ids: pa.ChunkedArray) -> pa.Array:
    """The IRIs that the alias table gives entities, which stand in the rows of its names.

    Two entities with an IRI each may be one by a correction: the first IRI stays.
    """
    named = names.filter(pc.is_valid(names["same_as"]))
    if not len(named):
        return pa.nulls(len(ids), pa.string())
    named = named.select(["entity_id", "same_as"]).sort_by("same_as")
    index = pc.index_in(one_array(ids), value_set=one_array(named["entity_id"]))
    return one_array(named["same_as"]).take(index)


def _joined_by(names: pa.Table, ids: pa.ChunkedArray) -> pa.Array:
    """For each entity, the names that a rule joined, with their types and the rules, in order."""
    order = ["entity_id", "name", "own_type", "rule"]
    joined = names.filter(pc.is_valid(names["rule"])).group_by(order, use_threads=False)
    rows = joined.aggregate([]).sort_by([(column, "ascending") for column in order])
    index = pc.index_in(one_array(rows["entity_id"]), value_set=one_array(ids))
    sizes = np.bincount(index.to_numpy(zero_copy_only=False), minlength=len(ids))
    # Entities are sorted by id, as these rows are.
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    entries = pa.StructArray.from_arrays(
        [one_array(rows[column]) for column in order[1:]], ["name", "type", "rule"]
    )
    return pa.ListArray.from_arrays(pa.array(offsets), entries)


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        return pa.concat_arrays(combined.chunks) if combined.chunks else pa.array([], column.type)
    return combined


def _sums(column: pa.ChunkedArray, first: np.ndarray) -> pa.Array:
    """The sum over each run of rows, given where the runs begin."""
    values = column.to_numpy()
    return pa.array(np.add.reduceat(values, first) if len(first) else values, pa.int64())
