"""The entities of a chunk's mentions, once people have corrected them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.facts.resolved_chunk import MentionColumns
from pfn_kg.transforms.names.canonical_names import CanonicalEntity


class CorrectedMentions(NamedTuple):
    """What corrections make of the entities of mentions.

    Attributes:
        entities: the distinct entities.
        numbers: for each mention, the position of its entity.
        types: for each mention, the code of its entity's type.
        is_split: for each mention, whether a correction took it from its entity.
    """

    entities: list[CanonicalEntity]
    numbers: np.ndarray
    types: np.ndarray
    is_split: np.ndarray


def correct_mentions(
    entities: Sequence[CanonicalEntity],
    numbers: np.ndarray,
    mentions: MentionColumns,
    *,
    document_ids: Sequence[str],
    type_names: Sequence[str],
    plan: CorrectionPlan,
    applied: Counter[tuple[int, int]],
) -> CorrectedMentions:
    """Gives mentions the entities that corrections say they are of.

    Args:
        entities: those of the chunk before corrections.
        numbers: for each mention, the position of its entity.
        mentions: places of the mentions.
        document_ids: of the chunk's documents.
        type_names: names of the entity types, in the order of their codes.
        plan: what the corrections come to.
        applied: receives, for each row of a correction, the mentions that it concerns. The second
            number of a key is 1 for the other entity of a correction that keeps two apart.
    """
    _count(entities, numbers, plan, applied)
    known: dict[CanonicalEntity, int] = {}
    targets = plan.classes.targets
    number_of = [
        known.setdefault(targets[e.id].entity if e.id in targets else e, len(known))
        for e in entities
    ]
    corrected = np.array(number_of, dtype=np.int64)[numbers]
    before = corrected.copy()
    ids = [entity.id for entity in known]
    for row, places in _rows_of(plan.splits, document_ids).items():
        of_document = np.flatnonzero(mentions.rows == row)
        for place in places:
            chosen = of_document
            if place.begin is not None:
                is_there = (mentions.begins[chosen] == place.begin) & (
                    mentions.ends[chosen] == place.end
                )
                chosen = chosen[is_there]
            chosen = chosen[[ids[n] == place.source for n in corrected[chosen].tolist()]]
            if len(chosen):
                number = known.setdefault(place.target.entity, len(known))
                if number == len(ids):
                    ids.append(place.target.entity.id)
                corrected[chosen] = number
                applied[place.row, 0] += len(chosen)
    codes = {name: code for code, name in enumerate(type_names)}
    all_entities = list(known)
    type_codes = np.array([codes[entity.type] for entity in all_entities], dtype=np.int64)
    types = type_codes[corrected] if len(corrected) else mentions.types
    return CorrectedMentions(all_entities, corrected, types, corrected != before)


def _rows_of(splits: Mapping[str, tuple], document_ids: Sequence[str]) -> dict[int, tuple]:
    if not splits:
        return {}
    return {row: splits[id_] for row, id_ in enumerate(document_ids) if id_ in splits}


def _count(
    entities: Sequence[CanonicalEntity],
    numbers: np.ndarray,
    plan: CorrectionPlan,
    applied: Counter[tuple[int, int]],
) -> None:
    """Counts the mentions of entities that corrections begin with."""
    counts = np.bincount(numbers, minlength=len(entities)).tolist()
    by_id: Counter[bytes] = Counter()
    for entity, count in zip(entities, counts, strict=True):
        by_id[entity.id] += count
    for id_, rows in plan.classes.rows.items():
        for row in rows if by_id[id_] else ():
            applied[row, 0] += by_id[id_]
    for row, ids in plan.classes.apart.items():
        for side, id_ in enumerate(ids):
            if by_id[id_]:
                applied[row, side] += by_id[id_]
