"""Facts: those of an entity, and one with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
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

_TRIPLE_COLUMNS = (
    "triple_id, document_id, evidence_begin, evidence_text, subject_text, subject_type, "
    "subject_begin, subject_end, object_text, object_type, object_begin, object_end, score, flags"
)
# So few triples are looked up one by one, which reads only the parts of files that have them.
_FEW = 8


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
    row = store.row(
        "SELECT * EXCLUDE (evidence) FROM relations WHERE relation_id = ?", [relation_id]
    )
    if row is None:
        raise NotInGraphError(f"fact {relation_id}")
    places = store.rows(
        "SELECT triple_id FROM places WHERE relation_id = ? ORDER BY score DESC, triple_id LIMIT ?",
        [relation_id, limit],
    )
    (found,) = _facts(store, [row], [[place["triple_id"] for place in places]])
    return found


def facts(store: Store, relation_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Facts with their best piece of evidence each, as `fact` gives them, in the order of the ids.

    Args:
        store: the graph.
        relation_ids: ids of facts that are there.
    """
    if not relation_ids:
        return []
    rows = store.rows(
        "SELECT * EXCLUDE (evidence), evidence[1] AS best FROM relations "
        f"WHERE relation_id IN ({', '.join('?' * len(relation_ids))})",
        list(relation_ids),
    )
    place = {id_: number for number, id_ in enumerate(relation_ids)}
    rows.sort(key=lambda row: place[row["relation_id"]])
    # A fact that a person added may be without evidence.
    return _facts(store, rows, [[best] if (best := row.pop("best")) else [] for row in rows])


def _facts(
    store: Store, rows: list[dict[str, Any]], triples: list[list[str]]
) -> list[dict[str, Any]]:
    """Rows of `relations` as facts, each with some of its triples."""
    ends = _ends(store, {row[f"{end}_id"] for row in rows for end in ("subject", "object")})
    pieces = _evidence(store, [id_ for ids in triples for id_ in ids])
    found = []
    for row, ids in zip(rows, triples, strict=True):
        evidence = [pieces[id_] for id_ in ids if id_ in pieces]
        rules = dict.fromkeys(rule for piece in evidence for rule in piece["flags"])
        found.append(
            {
                "id": row["relation_id"],
                "subject": ends[row["subject_id"]],
                "object": ends[row["object_id"]],
                "predicate": relation_of(store, row["predicate"]),
                "confidence": row["confidence"],
                "evidence_count": row["evidence_count"],
                "document_count": row["document_count"],
                "evidence": evidence,
                "rules": [{"name": rule, "text": RULES.get(rule, "")} for rule in rules],
                "correction": correction_of(row),
            }
        )
    return found


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


def _ends(store: Store, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Entities and values by id, with their names and types."""
    rows = store.rows(
        "SELECT entity_id AS id, name, type, kind FROM nodes "
        "JOIN (SELECT unnest(?::VARCHAR[]) AS entity_id) USING (entity_id)",
        [sorted(ids)],
    )
    return {row["id"]: row for row in rows}


def correction_of(row: dict[str, Any]) -> dict[str, Any] | None:
    """The correction that a row of `entities` or `relations` goes back to, if any."""
    if row.get("corrected") is None:
        return None
    return {
        "kind": row["corrected"],
        "author": row["corrected_by"],
        "time": row["corrected_at"],
        "note": row["correction_note"],
    }


def _evidence(store: Store, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Triples by id, as pieces of evidence with their sentences cut at both arguments."""
    if not ids:
        return {}
    one = f"SELECT {_TRIPLE_COLUMNS} FROM triples WHERE triple_id"
    if len(ids) <= _FEW:
        rows = store.rows(" UNION ALL ".join([f"{one} = ?"] * len(ids)), ids)
    else:
        rows = store.rows(f"{one} IN ({', '.join('?' * len(ids))})", ids)
    documents = {
        row["document_id"]: row
        for row in store.rows(
            "SELECT document_id, title, metadata FROM documents "
            "JOIN (SELECT unnest(?::VARCHAR[]) AS document_id) USING (document_id)",
            [sorted({row["document_id"] for row in rows})],
        )
    }
    return {row["triple_id"]: _piece(row, documents[row["document_id"]]) for row in rows}


def _piece(row: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    spans = [Span(row[f"{end}_begin"], row[f"{end}_end"], end) for end in ("subject", "object")]
    return {
        "id": row["triple_id"],
        "document": {
            "id": row["document_id"],
            "title": document["title"],
            "link": link_of(metadata_of(document["metadata"])),
        },
        "begin": row["evidence_begin"],
        "pieces": cut(row["evidence_text"], spans, row["evidence_begin"]),
        "subject_text": row["subject_text"],
        "subject_type": row["subject_type"],
        "object_text": row["object_text"],
        "object_type": row["object_type"],
        "score": row["score"],
        "flags": row["flags"] or [],
    }
