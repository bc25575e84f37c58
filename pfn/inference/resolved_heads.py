"""Resolution (eq. 13) of what a model said of many texts, as records for people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pfn_kg.pfn.inference.head_columns import HeadColumns, TripleColumns, mention_records, parts
from pfn_kg.pfn.resolution import TailColumns, resolve_columns
from pfn_kg.schemas.choices import HeadPolicy
from pfn_kg.schemas.records import Mention, Triple

_triple: Any = partial(tuple.__new__, Triple)


def resolved_records(
    columns: HeadColumns,
    texts: Sequence[str],
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> list[tuple[list[Mention], list[Triple]]]:
    """Does for each text what `pfn_kg.pfn.resolution.resolve` does for one.

    Args:
        columns: what the model said of the texts.
        texts: the texts.
        entity_threshold: as in `resolve`.
        relation_threshold: as in `resolve`.
        head_policy: as in `resolve`.

    Returns:
        Of each text its accepted mentions and its triples.
    """
    mentions, heads = columns.mentions, columns.head_triples
    tails = columns.tail_triples
    row = _rows(mentions.bounds)
    found = resolve_columns(
        heads=row | mentions.begin,
        ends=row | mentions.end,
        types=mentions.type,
        mention_scores=mentions.score.astype(np.float64),
        subject_heads=_rows(heads.bounds) | heads.subject,
        relations=heads.relation,
        object_heads=_rows(heads.bounds) | heads.object,
        triple_scores=heads.score.astype(np.float64),
        entity_threshold=entity_threshold,
        relation_threshold=relation_threshold,
        head_policy=head_policy,
        tails=None if tails is None else _tails(tails),
    )
    # Positions in a text's own list.
    bounds = np.searchsorted(found.mentions, mentions.bounds)
    number = np.searchsorted(bounds, found.subjects, "right") - 1
    first = bounds[number]
    names = np.array(columns.relation_types, object)
    rows = zip(
        (found.subjects - first).tolist(),
        names[heads.relation[found.head_triples]].tolist(),
        (found.objects - first).tolist(),
        heads.score[found.head_triples].tolist(),
        strict=True,
    )
    triples = parts(list(map(_triple, rows)), np.searchsorted(number, np.arange(len(texts) + 1)))
    return list(zip(mention_records(columns, texts, found.mentions), triples, strict=True))


def _rows(bounds: np.ndarray) -> np.ndarray:
    """What makes integers of a text's offsets that differ from those of all other texts."""
    return np.repeat(np.arange(len(bounds) - 1) << 32, np.diff(bounds))


def _tails(tails: TripleColumns) -> TailColumns:
    row = _rows(tails.bounds)
    return TailColumns(
        row | tails.subject, tails.relation, row | tails.object, tails.score.astype(np.float64)
    )
