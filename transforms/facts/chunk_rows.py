"""One chunk of extractions as rows of the graph: resolution, rules and canonical keys.

Everything that one document says without the others is worked out here, so that the rows
that are shuffled afterwards are few: finished rows of documents, mentions and triples, and
for each chunk one row an entity's name and one row a relation and document.

```
rows of an extraction file -> documents -> mentions and their entities -> triples and support
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.shuffled_rows import CHUNK_NAME_SCHEMA, Link, Move
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.documents.deduplicate import Loser
from pfn_kg.transforms.facts.across_sentences import is_rival_across
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions, chunk_mentions
from pfn_kg.transforms.facts.corrected_triples import TripleCorrections
from pfn_kg.transforms.facts.document_rules import DocumentRules, Spans, TripleColumns, decide
from pfn_kg.transforms.facts.entity_rows import (
    lowest_documents,
    lowest_facts,
    moved_rows,
    name_rows,
    partner_names,
)
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.judged_rows import Judged, judged_rows
from pfn_kg.transforms.facts.nearest import is_nearest
from pfn_kg.transforms.facts.resolved_chunk import Labels, resolved_chunk
from pfn_kg.transforms.facts.triple_rows import triple_rows
from pfn_kg.transforms.facts.wanted_places import PlaceEnds, WantedPlaces
from pfn_kg.transforms.names.entity_keys import EntityKeys

#: The columns of an extraction file that `names_of_chunk` reads.
NAME_COLUMNS = (*("document_id", "text", "sentences", "mentions", "head_triples", "tail_triples"),)

# The counter of the rows that are left out without being rejected, by reason.
_LEFT_OUT = {"duplicate": "duplicates", "replaced": "replaced_rows", "removed": "removed_rows"}


class ChunkRows(NamedTuple):
    """The rows of one chunk.

    Attributes:
        tables: by name; `entities` as in `pfn_kg.schemas.shuffled_rows.NAME_SCHEMA`,
            `relations` as in SUPPORT_SCHEMA there, the others as in
            `pfn_kg.schemas.tables.TABLE_SCHEMAS` with ids as bytes.
        counts: the numbers of items that were read, kept and left out, by name.
        moved: the mentions that do not belong to the entity of their own key, as in
            `pfn_kg.schemas.shuffled_rows.MOVED_SCHEMA`.
        applied: how many mentions and triples each correction concerns, as in
            `pfn_kg.transforms.facts.corrected_mentions.correct_mentions`.
        judged: what corrections judge; None if nothing.
    """

    tables: dict[str, pa.Table]
    counts: Counter[str]
    moved: pa.Table
    applied: Counter[tuple[int, int]]
    judged: Judged | None


def rows_of_chunk(
    chunk: pa.Table,
    *,
    model_hash: str,
    losers: Sequence[Loser],
    label_schema: LabelSchema,
    options: FactOptions,
    moves: Mapping[bytes, Move] | None = None,
    dehyphenate: bool = False,
    links: Sequence[Sequence[Link]] = (),
    corrections: CorrectionPlan | None = None,
) -> ChunkRows:
    """Turns the rows of one extraction file into rows of the graph.

    Args:
        chunk: the file's rows, as in `pfn_kg.schemas.extraction.EXTRACTION_SCHEMA`.
        model_hash: of the model that made the file.
        losers: rows that are left out, because other rows have their document id or because
            the document was removed.
        label_schema: types, relations, and the types that relations hold between.
        options: thresholds and policies.
        moves: for the id that a name gives by itself, where its mentions go instead.
        dehyphenate: whether words that the end of a line cuts in two were read as one.
        links: as in `pfn_kg.transforms.facts.chunk_mentions.chunk_mentions`.
        corrections: what people say of entities and facts.
    """
    counts: Counter[str] = Counter()
    tables = {"rejected": _rejected_rows(chunk, losers, counts)}
    documents = _documents(chunk, losers)
    counts["documents"] = len(documents.texts)
    counts["sentences"] = len(documents.sentence_begins)
    counts["characters"] = sum(map(len, documents.texts))
    tables["documents"] = documents.table(model_hash)
    if options.sentences:
        tables["sentences"] = documents.sentence_table()

    labels = Labels.of(label_schema)
    resolved = resolved_chunk(documents, labels, options=options, counts=counts)
    mentions = chunk_mentions(
        documents,
        resolved.mentions,
        labels.types,
        label_schema=label_schema,
        keys=EntityKeys.of(label_schema, options.names, options.released),
        wanted=_wanted(resolved.triples, labels, label_schema, options),
        moves=moves or {},
        dehyphenate=dehyphenate,
        links=links,
        corrections=corrections,
    )
    counts.update(mentions.counts)
    correct = corrections and TripleCorrections(
        corrections, mentions, document_ids=documents.ids, relation_names=labels.relations
    )
    triples = _apply_rules(
        resolved.triples,
        mentions,
        labels=labels,
        label_schema=label_schema,
        options=options,
        counts=counts,
        correct=correct,
    )
    judged = None
    if correct is not None:
        judged = judged_rows(
            documents,
            mentions,
            triples,
            correct=correct,
            relation_names=labels.relations,
            calibration=options.fact_calibration,
        )
        triples = correct.apply(triples, mentions.applied)
    counts["triples"] = len(triples.subjects)
    tables["mentions"] = mentions.table
    tables["entities"] = name_rows(mentions)
    tables["triples"], tables["relations"] = triple_rows(
        documents,
        mentions,
        triples,
        relation_names=labels.relations,
        calibration=options.fact_calibration,
    )
    return ChunkRows(
        tables,
        counts,
        moved_rows(mentions),
        applied=mentions.applied,
        judged=judged,
    )


def names_of_chunk(
    chunk: pa.Table,
    *,
    losers: Sequence[Loser],
    label_schema: LabelSchema,
    options: FactOptions,
    dehyphenate: bool = False,
) -> pa.Table:
    """The names of entities in a chunk, each of the entity of its own key.

    Args:
        chunk: its rows as `rows_of_chunk` takes them; only NAME_COLUMNS need values.
        losers: as in `rows_of_chunk`.
        label_schema: as in `rows_of_chunk`.
        options: as in `rows_of_chunk`.
        dehyphenate: as in `rows_of_chunk`.

    Returns:
        Rows as in `pfn_kg.schemas.shuffled_rows.CHUNK_NAME_SCHEMA`, without the chunk.
    """
    rows = rows_of_chunk(
        chunk,
        model_hash="",
        losers=losers,
        label_schema=label_schema,
        options=options._replace(sentences=False),
        dehyphenate=dehyphenate,
    )
    every = rows.tables["entities"]
    names = every.filter(pc.equal(every["kind"], "entity"))
    facts: dict[bytes, list[bytes]] = {}
    partners: dict[bytes, list[str]] = {}
    seen_in: dict[bytes, list[bytes]] = {}
    rules, relations = options.names, rows.tables["relations"]
    if rules.middle_names or rules.type_votes or rules.similar_names:
        facts = lowest_facts(relations)
    if rules.similar_names:
        partners = partner_names(relations, every)
        seen_in = lowest_documents(rows.tables["mentions"])
    ids = names["entity_id"].to_pylist()
    for column, found in (
        ("facts", facts),
        ("partners", partners),
        ("seen_in", seen_in),
    ):
        field = CHUNK_NAME_SCHEMA.field(column)
        values = pa.array([found.get(id_) for id_ in ids], field.type)
        names = names.append_column(field, values)
    return names


def _wanted(
    triples: TripleColumns, labels: Labels, label_schema: LabelSchema, options: FactOptions
) -> WantedPlaces:
    if not options.names.demonyms:
        return WantedPlaces.none()
    return WantedPlaces.of(triples, PlaceEnds.of(label_schema, labels.relations))


def _documents(chunk: pa.Table, losers: Sequence[Loser]) -> ChunkDocuments:
    """The documents that have a text and are not left out."""
    is_read = pc.is_valid(chunk["text"]).to_numpy(zero_copy_only=False)
    is_read[np.array([loser.row for loser in losers], dtype=np.int64)] = False
    return ChunkDocuments(chunk.take(pa.array(np.flatnonzero(is_read))))


def _rejected_rows(chunk: pa.Table, losers: Sequence[Loser], counts: Counter[str]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    left_out = {loser.row for loser in losers}
    places = chunk.select(["document_id", "source_file", "source_row"])
    lengths = pc.fill_null(pc.list_value_length(chunk["rejected"]), 0)
    for row in np.flatnonzero(lengths.to_numpy()).tolist():
        if row not in left_out:
            place = places.slice(row, 1).to_pylist()[0]
            rows += [place | rejection for rejection in chunk["rejected"][row].as_py()]
    for loser in losers:
        if loser.reason != "conflict":
            counts[_LEFT_OUT[loser.reason]] += 1
            continue
        error = (
            "another text has this document id: "
            f"row {loser.winner_row} of {loser.winner_file}, which is kept"
        )
        place = places.slice(loser.row, 1).to_pylist()[0]
        rows.append({**place, "stage": "deduplicate", "error": error})
    for rejected in rows:
        counts["rejected"] += 1
        counts[f"rejected.{rejected['stage']}"] += 1
    return pa.Table.from_pylist(rows, TABLE_SCHEMAS["rejected"])


def _apply_rules(
    triples: TripleColumns,
    mentions: ChunkMentions,
    *,
    labels: Labels,
    label_schema: LabelSchema,
    options: FactOptions,
    counts: Counter[str],
    correct: TripleCorrections | None = None,
) -> TripleColumns:
    def apply(chosen: TripleColumns, options: FactOptions, counts: Counter[str]) -> TripleColumns:
        rules = DocumentRules(
            label_schema,
            types=labels.types,
            relations=labels.relations,
            constraint_policy=options.constraint_policy,
            rules=options.rules,
        )
        places = mentions.columns
        return rules.apply(
            chosen,
            mentions=Spans(places.types, mentions.entity_numbers, places.begins, places.ends),
            entity_ids=[entity.id for entity in mentions.entities],
            counts=counts,
        )

    protected = None if correct is None else correct.protected(triples)
    if protected is None or not protected.any():
        ruled = apply(triples, options, counts)
    else:
        ruled = apply(triples.at(~protected), options, counts)
        of_protected: Counter[str] = Counter()
        spared = apply(triples.at(protected), options.without_drops, of_protected)
        counts.update(of_protected)
        ruled = TripleColumns(*(np.concatenate(pair) for pair in zip(ruled, spared, strict=True)))
    if options.rules.evidence == "nearest":
        ruled = _nearest(ruled, mentions, relations=len(labels.relations), counts=counts)
    if options.rules.across == "keep":
        return ruled
    has_one_object = [label_schema.relation(name).max_objects == 1 for name in labels.relations]
    against = _rivals_across(ruled, mentions, np.array(has_one_object, dtype=bool))
    if correct is not None:
        against &= ~correct.protected(ruled)
    return decide(
        ruled, "across_rival", policy=options.rules.across, against=against, counts=counts
    )


def _rivals_across(
    triples: TripleColumns, mentions: ChunkMentions, has_one_object: np.ndarray
) -> np.ndarray:
    """The triples across sentences that a triple of another object in one sentence beats."""
    subjects, objects = triples.subjects, triples.objects
    entities = max(len(mentions.entities), 1)
    said_of = mentions.columns.rows[subjects] * max(len(has_one_object), 1) + triples.relations
    sentences = mentions.columns.sentences
    return is_rival_across(
        said_of * entities + mentions.entity_numbers[subjects],
        mentions.entity_numbers[objects],
        across=sentences[subjects] != sentences[objects],
        concerned=has_one_object[triples.relations],
    )


def _nearest(
    triples: TripleColumns, mentions: ChunkMentions, *, relations: int, counts: Counter[str]
) -> TripleColumns:
    """The triples of each fact and document whose arguments are nearest to each other."""
    subjects, objects = triples.subjects, triples.objects
    entities = max(len(mentions.entities), 1)
    facts = mentions.entity_numbers[subjects] * max(relations, 1) + triples.relations
    facts = facts * entities + mentions.entity_numbers[objects]
    nearest = is_nearest(
        documents=mentions.columns.rows[subjects],
        facts=facts,
        first=mentions.columns.sentences[subjects],
        second=mentions.columns.sentences[objects],
    )
    counts["distant_triples"] = int(np.count_nonzero(~nearest))
    return triples.at(nearest)
