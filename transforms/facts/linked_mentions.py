"""The entities of a chunk's mentions, once they are linked to what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pfn_kg.schemas.shuffled_rows import Link
from pfn_kg.transforms.facts.resolved_chunk import MentionColumns
from pfn_kg.transforms.facts.settled_entities import RULE_CODES
from pfn_kg.transforms.names.canonical_names import CanonicalEntity


class LinkedMentions(NamedTuple):
    """What links make of the entities of mentions.

    Attributes:
        entities: the distinct entities.
        numbers: for each mention, the position of its entity.
        types: for each mention, the code of its entity's type.
        rules: for each mention, the code of the rule of its link, as in RULE_CODES; -1 if it has
            none.
    """

    entities: list[CanonicalEntity]
    numbers: np.ndarray
    types: np.ndarray
    rules: np.ndarray


def link_mentions(
    entities: Sequence[CanonicalEntity],
    numbers: np.ndarray,
    mentions: MentionColumns,
    *,
    document_ids: Sequence[str],
    type_names: Sequence[str],
    links: Sequence[Link],
) -> LinkedMentions:
    """Gives mentions the entities that links say they are of.

    Args:
        entities: those of the chunk before links.
        numbers: for each mention, the position of its entity.
        mentions: places of the mentions.
        document_ids: of the chunk's documents.
        type_names: names of the entity types, in the order of their codes.
        links: those of the chunk; a link of a document goes before one of all documents.
    """
    everywhere = {link.old: link for link in links if link.document_id is None}
    known: dict[CanonicalEntity, int] = {}
    number_of = [known.setdefault(_heir(e, everywhere.get(e.id)), len(known)) for e in entities]
    linked = np.array(number_of, dtype=np.int64)[numbers]
    rules_of = [RULE_CODES[everywhere[e.id].rule] if e.id in everywhere else -1 for e in entities]
    rules = np.array(rules_of, dtype=np.int64)[numbers]
    numbers_of_id = {entity.id: number for number, entity in enumerate(entities)}
    rows_of_id = {id_: row for row, id_ in enumerate(document_ids)}
    for link in sorted(link for link in links if link.document_id is not None):
        row, old = rows_of_id.get(link.document_id or ""), numbers_of_id.get(link.old)
        if row is None or old is None:
            continue
        number = known.setdefault(_heir(entities[old], link), len(known))
        there = (mentions.rows == row) & (numbers == old)
        linked[there], rules[there] = number, RULE_CODES[link.rule]
    codes = {name: code for code, name in enumerate(type_names)}
    all_entities = list(known)
    type_codes = np.array([codes[entity.type] for entity in all_entities], dtype=np.int64)
    types = type_codes[linked] if len(linked) else mentions.types
    return LinkedMentions(all_entities, linked, types, rules)


def _heir(entity: CanonicalEntity, link: Link | None) -> CanonicalEntity:
    return entity if link is None else entity._replace(id=link.heir, type=link.type)
