"""One chunk of extractions as rows of the graph: resolution, rules and canonical keys.

Everything that can be said of a document without looking at others is said here,
so that what is shuffled afterwards is small: finished rows of documents, mentions
and triples, and per chunk one row an entity's name and one a relation and document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn.resolution import HeadPolicy, resolve_columns
from schemas.job import ConstraintPolicy
from schemas.label_schema import LabelSchema
from schemas.tables import TABLE_SCHEMAS
from transforms.canonicalise import CanonicalEntity, canonical_name, canonicalise
from transforms.deduplicate import Loser
from transforms.identity import ID_TYPE, content_id

#: The rule that a relation holds between types it was seen with.
ARGUMENT_TYPES = "argument_types"

#: One row a name of an entity in a chunk. The documents of the entity stand in one of them.
NAME_SCHEMA = pa.schema(
    {
        "entity_id": ID_TYPE,
        "kind": pa.string(),
        "type": pa.string(),
        "value": pa.string(),
        "datatype": pa.string(),
        "name": pa.string(),
        "mentions": pa.int64(),
        "documents": pa.int64(),
    }
)

#: One row a relation and document: the best triple that says so.
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


class ResolveOptions(NamedTuple):
    """How extractions become triples; see `pfn.resolution.resolve`."""

    entity_threshold: float
    relation_threshold: float
    head_policy: HeadPolicy = "all"
    constraint_policy: ConstraintPolicy = "flag"
    sentences: bool = False


class ChunkRows(NamedTuple):
    """The rows of one chunk.

    Attributes:
        tables: by name; `entities` as in NAME_SCHEMA, `relations` as in
            SUPPORT_SCHEMA, the others as in TABLE_SCHEMAS with ids as bytes.
        counts: what was read, kept and left out, by name.
    """

    tables: dict[str, pa.Table]
    counts: Counter[str]


def resolve_chunk(
    chunk: pa.Table,
    model_hash: str,
    losers: Sequence[Loser],
    label_schema: LabelSchema,
    options: ResolveOptions,
) -> ChunkRows:
    """Turns the rows of one extraction file into rows of the graph.

    Args:
        chunk: the file's rows, as in `schemas.extraction.EXTRACTION_SCHEMA`.
        model_hash: the model that made it.
        losers: rows that are left out since another has their document id.
        label_schema: types, relations and which types relations hold between.
        options: thresholds and policies.
    """
    counts: Counter[str] = Counter()
    rejected = _rejected_rows(chunk, losers, counts)
    lost = np.array([loser.row for loser in losers], dtype=np.int64)
    is_read = pc.is_valid(chunk["text"]).to_numpy(zero_copy_only=False)
    is_read[lost] = False
    documents = _Documents(chunk.take(pa.array(np.flatnonzero(is_read))))
    counts["documents"] = len(documents.texts)
    counts["sentences"] = len(documents.sentence_begins)
    counts["characters"] = sum(map(len, documents.texts))

    tables = {"rejected": rejected, "documents": documents.table(model_hash)}
    if options.sentences:
        tables["sentences"] = documents.sentence_table()
    tables |= _graph_rows(documents, label_schema, options, counts)
    return ChunkRows(tables, counts)


def _rejected_rows(chunk: pa.Table, losers: Sequence[Loser], counts: Counter[str]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    lost = {loser.row for loser in losers}
    places = chunk.select(["document_id", "source_file", "source_row"])
    lengths = pc.fill_null(pc.list_value_length(chunk["rejected"]), 0)
    for row in np.flatnonzero(lengths.to_numpy()).tolist():
        if row not in lost:
            place = places.slice(row, 1).to_pylist()[0]
            rows += [place | found for found in chunk["rejected"][row].as_py()]
    for loser in losers:
        if loser.same_text:
            counts["duplicates"] += 1
            continue
        error = (
            "another text has this document id: "
            f"row {loser.winner_row} of {loser.winner_file}, which is kept"
        )
        place = places.slice(loser.row, 1).to_pylist()[0]
        rows.append({**place, "stage": "deduplicate", "error": error})
    for found in rows:
        counts["rejected"] += 1
        counts[f"rejected.{found['stage']}"] += 1
    return pa.Table.from_pylist(rows, TABLE_SCHEMAS["rejected"])


class _Documents:
    """The documents of a chunk that are part of the graph, as columns."""

    def __init__(self, rows: pa.Table):
        self.rows = rows
        self.ids: list[str] = rows["document_id"].to_pylist()
        self.texts: list[str] = rows["text"].to_pylist()
        self.sentence_rows, fields = self.flatten("sentences", ("begin", "end"))
        self.sentence_begins, self.sentence_ends = (numbers(f) for f in fields)
        # Where the sentences of each document begin among those of all.
        self.sentence_counts = np.bincount(self.sentence_rows, minlength=len(self.ids))
        self.first_sentences = np.cumsum(self.sentence_counts) - self.sentence_counts

    def flatten(self, column: str, fields: Sequence[str]) -> tuple[np.ndarray, list[pa.Array]]:
        """The row of each item of a list column, and the items' fields."""
        lists = self.rows[column].combine_chunks()
        if isinstance(lists, pa.ChunkedArray):
            lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
        items = lists.flatten()
        rows = numbers(pc.list_parent_indices(lists))
        return rows, [items.field(name) for name in fields]

    def table(self, model_hash: str) -> pa.Table:
        columns = ("document_id", "title", "metadata", "content_hash", "source_file", "source_row")
        found: dict[str, Any] = {name: self.rows[name] for name in columns}
        found["characters"] = [len(text) for text in self.texts]
        found["sentences"] = self.sentence_counts
        found["model_hash"] = [model_hash] * len(self.texts)
        return pa.table(found, schema=TABLE_SCHEMAS["documents"])

    def sentence_table(self) -> pa.Table:
        rows = self.sentence_rows.tolist()
        begins, ends = self.sentence_begins.tolist(), self.sentence_ends.tolist()
        return pa.table(
            {
                "document_id": [self.ids[row] for row in rows],
                "sentence_index": np.arange(len(rows)) - self.first_sentences[self.sentence_rows],
                "begin": begins,
                "end": ends,
                "text": self.spans(rows, begins, ends),
            },
            schema=TABLE_SCHEMAS["sentences"],
        )

    def spans(self, rows: list[int], begins: list[int], ends: list[int]) -> list[str]:
        texts = self.texts
        return [texts[r][b:e] for r, b, e in zip(rows, begins, ends, strict=True)]


def numbers(column: pa.Array) -> np.ndarray:
    """A column of numbers without nulls as 64-bit integers."""
    return column.to_numpy(zero_copy_only=False).astype(np.int64)


def _graph_rows(
    documents: _Documents,
    label_schema: LabelSchema,
    options: ResolveOptions,
    counts: Counter[str],
) -> dict[str, pa.Table]:
    # Codes are ordered like names, as resolution asks.
    types = sorted(t.name for t in label_schema.entity_types)
    relations = sorted(r.name for r in label_schema.relations)

    m_rows, (m_begin, m_end, m_type, m_score, m_sentence) = documents.flatten(
        "mentions", ("begin", "end", "type", "score", "sentence")
    )
    h_rows, (h_subject, h_relation, h_object, h_score) = documents.flatten(
        "head_triples", ("subject", "relation", "object", "score")
    )
    type_codes = _codes(m_type, types)
    relation_codes = _codes(h_relation, relations)
    known = np.flatnonzero(type_codes >= 0)
    known_heads = np.flatnonzero(relation_codes >= 0)
    counts["mentions_of_unknown_type"] = len(type_codes) - len(known)
    counts["head_triples_of_unknown_relation"] = len(relation_codes) - len(known_heads)

    m_rows, type_codes = m_rows[known], type_codes[known]
    begin, end, sentence = (numbers(column)[known] for column in (m_begin, m_end, m_sentence))
    m_scores = m_score.to_numpy(zero_copy_only=False)[known]
    h_rows, relation_codes = h_rows[known_heads], relation_codes[known_heads]
    h_scores = h_score.to_numpy(zero_copy_only=False)[known_heads]

    found = resolve_columns(
        m_rows << 32 | begin,
        end,
        type_codes,
        m_scores,
        h_rows << 32 | numbers(h_subject)[known_heads],
        relation_codes,
        h_rows << 32 | numbers(h_object)[known_heads],
        h_scores,
        entity_threshold=options.entity_threshold,
        relation_threshold=options.relation_threshold,
        head_policy=options.head_policy,
    )
    counts["unresolved_head_triples"] = found.unresolved

    accepted = found.mentions
    mentions = _Mentions(
        documents,
        label_schema,
        types,
        m_rows[accepted],
        begin[accepted],
        end[accepted],
        type_codes[accepted],
        m_scores[accepted],
        sentence[accepted],
    )
    counts["mentions"] = len(accepted)

    subjects, objects, heads = found.subjects, found.objects, found.head_triples
    relation = relation_codes[heads]
    against = ~_allowed(label_schema, types, relations)[
        relation, mentions.types[subjects], mentions.types[objects]
    ]
    counts[f"violations.{ARGUMENT_TYPES}"] = int(against.sum())
    if options.constraint_policy == "drop":
        kept = ~against
        subjects, objects, heads, relation = (
            column[kept] for column in (subjects, objects, heads, relation)
        )
        against = against[kept]
    elif options.constraint_policy == "keep":
        against = np.zeros_like(against)
    counts["triples"] = len(subjects)
    names = [relations[code] for code in relation.tolist()]
    triples, support = _triple_rows(
        documents, mentions, subjects, names, objects, h_scores[heads], against
    )
    return {
        "mentions": mentions.table(),
        "entities": mentions.names(),
        "triples": triples,
        "relations": support,
    }


def _codes(names: pa.Array, known: list[str]) -> np.ndarray:
    """The position of each name among the known ones, -1 for others."""
    found = pc.index_in(names, value_set=pa.array(known, pa.string()))
    return numbers(pc.fill_null(found, -1))


def _allowed(label_schema: LabelSchema, types: list[str], relations: list[str]) -> np.ndarray:
    """Which types a relation holds between: (relations, subject types, object types) of bool."""
    allowed = np.zeros((len(relations), len(types), len(types)), dtype=bool)
    for code, name in enumerate(relations):
        pairs = label_schema.relation(name).arguments
        if not pairs:
            allowed[code] = True
        for pair in pairs:
            allowed[code, types.index(pair.subject), types.index(pair.object)] = True
    return allowed


class _Mentions:
    """The accepted mentions of a chunk, with their ids and their entities."""

    def __init__(
        self,
        documents: _Documents,
        label_schema: LabelSchema,
        type_names: list[str],
        rows: np.ndarray,
        begins: np.ndarray,
        ends: np.ndarray,
        types: np.ndarray,
        scores: np.ndarray,
        sentences: np.ndarray,
    ):
        self.types, self.scores, self.sentences = types, scores, sentences
        self.rows: list[int] = rows.tolist()
        self.begins: list[int] = begins.tolist()
        self.ends: list[int] = ends.tolist()
        self.type_names = [type_names[code] for code in types.tolist()]
        self.document_ids = [documents.ids[row] for row in self.rows]
        self.texts = documents.spans(self.rows, self.begins, self.ends)
        self.ids = [
            content_id("mention", document, str(begin), str(end), type_)
            for document, begin, end, type_ in zip(
                self.document_ids, self.begins, self.ends, self.type_names, strict=True
            )
        ]
        keys = {t.name: (t.kind, t.datatype) for t in label_schema.entity_types}
        cache: dict[tuple[str, str], CanonicalEntity] = {}
        self.entities: list[CanonicalEntity] = []
        for key in zip(self.texts, self.type_names, strict=True):
            entity = cache.get(key)
            if entity is None:
                entity = cache[key] = canonicalise(*key, *keys[key[1]])
            self.entities.append(entity)

    def table(self) -> pa.Table:
        return pa.table(
            {
                "mention_id": pa.array(self.ids, ID_TYPE),
                "document_id": pa.array(self.document_ids, pa.string()),
                "sentence_index": pa.array(self.sentences, pa.int32()),
                "begin": pa.array(self.begins, pa.int32()),
                "end": pa.array(self.ends, pa.int32()),
                "text": pa.array(self.texts, pa.string()),
                "type": pa.array(self.type_names, pa.string()),
                "score": pa.array(self.scores, pa.float32()),
                "entity_id": pa.array([e.id for e in self.entities], ID_TYPE),
            }
        )

    def names(self) -> pa.Table:
        """One row an entity and name."""
        mentions: Counter[tuple[CanonicalEntity, str]] = Counter()
        documents: Counter[CanonicalEntity] = Counter()
        last_row: dict[CanonicalEntity, int] = {}
        for entity, text, row in zip(self.entities, self.texts, self.rows, strict=True):
            # A name that is broken over two lines is the same name.
            mentions[entity, " ".join(text.split()) or text] += 1
            # Mentions are sorted by document.
            if last_row.get(entity) != row:
                last_row[entity] = row
                documents[entity] += 1
        # A document counts once for an entity, by whichever of its names.
        rows = [
            (*entity, name, count, documents.pop(entity, 0))
            for (entity, name), count in mentions.items()
        ]
        return _from_tuples(rows, NAME_SCHEMA)


def _triple_rows(
    documents: _Documents,
    mentions: _Mentions,
    subjects: np.ndarray,
    relations: list[str],
    objects: np.ndarray,
    scores: np.ndarray,
    against: np.ndarray,
) -> tuple[pa.Table, pa.Table]:
    # The smallest run of sentences that holds both arguments.
    rows = np.array(mentions.rows, dtype=np.int64)[subjects]
    first = documents.first_sentences[rows]
    in_subject, in_object = mentions.sentences[subjects], mentions.sentences[objects]
    begins = documents.sentence_begins[first + np.minimum(in_subject, in_object)].tolist()
    ends = documents.sentence_ends[first + np.maximum(in_subject, in_object)].tolist()
    texts = documents.spans(rows.tolist(), begins, ends)

    subject_list, object_list = subjects.tolist(), objects.tolist()
    ids, relation_ids = [], []
    relation_cache: dict[tuple[bytes, str, bytes], bytes] = {}
    support: dict[tuple[bytes, int], list[Any]] = {}
    for subject, relation, object_, row, score, text in zip(
        subject_list, relations, object_list, rows.tolist(), scores.tolist(), texts, strict=True
    ):
        id_ = content_id(
            "triple", mentions.ids[subject].hex(), relation, mentions.ids[object_].hex()
        )
        ids.append(id_)
        said_of, said = mentions.entities[subject], mentions.entities[object_]
        key = (said_of.id, relation, said.id)
        relation_id = relation_cache.get(key)
        if relation_id is None:
            relation_id = content_id("relation", said_of.id.hex(), relation, said.id.hex())
            relation_cache[key] = relation_id
        relation_ids.append(relation_id)
        best = support.get((relation_id, row))
        if best is None:
            best = [said_of, relation, said, 0, -1.0, b"", ""]
            support[relation_id, row] = best
        best[3] += 1
        if (-score, id_) < (-best[4], best[5]):
            best[4:] = score, id_, text

    def strings(column: list[str], indices: list[int]) -> pa.Array:
        return pa.array([column[i] for i in indices], pa.string())

    def places(column: list[int], indices: list[int]) -> pa.Array:
        return pa.array([column[i] for i in indices], pa.int32())

    def arguments(side: str, indices: list[int]) -> dict[str, pa.Array]:
        return {
            f"{side}_mention_id": pa.array([mentions.ids[i] for i in indices], ID_TYPE),
            f"{side}_text": strings(mentions.texts, indices),
            f"{side}_type": strings(mentions.type_names, indices),
            f"{side}_begin": places(mentions.begins, indices),
            f"{side}_end": places(mentions.ends, indices),
            f"{side}_entity_id": pa.array([mentions.entities[i].id for i in indices], ID_TYPE),
        }

    columns = {
        "triple_id": pa.array(ids, ID_TYPE),
        "document_id": strings(mentions.document_ids, subject_list),
        "evidence_begin": pa.array(begins, pa.int32()),
        "evidence_end": pa.array(ends, pa.int32()),
        "evidence_text": pa.array(texts, pa.string()),
        "relation": pa.array(relations, pa.string()),
        "score": pa.array(scores, pa.float32()),
        "flags": pa.array(
            [[ARGUMENT_TYPES] if flag else [] for flag in against.tolist()], pa.list_(pa.string())
        ),
        "relation_id": pa.array(relation_ids, ID_TYPE),
        **arguments("subject", subject_list),
        **arguments("object", object_list),
    }
    triples = pa.table({name: columns[name] for name in TABLE_SCHEMAS["triples"].names})
    keys: dict[str, bytes] = {}
    found = []
    for (relation_id, _), (said_of, relation, said, n, score, id_, text) in support.items():
        if text not in keys:
            keys[text] = content_id("sentence", canonical_name(text))
        found.append((relation_id, said_of.id, relation, said.id, n, score, id_, keys[text]))
    return triples, _from_tuples(found, SUPPORT_SCHEMA)


def _from_tuples(rows: list[tuple], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
