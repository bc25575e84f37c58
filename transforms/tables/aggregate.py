"""From the rows of chunks to entities and relations: what all documents say together.

Both functions give the same table whatever the order and the grouping of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.ids import from_arrow, group_ids, sort_keys, to_hex

#: No number of sentences makes certain: scores are of one model, which errs alike.
CONFIDENCE_CAP = 0.999

#: How many triple ids a relation lists.
EVIDENCE_LISTED = 5

#: So many distinct pieces of evidence, the best ones, make the confidence of a relation: more of
#: them matter only below scores of 0.007, where a thousand don't reach the cap.
MOST_EVIDENCE = 1000


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


def fewer_support(support: pa.Table, most: int = MOST_EVIDENCE) -> pa.Table:
    """Support without rows that make no difference to `aggregate_relations`.

    A relation that very many documents state would otherwise meet whole in one worker. Its best
    pieces of distinct evidence stay, and one of them stands for what is left out.

    Args:
        support: as in `pfn_kg.schemas.shuffled_rows.SUPPORT_SCHEMA`, any rows.
        most: pieces of evidence of a relation that stay.
    """
    if len(support) <= most:
        return support
    ids = from_arrow(support["relation_id"])
    # Most relations have few rows, which is seen without sorting them.
    part = np.ascontiguousarray(ids[:, :2]).view(np.uint16).reshape(-1)
    is_frequent = np.bincount(part, minlength=2**16)[part] > most
    if not is_frequent.any():
        return support
    rows = support.filter(pa.array(is_frequent))
    evidence = _Evidence.of(rows, most)
    kept = rows.take(pa.array(evidence.distinct))
    first = np.cumsum(evidence.sizes) - evidence.sizes
    for name in ("triples", "documents"):
        counts = np.zeros(len(kept), dtype=np.int64)
        counts[first] = _sums(rows[name].take(pa.array(evidence.order)), evidence.first).to_numpy()
        kept = kept.set_column(kept.column_names.index(name), name, pa.array(counts))
    rest = support.filter(pa.array(~is_frequent))
    return pa.concat_tables([rest, kept.cast(support.schema)])


class _Evidence(NamedTuple):
    """The distinct evidence of relations.

    Attributes:
        order: sorts the rows of support by relation.
        first: where, in that order, the rows of each relation begin.
        distinct: rows of support: of each relation in turn the best ones, the best first.
        sizes: how many these are, by relation.
    """

    order: np.ndarray
    first: np.ndarray
    distinct: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, support: pa.Table, most: int) -> _Evidence:
        """The evidence in rows of support, of each relation at most so many pieces."""
        ids, sentences, triples = (
            from_arrow(support[name]) for name in ("relation_id", "sentence_key", "triple_id")
        )
        scores = support["score"].to_numpy().astype(np.float64)
        order, group, first = group_ids(ids)
        order = _sorted_within(
            order,
            group,
            lambda rows: (*sort_keys(triples[rows]), -scores[rows], *sort_keys(sentences[rows])),
        )
        sorted_sentences = sentences[order]
        is_distinct = np.ones(len(order), dtype=bool)
        is_distinct[1:] = (group[1:] != group[:-1]) | (
            sorted_sentences[1:] != sorted_sentences[:-1]
        ).any(axis=1)
        distinct, of_relation = order[is_distinct], group[is_distinct]
        distinct = _sorted_within(
            distinct, of_relation, lambda rows: (*sort_keys(triples[rows]), -scores[rows])
        )
        sizes = np.bincount(of_relation, minlength=len(first))
        rank = np.arange(len(distinct)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return cls(order, first, distinct[rank < most], np.minimum(sizes, most))


def _sorted_within(
    rows: np.ndarray, group: np.ndarray, keys: Callable[[np.ndarray], tuple[np.ndarray, ...]]
) -> np.ndarray:
    """Rows that stand by group, sorted within each group; most groups have one row.

    Args:
        rows: numbers of rows.
        group: of each of them, in ascending order.
        keys: gives the keys of some rows, as `np.lexsort` takes them.
    """
    many = np.flatnonzero(np.bincount(group)[group] > 1)
    some = rows[many]
    rows = rows.copy()
    rows[many] = some[np.lexsort((*keys(some), group[many]))]
    return rows


def aggregate_relations(support: pa.Table, most: int = MOST_EVIDENCE) -> pa.Table:
    """Relations from what supports them, with noisy-or confidence.

    Distinct evidence is the best triple of each document, and of equal sentences
    (but for case and white space) again the best alone, so that boilerplate counts
    once. The confidence is `1 - prod(1 - score)` over it, capped.

    Args:
        support: as in `pfn_kg.schemas.shuffled_rows.SUPPORT_SCHEMA`,
            all rows of the relations, or what `fewer_support` left of any of them.
        most: pieces of evidence that make the confidence.

    Returns:
        The table `relations`, sorted by id.
    """
    order, first, distinct, sizes = _Evidence.of(support, most)
    triples = from_arrow(support["triple_id"])
    scores = support["score"].to_numpy().astype(np.float64)
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
        "document_count": _sums(support["documents"].take(pa.array(order)), first),
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
