"""An entity or value: names, types, documents, and what was merged into it."""

from __future__ import annotations

from typing import Any

from pfn_kg.pipeline.view.data.facts import correction_of
from pfn_kg.pipeline.view.data.merges import MergeReasons
from pfn_kg.pipeline.view.data.metadata import web_link
from pfn_kg.pipeline.view.data.store import NotInGraphError, Store

_SHOWN_SPELLINGS = 60
_SHOWN_DOCUMENTS = 25


def node(store: Store, entity_id: str) -> dict[str, Any]:
    """The row of an entity or value in the index.

    Args:
        store: the graph.
        entity_id: its id, or one that an earlier build gave it.

    Raises:
        NotInGraphError: if nothing has or had the id.
    """
    query = "SELECT * FROM nodes WHERE entity_id = ?"
    found = store.row(query, [entity_id])
    if found is None:
        heir = store.row("SELECT entity_id FROM redirects WHERE old_id = ?", [entity_id])
        found = None if heir is None else store.row(query, [heir["entity_id"]])
    if found is None:
        raise NotInGraphError(f"entity {entity_id}")
    return found


def entity(store: Store, entity_id: str) -> dict[str, Any]:
    """What is known of an entity or value, without its facts.

    Args:
        store: the graph.
        entity_id: as in `node`.

    Returns:
        Among others `id`, which is another one than `entity_id` where that was redirected;
        `spellings`, each with the reason why it is this entity; `relations`, the numbers of its
        facts by predicate and direction; `documents`, those that name it most often.

    Raises:
        NotInGraphError: if nothing has or had the id.
    """
    of_index = node(store, entity_id)
    number = of_index["number"]
    row = store.row("SELECT * FROM entities WHERE entity_id = ?", [of_index["entity_id"]])
    assert row is not None  # the index is of this snapshot
    spellings = store.rows(
        "SELECT text, mentions, documents FROM spellings WHERE entity = ? "
        f"ORDER BY mentions DESC, text LIMIT {_SHOWN_SPELLINGS}",
        [number],
    )
    reasons = MergeReasons(store, row)
    for spelling in spellings:
        spelling["reason"] = reasons.of(spelling["text"])
    totals = store.row("SELECT count(*) AS spellings FROM spellings WHERE entity = ?", [number])
    same_as = row["same_as"]
    return {
        "id": row["entity_id"],
        "kind": row["kind"],
        "name": row["name"],
        "type": row["type"],
        "type_description": _description(store, row["type"]),
        "value": row["value"],
        "datatype": row["datatype"],
        "iri": row["iri"],
        "same_as": None if same_as is None else {"text": same_as, "link": web_link(same_as)},
        "aliases": row["aliases"] or [],
        "correction": correction_of(row),
        "mentions": row["mentions"],
        "document_count": row["documents"],
        "facts_out": of_index["facts_out"],
        "facts_in": of_index["facts_in"],
        "spellings": spellings,
        "spelling_count": totals["spellings"] if totals else 0,
        "old_ids": [
            heir["old_id"]
            for heir in store.rows(
                "SELECT old_id FROM redirects WHERE entity_id = ? ORDER BY old_id LIMIT 20",
                [row["entity_id"]],
            )
        ],
        "relations": store.rows(
            "SELECT predicate AS name, outgoing, count(*) AS count, max(confidence) AS confidence "
            "FROM edges WHERE entity = ? GROUP BY predicate, outgoing ORDER BY count DESC, name",
            [number],
        ),
        "documents": documents_of_entity(store, number, limit=_SHOWN_DOCUMENTS),
    }


def documents_of_entity(
    store: Store, number: int, *, offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """The documents that name an entity or value, those that do so most often first."""
    return store.rows(
        "SELECT d.document_id AS id, d.title, d.date, e.mentions FROM entity_documents e "
        "JOIN papers d ON d.number = e.document WHERE e.entity = ? "
        "ORDER BY e.mentions DESC, d.number LIMIT ? OFFSET ?",
        [number, limit, offset],
    )


def _description(store: Store, type_: str) -> str | None:
    try:
        return store.run.label_schema.entity_type(type_).description
    except KeyError:
        return None
