"""The neighbourhood of an entity as a graph that one walks, never all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pfn_kg.pipeline.view.data.entities import node
from pfn_kg.pipeline.view.data.filters import FactFilter
from pfn_kg.pipeline.view.data.store import Store

#: No picture has more entities.
MOST_SHOWN = 200
_MOST_INNER = 600


def neighbourhood(
    store: Store,
    entity_id: str,
    *,
    filter_: FactFilter | None = None,
    limit: int = 24,
    shown: Sequence[str] = (),
) -> dict[str, Any]:
    """An entity with its best neighbours, and all facts among those that are shown.

    Args:
        store: the graph.
        entity_id: where the walk goes on.
        filter_: which facts are shown.
        limit: most neighbours that are added.
        shown: ids of the entities that the picture has already; at most MOST_SHOWN of them
            count.

    Returns:
        `nodes`, `edges` (facts), `hidden` (how many neighbours of the entity are left out) and
        `center`, the id of the entity.

    Raises:
        NotInGraphError: if nothing has or had the id.
    """
    filter_ = filter_ or FactFilter()
    center = node(store, entity_id)["number"]
    known = _numbers(store, list(shown)[:MOST_SHOWN])
    condition, values = filter_.condition()
    neighbours = store.rows(
        "SELECT e.other, max(e.confidence) AS confidence FROM edges e "
        f"WHERE e.entity = ? AND e.other <> e.entity AND {condition} "
        "GROUP BY e.other ORDER BY confidence DESC, e.other",
        [center, *values],
    )
    others = [row["other"] for row in neighbours]
    new = [number for number in others if number not in known]
    room = max(0, MOST_SHOWN - len({*known, center}))
    added = new[: min(limit, room)]
    numbers = sorted({center, *known, *added})
    rows = store.rows(
        "SELECT number, entity_id AS id, name, type, kind, mentions, documents, "
        "facts_out + facts_in AS facts FROM nodes "
        "JOIN (SELECT unnest(?::INTEGER[]) AS number) USING (number) ORDER BY number",
        [numbers],
    )
    ids = {row.pop("number"): row["id"] for row in rows}
    edges = store.rows(
        "SELECT e.relation_id AS id, e.entity, e.other, e.predicate, e.confidence FROM edges e "
        "JOIN (SELECT unnest(?::INTEGER[]) AS entity) USING (entity) "
        "JOIN (SELECT unnest(?::INTEGER[]) AS other) USING (other) "
        f"WHERE e.outgoing AND {condition} ORDER BY e.confidence DESC, e.relation_id LIMIT ?",
        [numbers, numbers, *values, _MOST_INNER],
    )
    return {
        "center": ids[center],
        "nodes": rows,
        "edges": [
            {
                "id": edge["id"],
                "source": ids[edge["entity"]],
                "target": ids[edge["other"]],
                "predicate": edge["predicate"],
                "confidence": edge["confidence"],
            }
            for edge in edges
        ],
        "hidden": len(new) - len(added),
    }


def _numbers(store: Store, ids: list[str]) -> set[int]:
    """The numbers of entities; an id that the graph does not know is left out."""
    if not ids:
        return set()
    found = store.rows(
        "SELECT number FROM nodes JOIN (SELECT unnest(?::VARCHAR[]) AS entity_id) "
        "USING (entity_id)",
        [ids],
    )
    return {row["number"] for row in found}
