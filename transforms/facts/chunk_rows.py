"""One chunk of extractions as rows of the graph: resolution, rules and canonical keys.

Everything that can be said of a document without looking at others is said here,
so that what is shuffled afterwards is small: finished rows of documents, mentions
and triples, and per chunk one row an entity's name and one a relation and document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.resolution import HeadPolicy, TailColumns, resolve_columns
from pfn_kg.schemas.job import ConstraintPolicy, NameRules, Rules
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.documents.deduplicate import Loser
from pfn_kg.transforms.facts.document_rules import LocalRules, Spans, TripleColumns, flag_lists
from pfn_kg.transforms.facts.nearest import is_nearest
from pfn_kg.transforms.names.canonical_names import CanonicalEntity, canonical_name, canonicalise
from pfn_kg.transforms.names.name_keys import name_key
from pfn_kg.transforms.names.short_forms import NamedMentions, take_long_forms
from pfn_kg.transforms.plumbing.ids import (
    ID_TYPE,
    content_id,
    from_arrow,
    id_array,
    sort_keys,
    spell,
    spelt_id,
    to_hex,
)

#: One row a name of an entity in a chunk. The documents of the entity stand in one of them.
#: The last two columns are of names that the alias table gives, which may have no mention.
NAME_SCHEMA = pa.schema(
    {
        "entity_id": ID_TYPE,
        "kind": pa.string(),
        "type": pa.string(),
        "value": pa.string(),
        "datatype": pa.string(),
        "name": pa.string(),
        "mentions": pa.int64(),
        # Mentions that have the entity's own key, as short forms of its name have not.
        "own": pa.int64(),
        "documents": pa.int64(),
        "is_canonical": pa.bool_(),
        "same_as": pa.string(),
    }
)

#: One row a relation and document: the best triple that says so, with the score of the relation
#: in that document.
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

#: One row an entity that mentions of another entity's key went to, in a chunk.
MOVED_SCHEMA = pa.schema({"old_id": ID_TYPE, "entity_id": ID_TYPE, "mentions": pa.int64()})


# What is counted of rows that are left out and not rejected.
_LOST = {"duplicate": "duplicates", "replaced": "replaced_rows", "removed": "removed_rows"}


class ResolveOptions(NamedTuple):
    """How extractions become triples, as `pfn_kg.pfn.resolution.resolve` has it, and these rows.

    Attributes:
        entity_threshold: least score of a mention.
        relation_threshold: least score of a head triple.
        head_policy: which mentions at one head take part.
        constraint_policy: what becomes of triples between types that don't fit.
        sentences: whether there are rows of sentences.
        rules: what becomes of triples that other rules speak of.
        names: which names are held for one.
        fact_calibration: what the score of a document's best triple for a relation comes to.
    """

    entity_threshold: float
    relation_threshold: float
    head_policy: HeadPolicy = "all"
    constraint_policy: ConstraintPolicy = "flag"
    sentences: bool = False
    rules: Rules = Rules()
    names: NameRules = NameRules()
    fact_calibration: Calibration = Calibration()


class ChunkRows(NamedTuple):
    """The rows of one chunk.

    Attributes:
        tables: by name; `entities` as in NAME_SCHEMA, `relations` as in
            SUPPORT_SCHEMA, the others as in TABLE_SCHEMAS with ids as bytes.
        counts: what was read, kept and left out, by name.
        moved: which mentions are not of the entity of their own key, as in MOVED_SCHEMA.
    """

    tables: dict[str, pa.Table]
    counts: Counter[str]
    moved: pa.Table


def resolve_chunk(
    chunk: pa.Table,
    model_hash: str,
    losers: Sequence[Loser],
    label_schema: LabelSchema,
    options: ResolveOptions,
    heirs: Mapping[bytes, bytes] | None = None,
) -> ChunkRows:
    """Turns the rows of one extraction file into rows of the graph.

    Args:
        chunk: the file's rows, as in `pfn_kg.schemas.extraction.EXTRACTION_SCHEMA`.
        model_hash: the model that made it.
        losers: rows that are left out: others have their document id, or it was removed.
        label_schema: types, relations and which types relations hold between.
        options: thresholds and policies.
        heirs: for the id that a name's own key gives, the entity that it is of instead.
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
    found, moved = _graph_rows(documents, label_schema, options, heirs or {}, counts)
    return ChunkRows(tables | found, counts, moved)


#: What of an extraction file `chunk_names` looks at.
NAME_COLUMNS = ("document_id", "text", "sentences", "mentions")


def chunk_names(
    chunk: pa.Table,
    losers: Sequence[Loser],
    label_schema: LabelSchema,
    options: ResolveOptions,
) -> pa.Table:
    """The names of entities in a chunk, each of the entity of its own key.

    Args:
        chunk: its rows as `resolve_chunk` takes them; none but NAME_COLUMNS needs to be read.
        losers: as `resolve_chunk` takes them.
        label_schema: likewise.
        options: likewise.

    Returns:
        Rows as in NAME_SCHEMA.
    """
    found = resolve_chunk(chunk, "", losers, label_schema, options._replace(sentences=False))
    names = found.tables["entities"]
    return names.filter(pc.equal(names["kind"], "entity"))


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
        if loser.reason != "conflict":
            counts[_LOST[loser.reason]] += 1
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
    heirs: Mapping[bytes, bytes],
    counts: Counter[str],
) -> tuple[dict[str, pa.Table], pa.Table]:
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
        m_rows << 32 | end,
        type_codes,
        m_scores,
        h_rows << 32 | numbers(h_subject)[known_heads],
        relation_codes,
        h_rows << 32 | numbers(h_object)[known_heads],
        h_scores,
        entity_threshold=options.entity_threshold,
        relation_threshold=options.relation_threshold,
        head_policy=options.head_policy,
        tails=_tails(documents, relations),
    )
    counts["unresolved_head_triples"] = found.unresolved
    counts["triples_without_tails"] = found.without_tails

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
        options.names,
        heirs,
    )
    counts["mentions"] = len(accepted)
    counts.update(mentions.counts)

    subjects, objects, heads = found.subjects, found.objects, found.head_triples
    rules = LocalRules(label_schema, types, relations, options.constraint_policy, options.rules)
    ruled = rules.apply(
        TripleColumns(
            subjects,
            relation_codes[heads],
            objects,
            h_scores[heads],
            np.zeros(len(heads), dtype=np.int64),
        ),
        Spans(mentions.types, mentions.entity_numbers, begin[accepted], end[accepted]),
        [entity.id for entity in mentions.entities],
        counts,
    )
    if options.rules.evidence == "nearest":
        ruled = _nearest(ruled, mentions, len(relations), counts)
    counts["triples"] = len(ruled.subjects)
    triples, support = _triple_rows(documents, mentions, ruled, relations, options.fact_calibration)
    tables = {
        "mentions": mentions.table,
        "entities": mentions.names(),
        "triples": triples,
        "relations": support,
    }
    return tables, mentions.moved()


def _tails(documents: _Documents, relations: list[str]) -> TailColumns | None:
    """What a tail table says, if the model has one."""
    if documents.rows["tail_triples"].null_count == len(documents.rows):
        return None
    rows, (subject, relation, object_, score) = documents.flatten(
        "tail_triples", ("subject", "relation", "object", "score")
    )
    return TailColumns(
        rows << 32 | numbers(subject),
        _codes(relation, relations),
        rows << 32 | numbers(object_),
        score.to_numpy(zero_copy_only=False),
    )


def _nearest(
    found: TripleColumns, mentions: _Mentions, relations: int, counts: Counter[str]
) -> TripleColumns:
    """The triples of each fact and document whose arguments stand nearest to each other."""
    subjects, objects = found.subjects, found.objects
    entities = max(len(mentions.entities), 1)
    said_of, said = mentions.entity_numbers[subjects], mentions.entity_numbers[objects]
    nearest = is_nearest(
        mentions.rows[subjects],
        (said_of * max(relations, 1) + found.relations) * entities + said,
        mentions.sentences[subjects],
        mentions.sentences[objects],
    )
    counts["distant_triples"] = int(np.count_nonzero(~nearest))
    return found.at(nearest)


def _codes(names: pa.Array, known: list[str]) -> np.ndarray:
    """The position of each name among the known ones, -1 for others."""
    found = pc.index_in(names, value_set=pa.array(known, pa.string()))
    return numbers(pc.fill_null(found, -1))


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
        rules: NameRules,
        heirs: Mapping[bytes, bytes],
    ):
        self.rows, self.types, self.sentences = rows, types, sentences
        begin_list, end_list = begins.tolist(), ends.tolist()
        names = [type_names[code] for code in types.tolist()]
        texts = documents.spans(rows.tolist(), begin_list, end_list)

        # What recurs is spelt once.
        spelt_documents = [spell(id_) for id_ in documents.ids]
        places = {n: spell(str(n)) for n in {*begin_list, *end_list}}
        spelt_types = [spell(name) for name in type_names]
        ids = [
            spelt_id(f"mention {spelt_documents[row]}{places[b]}{places[e]}{spelt_types[code]}")
            for row, b, e, code in zip(
                rows.tolist(), begin_list, end_list, types.tolist(), strict=True
            )
        ]

        schema_types = {t.name: t for t in label_schema.entity_types}
        # Each text and type once, in the order of their first mentions; each entity likewise.
        numbers: dict[tuple[str, str], int] = {}
        of_mention = [
            numbers.setdefault(key, len(numbers)) for key in zip(texts, names, strict=True)
        ]
        exact: dict[CanonicalEntity, int] = {}
        keys: list[str | None] = []
        of_name: list[int] = []
        for text, name in numbers:
            type_ = schema_types[name]
            key = None if type_.kind == "value" else name_key(text, type_.names, rules)
            found = canonicalise(text, name, type_.kind, type_.datatype, key)
            keys.append(key)
            of_name.append(exact.setdefault(found, len(exact)))
        self._texts = [text for text, _ in numbers]
        self._text_numbers = np.array(of_mention, dtype=np.int64)
        entity_of_name = np.array(of_name, dtype=np.int64)
        codes = {name: code for code, name in enumerate(type_names)}
        long_forms, self.counts = take_long_forms(
            NamedMentions(
                documents.texts,
                rows,
                begins,
                ends,
                self._text_numbers,
                self._texts,
                keys,
                np.array([codes[name] for _, name in numbers], dtype=np.int64),
                [schema_types[name].names for name in type_names],
                entity_of_name,
            ),
            rules,
        )
        #: Of each mention the entity of its own key, and whether it is of that one, whatever
        #: short forms there are.
        self._exact_ids = [entity.id for entity in exact]
        self._exact_numbers = entity_of_name[self._text_numbers]
        self._is_own = long_forms == self._exact_numbers
        # Several of them may have one heir.
        entities: dict[CanonicalEntity, int] = {}
        of_exact = [
            entities.setdefault(e._replace(id=heirs[e.id]) if e.id in heirs else e, len(entities))
            for e in exact
        ]
        #: The entities, and which of them each mention is of.
        self.entities = list(entities)
        self.entity_numbers = np.array(of_exact, dtype=np.int64)[long_forms]

        self.entity_ids = pa.array([e.id for e in self.entities], ID_TYPE)
        self.table = pa.table(
            {
                "mention_id": pa.array(ids, ID_TYPE),
                "document_id": pa.array(documents.ids, pa.string()).take(pa.array(rows)),
                "sentence_index": pa.array(sentences, pa.int32()),
                "begin": pa.array(begins, pa.int32()),
                "end": pa.array(ends, pa.int32()),
                "text": pa.array(texts, pa.string()),
                "type": pa.array(type_names, pa.string()).take(pa.array(types)),
                "score": pa.array(scores, pa.float32()),
                "entity_id": self.entity_ids.take(pa.array(self.entity_numbers)),
            }
        )

    def names(self) -> pa.Table:
        """One row an entity and name."""
        # Each entity and text once, with the entity that the text alone would be of.
        texts = max(len(self._texts), 1)
        pairs, first, counts = np.unique(
            self.entity_numbers * texts + self._text_numbers, return_index=True, return_counts=True
        )
        own = counts * self._is_own[first]
        of_entity, of_text = np.divmod(pairs, texts)
        mentions: dict[tuple[int, str], tuple[int, int]] = {}
        for number, text, count, of_own in zip(
            of_entity.tolist(), of_text.tolist(), counts.tolist(), own.tolist(), strict=True
        ):
            # A name that is broken over two lines is the same name.
            name = " ".join(self._texts[text].split()) or self._texts[text]
            if (number, name) in mentions:
                others = mentions[number, name]
                count, of_own = count + others[0], of_own + others[1]
            mentions[number, name] = count, of_own
        width = int(self.rows.max(initial=0)) + 1
        pairs = np.unique(self.entity_numbers * width + self.rows)
        # A document counts once for an entity, by whichever of its names.
        documents = np.bincount(pairs // width, minlength=len(self.entities)).tolist()
        rows = []
        for (number, name), found in mentions.items():
            rows.append((*self.entities[number], name, *found, documents[number], False, None))
            documents[number] = 0
        return _from_tuples(rows, NAME_SCHEMA)

    def moved(self) -> pa.Table:
        """One row an entity's key and the other entity that its mentions went to."""
        entities = max(len(self.entities), 1)
        pairs, counts = np.unique(
            self._exact_numbers * entities + self.entity_numbers, return_counts=True
        )
        rows = [
            (self._exact_ids[exact], self.entities[number].id, count)
            for exact, number, count in zip(
                (pairs // entities).tolist(),
                (pairs % entities).tolist(),
                counts.tolist(),
                strict=True,
            )
        ]
        return _from_tuples([row for row in rows if row[0] != row[1]], MOVED_SCHEMA)


def _triple_rows(
    documents: _Documents,
    mentions: _Mentions,
    found: TripleColumns,
    relation_names: list[str],
    calibration: Calibration,
) -> tuple[pa.Table, pa.Table]:
    """The triples, and the best triple of each relation and document.

    Args:
        documents: of the chunk.
        mentions: of the chunk.
        found: the triples.
        relation_names: of the codes.
        calibration: of the scores of relations.
    """
    subjects, relations, objects, scores, flags = found
    # The smallest run of sentences that holds both arguments.
    rows = mentions.rows[subjects]
    first = documents.first_sentences[rows]
    in_subject, in_object = mentions.sentences[subjects], mentions.sentences[objects]
    begins = documents.sentence_begins[first + np.minimum(in_subject, in_object)]
    ends = documents.sentence_ends[first + np.maximum(in_subject, in_object)]
    texts = documents.spans(rows.tolist(), begins.tolist(), ends.tolist())

    spelt_relations = [spell(name) for name in relation_names]
    spelt = _spelt_ids(mentions.table["mention_id"])
    ids = [
        spelt_id(f"triple {spelt[s]}{spelt_relations[r]}{spelt[o]}")
        for s, r, o in zip(subjects.tolist(), relations.tolist(), objects.tolist(), strict=True)
    ]

    # Each relation of the graph once.
    said_of, said = mentions.entity_numbers[subjects], mentions.entity_numbers[objects]
    entities, codes = max(len(mentions.entities), 1), max(len(relation_names), 1)
    keys, numbers = np.unique((said_of * codes + relations) * entities + said, return_inverse=True)
    of_subject, of_relation = np.divmod(keys // entities, codes)
    of_object = keys % entities
    spelt = _spelt_ids(mentions.entity_ids)
    relation_ids = pa.array(
        [
            spelt_id(f"relation {spelt[s]}{spelt_relations[r]}{spelt[o]}")
            for s, r, o in zip(
                of_subject.tolist(), of_relation.tolist(), of_object.tolist(), strict=True
            )
        ],
        ID_TYPE,
    )

    names = pa.array(relation_names, pa.string())
    columns = {
        "triple_id": pa.array(ids, ID_TYPE),
        "document_id": mentions.table["document_id"].take(pa.array(subjects)),
        "evidence_begin": pa.array(begins, pa.int32()),
        "evidence_end": pa.array(ends, pa.int32()),
        "evidence_text": pa.array(texts, pa.string()),
        "relation": names.take(pa.array(relations)),
        "score": pa.array(scores, pa.float32()),
        "flags": flag_lists(flags),
        "relation_id": relation_ids.take(pa.array(numbers)),
    }
    for side, indices in (("subject", subjects), ("object", objects)):
        for name in ("mention_id", "text", "type", "begin", "end", "entity_id"):
            columns[f"{side}_{name}"] = mentions.table[name].take(pa.array(indices))
    triples = pa.table({name: columns[name] for name in TABLE_SCHEMAS["triples"].names})

    # Of each relation and document the best triple; of equals the first by id.
    groups = numbers * (int(rows.max(initial=0)) + 1) + rows
    order = np.lexsort((*sort_keys(id_array(ids)), -scores, groups))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = groups[order][1:] != groups[order][:-1]
    begin = np.flatnonzero(is_first)
    best = order[begin]
    sentence_keys: dict[str, bytes] = {}
    for index in best.tolist():
        text = texts[index]
        if text not in sentence_keys:
            sentence_keys[text] = content_id("sentence", canonical_name(text))
    number = numbers[best]
    support = {
        "relation_id": relation_ids.take(pa.array(number)),
        "subject_id": mentions.entity_ids.take(pa.array(of_subject[number])),
        "predicate": names.take(pa.array(of_relation[number])),
        "object_id": mentions.entity_ids.take(pa.array(of_object[number])),
        "triples": pa.array(np.diff(np.append(begin, len(order)))),
        "score": pa.array(calibration.of_scores(scores[best]), pa.float32()),
        "triple_id": pa.array([ids[index] for index in best.tolist()], ID_TYPE),
        "sentence_key": pa.array([sentence_keys[texts[index]] for index in best.tolist()], ID_TYPE),
    }
    return triples, pa.table(support, schema=SUPPORT_SCHEMA)


def _spelt_ids(ids: pa.Array | pa.ChunkedArray) -> list[str]:
    """Ids as parts of other ids, spelt in hexadecimal."""
    return [spell(id_) for id_ in to_hex(from_arrow(ids)).to_pylist()]


def _from_tuples(rows: list[tuple], schema: pa.Schema) -> pa.Table:
    columns = [[row[number] for row in rows] for number in range(len(schema))]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
