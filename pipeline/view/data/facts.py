"""Facts: those of an entity, and one with its evidence."""

from __future__ import annotations

from typing import Any

from pfn_kg.pipeline.view.data.filters import FactFilter
from pfn_kg.pipeline.view.data.metadata import link_of, metadata_of
from pfn_kg.pipeline.view.data.spans import Span, cut
from pfn_kg.pipeline.view.data.store import NotInGraphError, Store

#: What each rule says of a triple (docs/reference/rules.md).
RULES = {
    "argument_types": "The label schema does not allow the relation between these types.",
    "flipped": "Subject and object were exchanged, since their types fit only so.",
    "self_loop": "The fact relates an entity to itself.",
    "overlapping_arguments": "Subject and object share characters of the text.",
    "symmetric": "The relation is symmetric, so the fact was also said the other way round.",
    "inverse": "The fact follows from the inverse relation.",
    "max_objects": "The subject has more objects of this relation than the label schema allows.",
    "acyclic": "Following the relation leads back to where it began.",
}

_OTHER = """
SELECT e.relation_id AS id, e.outgoing, e.predicate, e.confidence, e.evidence_count,
    e.document_count, n.entity_id AS other_id, n.name AS other_name, n.type AS other_type,
    n.kind AS other_kind
FROM edges e JOIN nodes n ON n.number = e.other
"""

_ENDS = """
SELECT r.*, s.name AS subject_name, s.type AS subject_type, s.kind AS subject_kind,
    o.name AS object_name, o.type AS object_type, o.kind AS object_kind
FROM relations r JOIN nodes s ON s.entity_id = r.subject_id
    JOIN nodes o ON o.entity_id = r.object_id
"""


def facts_of_entity(
    store: Store,
    number: int,
    *,
    outgoing: bool,
    filter_: FactFilter | None = None,
    offset: int = 0,
    limit: int = 50,
) -> dict[str, Any]:
    """The facts that an entity or value is the subject of, or the object of.

    Args:
        store: the graph.
        number: of the entity, from `node`.
        outgoing: whether it is the subject.
        filter_: which facts.
        offset: how many of them to leave out.
        limit: how many to give.

    Returns:
        `total` after the filter, and `rows`, the most confident first.
    """
    condition, values = (filter_ or FactFilter()).condition()
    where = f"WHERE e.entity = ? AND e.outgoing = ? AND {condition}"
    parameters = [number, outgoing, *values]
    total = store.row(f"SELECT count(*) AS total FROM edges e {where}", parameters)
    rows = store.rows(
        f"{_OTHER} {where} ORDER BY e.confidence DESC, e.relation_id LIMIT ? OFFSET ?",
        [*parameters, limit, offset],
    )
    return {"total": total["total"] if total else 0, "rows": rows}


def fact(store: Store, relation_id: str, *, limit: int = 50) -> dict[str, Any]:
    """A fact with its evidence, the best first.

    Args:
        store: the graph.
        relation_id: its id.
        limit: most pieces of evidence.

    Raises:
        NotInGraphError: if no fact has the id.
    """
    row = store.row(f"{_ENDS} WHERE r.relation_id = ?", [relation_id])
    if row is None:
        raise NotInGraphError(f"fact {relation_id}")
    ids = [
        place["triple_id"]
        for place in store.rows(
            "SELECT triple_id FROM places WHERE relation_id = ? "
            "ORDER BY score DESC, triple_id LIMIT ?",
            [relation_id, limit],
        )
    ]
    evidence = _evidence(store, ids)
    rules = dict.fromkeys(rule for piece in evidence for rule in piece["flags"])
    return {
        "id": relation_id,
        "subject": _end(row, "subject"),
        "object": _end(row, "object"),
        "predicate": relation_of(store, row["predicate"]),
        "confidence": row["confidence"],
        "evidence_count": row["evidence_count"],
        "document_count": row["document_count"],
        "evidence": evidence,
        "rules": [{"name": rule, "text": RULES.get(rule, "")} for rule in rules],
        "correction": _correction(row),
    }


def relation_of(store: Store, name: str) -> dict[str, Any]:
    """A relation as the label schema describes it; its name alone where the schema has it not."""
    try:
        known = store.run.label_schema.relation(name)
    except KeyError:
        return {"name": name, "description": None, "exact_match": [], "symmetric": False}
    return {
        "name": name,
        "description": known.description,
        "exact_match": list(known.exact_match),
        "symmetric": known.symmetric,
    }


def _end(row: dict[str, Any], end: str) -> dict[str, Any]:
    return {
        "id": row[f"{end}_id"],
        "name": row[f"{end}_name"],
        "type": row[f"{end}_type"],
        "kind": row[f"{end}_kind"],
    }


def _correction(row: dict[str, Any]) -> dict[str, Any] | None:
    """What a correction of the graph says of a fact, where it was built with corrections."""
    found = {
        name: value
        for name, value in row.items()
        if name.startswith("correct") and value not in (None, "", [])
    }
    return {name: str(value) for name, value in found.items()} or None


def _evidence(store: Store, ids: list[str]) -> list[dict[str, Any]]:
    """Pieces of evidence with their sentences cut at both arguments, in the order of the ids."""
    if not ids:
        return []
    rows = store.rows(
        "SELECT t.*, d.title, d.metadata FROM triples t JOIN documents d USING (document_id) "
        f"WHERE t.triple_id IN ({', '.join('?' * len(ids))})",
        ids,
    )
    rows.sort(key=lambda row: ids.index(row["triple_id"]))
    return [
        {
            "id": row["triple_id"],
            "document": {
                "id": row["document_id"],
                "title": row["title"],
                "link": link_of(metadata_of(row["metadata"])),
            },
            "begin": row["evidence_begin"],
            "pieces": cut(
                row["evidence_text"],
                [
                    Span(row[f"{end}_begin"], row[f"{end}_end"], end)
                    for end in ("subject", "object")
                ],
                row["evidence_begin"],
            ),
            "subject_text": row["subject_text"],
            "subject_type": row["subject_type"],
            "object_text": row["object_text"],
            "object_type": row["object_type"],
            "score": row["score"],
            "flags": row["flags"] or [],
        }
        for row in rows
    ]
