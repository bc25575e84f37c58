"""The entities of one chunk as rows: their names, and where mentions moved to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.characters import shown_name
from pfn_kg.schemas.shuffled_rows import FACT_BYTES, MOVED_SCHEMA, NAME_SCHEMA
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions
from pfn_kg.transforms.facts.settled_entities import RULES

# Facts of an entity in a chunk that travel.
_FACTS = 64
# Likewise of its neighbours' names: a text of them is read by an encoder.
_PARTNERS = 12


def name_rows(mentions: ChunkMentions) -> pa.Table:
    """One row for each entity, name, type of mentions and rule, as in NAME_SCHEMA."""
    documents = _document_counts(mentions)
    rows: list[tuple] = []
    for (number, name, own_type, rule), (count, own) in _mention_counts(mentions).items():
        # A document counts once for an entity, by whichever of its names.
        entity = mentions.entities[number]
        said_by = None if rule < 0 else RULES[rule]
        told = (count, own, documents[number], False, None, said_by, own_type)
        rows.append((*entity, name, *told))
        documents[number] = 0
    # A name that no text has ranks behind all that texts have and that the entity is displayed by.
    rows += [
        (*entity, name, 0, 1, 0, False, None, None, entity.type)
        for entity, name in mentions.given.items()
    ]
    return _from_tuples(rows, NAME_SCHEMA)


def lowest_facts(relations: pa.Table) -> dict[bytes, list[bytes]]:
    """The lowest hashes of each entity's facts: relation, direction and other end.

    So many are enough to see that two entities share one, and few enough for an entity of a million
    facts.

    Args:
        relations: rows of SUPPORT_SCHEMA.
    """
    facts: dict[bytes, set[bytes]] = {}
    columns = (relations[name].to_pylist() for name in ("subject_id", "predicate", "object_id"))
    for subject, predicate, object_ in zip(*columns, strict=True):
        for end, other, direction in ((subject, object_, b">"), (object_, subject, b"<")):
            facts.setdefault(end, set()).add(fact_hash(predicate, direction, other))
    return {id_: sorted(of_entity)[:_FACTS] for id_, of_entity in facts.items()}


def fact_hash(predicate: str, direction: bytes, other: bytes) -> bytes:
    """What a fact is compared by: its relation, `>` from subject or `<` from object, other end."""
    said = predicate.encode() + direction + other
    return blake2b(said, digest_size=FACT_BYTES).digest()


def partner_names(relations: pa.Table, names: pa.Table) -> dict[bytes, list[str]]:
    """The names of some neighbours of each entity in the graph, values among them.

    Args:
        relations: rows of SUPPORT_SCHEMA.
        names: rows of NAME_SCHEMA, of which an entity's first in order stands for it.
    """
    name_of: dict[bytes, str] = {}
    told = (names[column].to_pylist() for column in ("entity_id", "name", "value", "rule"))
    for id_, name, value, rule in zip(*told, strict=True):
        text = name or value
        if rule is None and text:
            name_of[id_] = min(name_of.get(id_, text), text)
    partners: dict[bytes, set[str]] = {}
    ends = (relations[column].to_pylist() for column in ("subject_id", "object_id"))
    for subject, object_ in zip(*ends, strict=True):
        for end, other in ((subject, object_), (object_, subject)):
            if other in name_of:
                partners.setdefault(end, set()).add(name_of[other])
    return {id_: lowest_names(of_entity) for id_, of_entity in partners.items()}


def lowest_documents(mentions: pa.Table) -> dict[bytes, list[bytes]]:
    """The lowest hashes of the documents that mention each entity, as many as of facts.

    Args:
        mentions: rows of `mentions`, with ids as bytes.
    """
    found: dict[bytes, set[str]] = {}
    columns = (mentions[column].to_pylist() for column in ("entity_id", "document_id"))
    for entity, document in zip(*columns, strict=True):
        found.setdefault(entity, set()).add(document)
    return {id_: document_hashes(documents) for id_, documents in found.items()}


def document_hashes(documents: Iterable[str]) -> list[bytes]:
    """So many hashes of documents as are kept of one entity: the lowest, in order."""
    hashes = {blake2b(d.encode(), digest_size=FACT_BYTES).digest() for d in documents}
    return sorted(hashes)[:_FACTS]


def lowest_names(names: Iterable[str]) -> list[str]:
    """So many of the names as are kept of one entity: those with the lowest hashes, in order."""
    by_hash = sorted({(blake2b(n.encode(), digest_size=FACT_BYTES).digest(), n) for n in names})
    return [name for _, name in by_hash[:_PARTNERS]]


def moved_rows(mentions: ChunkMentions) -> pa.Table:
    """One row for each key of an entity and other entity its mentions went to: MOVED_SCHEMA."""
    width = max(len(mentions.entities), 1)
    pairs, counts = np.unique(
        mentions.key_entity_numbers * width + mentions.entity_numbers, return_counts=True
    )
    rows = [
        (mentions.key_entity_ids[by_key], mentions.entities[number].id, count)
        for by_key, number, count in zip(
            (pairs // width).tolist(), (pairs % width).tolist(), counts.tolist(), strict=True
        )
    ]
    return _from_tuples([row for row in rows if row[0] != row[1]], MOVED_SCHEMA)


def _mention_counts(
    mentions: ChunkMentions,
) -> dict[tuple[int, str, str, int], tuple[int, int]]:
    """By entity, name, own type and rule: mentions, and those the entity is displayed by."""
    texts, types = mentions.names.texts, mentions.names.types
    width, rules = max(len(texts), 1), len(RULES) + 1
    # Each entity, text and rule once.
    triples, first, counts = np.unique(
        (mentions.entity_numbers * width + mentions.names.of_mention) * rules + mentions.rules + 1,
        return_index=True,
        return_counts=True,
    )
    own = counts * mentions.is_own[first]
    pairs, of_rule = np.divmod(triples, rules)
    of_entity, of_text = np.divmod(pairs, width)
    mention_counts: dict[tuple[int, str, str, int], tuple[int, int]] = {}
    for number, text, rule, count, of_own in zip(
        *(column.tolist() for column in (of_entity, of_text, of_rule - 1, counts, own)), strict=True
    ):
        # A name that is broken over two lines is the same name.
        key = number, shown_name(texts[text]), types[text], rule
        before = mention_counts.get(key, (0, 0))
        mention_counts[key] = before[0] + count, before[1] + of_own
    return mention_counts


def _document_counts(mentions: ChunkMentions) -> list[int]:
    """For each entity, the number of documents that mention it."""
    rows = mentions.columns.rows
    width = int(rows.max(initial=0)) + 1
    pairs = np.unique(mentions.entity_numbers * width + rows)
    return np.bincount(pairs // width, minlength=len(mentions.entities)).tolist()


def _from_tuples(rows: Sequence[tuple], schema: pa.Schema) -> pa.Table:
    columns = [[row[number] for row in rows] for number in range(len(schema))]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
