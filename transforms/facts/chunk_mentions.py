"""The accepted mentions of one chunk, with their ids and their entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.pfn.inference.cut_words import join_cut_words
from pfn_kg.schemas.label_schema import EntityType, LabelSchema, NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.schemas.shuffled_rows import ID_TYPE, Link, Move
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments
from pfn_kg.transforms.facts.corrected_mentions import correct_mentions
from pfn_kg.transforms.facts.linked_mentions import link_mentions
from pfn_kg.transforms.facts.resolved_chunk import MentionColumns
from pfn_kg.transforms.facts.settled_entities import CORRECTIONS, RULE_CODES, settled_entities
from pfn_kg.transforms.facts.wanted_places import WantedPlaces
from pfn_kg.transforms.names.canonical_names import CanonicalEntity, canonical_entity, plain_name
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.names.name_keys import name_key
from pfn_kg.transforms.names.short_forms import NamedMentions, ShortForms, take_long_forms
from pfn_kg.transforms.plumbing.ids import spell, spelt_ids


class ChunkNames(NamedTuple):
    """The distinct names of a chunk: pairs of text and type, in the order of their first mentions.

    Attributes:
        texts: text of each name.
        types: its type.
        of_mention: for each mention, the position of its name.
    """

    texts: list[str]
    types: list[str]
    of_mention: np.ndarray


class KeyedNames(NamedTuple):
    """The entities that names belong to by their own keys.

    Attributes:
        keys: canonical key of each name; None for a value.
        entities: the distinct entities, in the order of their first names.
        of_name: for each name, the position of its entity.
    """

    keys: list[str | None]
    entities: list[CanonicalEntity]
    of_name: np.ndarray


class ChunkMentions(NamedTuple):
    """The accepted mentions of a chunk.

    Attributes:
        columns: their places, types and scores.
        table: their rows of the table `mentions`, with ids as bytes.
        names: their distinct names.
        entities: the distinct entities.
        entity_ids: the ids of these entities.
        entity_numbers: for each mention, the position of its entity.
        key_entity_ids: the ids of the distinct entities of the mentions' own keys, before short
            forms and heirs.
        key_entity_numbers: for each mention, the position of the entity of its own key.
        is_own: for each mention, whether its name is one that the entity may be displayed by, and
            no short form, abbreviation, adjective or people.
        rules: for each mention, which of RULES made its name one of the entity's; -1 if none did.
        given: for some entities, a name that is known and that perhaps no text has.
        counts: counts of short forms and of names that are known.
        applied: what corrections concern, as in
            `pfn_kg.transforms.facts.corrected_mentions.correct_mentions`.
    """

    columns: MentionColumns
    table: pa.Table
    names: ChunkNames
    entities: list[CanonicalEntity]
    entity_ids: pa.Array
    entity_numbers: np.ndarray
    key_entity_ids: list[bytes]
    key_entity_numbers: np.ndarray
    is_own: np.ndarray
    rules: np.ndarray
    given: dict[CanonicalEntity, str]
    counts: Counter[str]
    applied: Counter[tuple[int, int]]


def chunk_mentions(
    documents: ChunkDocuments,
    mentions: MentionColumns,
    type_names: Sequence[str],
    *,
    keys: EntityKeys,
    label_schema: LabelSchema,
    wanted: WantedPlaces,
    moves: Mapping[bytes, Move],
    dehyphenate: bool = False,
    links: Sequence[Sequence[Link]] = (),
    corrections: CorrectionPlan | None = None,
) -> ChunkMentions:
    """Gives the mentions of a chunk their ids and their entities.

    Args:
        documents: of the chunk.
        mentions: the accepted ones.
        type_names: the entity types, in the order of their codes.
        keys: which names count as one name.
        label_schema: kinds and datatypes of the types.
        wanted: the mentions that a relation wants to be places.
        moves: for the id that a name gives by itself, where its mentions go instead.
        dehyphenate: whether words that the end of a line cuts in two are one in names.
        links: entities that are entries of a catalogue, and then, where a name is of several
            things, which of them; their types become those of the mentions.
        corrections: what people say of entities; their types become those of the mentions.
    """
    texts = documents.spans(
        mentions.rows.tolist(), mentions.begins.tolist(), mentions.ends.tolist()
    )
    schema_types = {t.name: t for t in label_schema.entity_types}
    called = [join_cut_words(text).text for text in texts] if dehyphenate else texts
    names = _distinct_names(called, [type_names[code] for code in mentions.types.tolist()])
    keyed = _keyed_names(names, schema_types, keys.rules)
    short = _short_forms(
        documents,
        mentions,
        type_names=type_names,
        names=names,
        keyed=keyed,
        schema_types=schema_types,
        rules=keys.rules,
    )
    settled = settled_entities(
        keyed.entities,
        [keyed.keys[name] for name in np.unique(keyed.of_name, return_index=True)[1].tolist()],
        short,
        keys=keys,
        wanted=wanted,
        moves=moves,
    )
    entities, entity_numbers = settled.entities, settled.numbers
    is_own, said_by = settled.is_own, settled.rules
    mention_types = settled.types(mentions.types, type_names)
    # An id is what the model says, whatever people and other documents say of it.
    mention_ids = _mention_ids(documents, mentions, type_names)
    mentions = mentions._replace(types=mention_types)
    by_link = np.full_like(said_by, -1)
    for some in links:
        linked = link_mentions(
            entities,
            entity_numbers,
            mentions,
            document_ids=documents.ids,
            type_names=type_names,
            links=some,
        )
        entities, entity_numbers = linked.entities, linked.numbers
        mentions = mentions._replace(types=linked.types)
        by_link = np.where(linked.rules < 0, by_link, linked.rules)
    # A short form or another name went with the name that is linked.
    said_by = np.where(said_by < 0, by_link, said_by)
    applied: Counter[tuple[int, int]] = Counter()
    if corrections is not None:
        corrected = correct_mentions(
            entities,
            entity_numbers,
            mentions,
            document_ids=documents.ids,
            type_names=type_names,
            plan=corrections,
            applied=applied,
        )
        before = np.array([e.id for e in entities], dtype=object)[entity_numbers]
        entities, entity_numbers = corrected.entities, corrected.numbers
        after = np.array([e.id for e in entities], dtype=object)[entity_numbers]
        said_by = np.where(before == after, said_by, RULE_CODES[CORRECTIONS])
        mentions = mentions._replace(types=corrected.types)
        is_own = is_own & ~corrected.is_split
    entity_ids = pa.array([entity.id for entity in entities], ID_TYPE)
    mentioned = {entities[number] for number in np.unique(entity_numbers).tolist()}
    key_entity_numbers = keyed.of_name[names.of_mention]
    table = pa.table(
        {
            "mention_id": pa.array(mention_ids, ID_TYPE),
            "document_id": pa.array(documents.ids, pa.string()).take(pa.array(mentions.rows)),
            "sentence_index": pa.array(mentions.sentences, pa.int32()),
            "begin": pa.array(mentions.begins, pa.int32()),
            "end": pa.array(mentions.ends, pa.int32()),
            "text": pa.array(texts, pa.string()),
            "type": pa.array(type_names, pa.string()).take(pa.array(mentions.types)),
            "score": pa.array(mentions.scores, pa.float32()),
            "entity_id": entity_ids.take(pa.array(entity_numbers)),
        }
    )
    return ChunkMentions(
        columns=mentions,
        table=table,
        names=names,
        entities=entities,
        entity_ids=entity_ids,
        entity_numbers=entity_numbers,
        key_entity_ids=[entity.id for entity in keyed.entities],
        key_entity_numbers=key_entity_numbers,
        is_own=is_own,
        rules=said_by,
        given={e: name for e, name in settled.given.items() if e in mentioned},
        counts=short.counts + settled.counts,
        applied=applied,
    )


def _mention_ids(
    documents: ChunkDocuments, mentions: MentionColumns, type_names: Sequence[str]
) -> list[bytes]:
    # Parts that recur are spelt once.
    rows, types = mentions.rows.tolist(), mentions.types.tolist()
    begins, ends = mentions.begins.tolist(), mentions.ends.tolist()
    spelt_documents = [spell(id_) for id_ in documents.ids]
    spelt_offsets = {offset: spell(str(offset)) for offset in {*begins, *ends}}
    spelt_types = [spell(name) for name in type_names]
    return spelt_ids(
        f"mention {spelt_documents[row]}{spelt_offsets[b]}{spelt_offsets[e]}{spelt_types[code]}"
        for row, b, e, code in zip(rows, begins, ends, types, strict=True)
    )


def _distinct_names(texts: Sequence[str], types: Sequence[str]) -> ChunkNames:
    numbers: dict[tuple[str, str], int] = {}
    of_mention = [numbers.setdefault(name, len(numbers)) for name in zip(texts, types, strict=True)]
    return ChunkNames(
        [text for text, _ in numbers],
        [type_ for _, type_ in numbers],
        np.array(of_mention, dtype=np.int64),
    )


def _keyed_names(
    names: ChunkNames, schema_types: Mapping[str, EntityType], rules: NameRules
) -> KeyedNames:
    numbers: dict[CanonicalEntity, int] = {}
    keys: list[str | None] = []
    of_name: list[int] = []
    entity_of = {
        name: _entity_of(name, type_.kind, type_.datatype, type_.names, rules)
        for name, type_ in schema_types.items()
    }
    for text, name in zip(names.texts, names.types, strict=True):
        key, entity = entity_of[name](text)
        keys.append(key)
        of_name.append(numbers.setdefault(entity, len(numbers)))
    return KeyedNames(keys, list(numbers), np.array(of_name, dtype=np.int64))


@lru_cache(maxsize=256)
def _entity_of(
    name: str, kind: str, datatype: str | None, names: NameKind | None, rules: NameRules
) -> Callable[[str], tuple[str | None, CanonicalEntity]]:
    """Gives key and entity of the names of a type; most of a chunk's are in others too."""

    @lru_cache(maxsize=1 << 14)
    def entity_of(text: str) -> tuple[str | None, CanonicalEntity]:
        key = None if kind == "value" else name_key(text, names, rules)
        return key, canonical_entity(text, name, kind=kind, datatype=datatype, key=key)

    return entity_of


def _short_forms(
    documents: ChunkDocuments,
    mentions: MentionColumns,
    *,
    type_names: Sequence[str],
    names: ChunkNames,
    keyed: KeyedNames,
    schema_types: Mapping[str, EntityType],
    rules: NameRules,
) -> ShortForms:
    """The position of each mention's entity, once short forms belong to that of their long form."""
    codes = {name: code for code, name in enumerate(type_names)}
    named = NamedMentions(
        documents=documents.texts,
        rows=mentions.rows,
        begins=mentions.begins,
        ends=mentions.ends,
        name_numbers=names.of_mention,
        texts=list(map(plain_name, names.texts)),
        keys=keyed.keys,
        types=np.array([codes[name] for name in names.types], dtype=np.int64),
        kinds=[schema_types[name].names for name in type_names],
        entities=keyed.of_name,
    )
    return take_long_forms(named, rules)
