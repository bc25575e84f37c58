"""The entities of one chunk as rows: their names, and where mentions moved to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.characters import shown_name
from pfn_kg.schemas.shuffled_rows import MOVED_SCHEMA, NAME_SCHEMA
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions


def name_rows(mentions: ChunkMentions) -> pa.Table:
    """One row for each entity and name, as in NAME_SCHEMA."""
    documents = _document_counts(mentions)
    rows: list[tuple] = []
    for (number, name), (count, own) in _mention_counts(mentions).items():
        # A document counts once for an entity, by whichever of its names.
        entity = mentions.entities[number]
        rows.append((*entity, name, count, own, documents[number], False, None))
        documents[number] = 0
    return _from_tuples(rows, NAME_SCHEMA)


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


def _mention_counts(mentions: ChunkMentions) -> dict[tuple[int, str], tuple[int, int]]:
    """For each entity and name, its mentions and those whose own key is the entity's."""
    texts = mentions.names.texts
    width = max(len(texts), 1)
    # Each entity and text once, with the entity that the text alone would give.
    pairs, first, counts = np.unique(
        mentions.entity_numbers * width + mentions.names.of_mention,
        return_index=True,
        return_counts=True,
    )
    own = counts * mentions.is_own[first]
    of_entity, of_text = np.divmod(pairs, width)
    mention_counts: dict[tuple[int, str], tuple[int, int]] = {}
    for number, text, count, of_own in zip(
        of_entity.tolist(), of_text.tolist(), counts.tolist(), own.tolist(), strict=True
    ):
        # A name that is broken over two lines is the same name.
        name = shown_name(texts[text])
        before = mention_counts.get((number, name), (0, 0))
        mention_counts[number, name] = before[0] + count, before[1] + of_own
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
