"""Which entry of a catalogue each entity is, once all documents have spoken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa

from pfn_kg.transforms.linking.evidence import Entry, Named, Support, probabilities
from pfn_kg.transforms.plumbing.ids import content_id

#: Why an entity is the entry that it is, or none: one row a decision, beside the graph.
DECISION_SCHEMA = pa.schema(
    {
        "old_id": pa.string(),  # of the entity by name
        "keys": pa.list_(pa.string()),  # of its names
        "own_type": pa.string(),  # as the model says
        "document_id": pa.string(),  # null: holds in all documents without a row of their own
        "entity_id": pa.string(),  # of the entity that it is; null: none
        "iri": pa.string(),
        "name": pa.string(),  # what the catalogue calls it
        "type": pa.string(),  # of the entity
        "confidence": pa.float64(),  # of the best entry, whether linked or not
        "documents": pa.int64(),
        "support": pa.float64(),  # names of those documents that are related to the entry
        "entries": pa.int64(),  # that the name may be
        "reason": pa.string(),  # linked, told, given, doubtful, apart
        "next_iri": pa.string(),  # the second best entry
        "next_confidence": pa.float64(),
    }
)


class Decision(NamedTuple):
    """The entry that an entity is.

    Attributes:
        named: the entity by name, with the entries that it may be.
        entry: that it is; None is none of them.
        heir: id of the entity of that entry; None where it is none.
        type: of that entity.
        reason: `linked` by all documents, `given` by the alias table, `doubtful` where no entry
            is likely enough, `apart` where a correction forbids it.
        chances: probabilities of the entries.
        supports: of the entries, over all documents.
        documents: that mention the entity.
    """

    named: Named
    entry: Entry | None
    heir: bytes | None
    type: str
    reason: str
    chances: list[float]
    supports: list[Support]
    documents: int


def heir_of(entry: Entry, own_type: str) -> tuple[bytes, str]:
    """The id and the type of the entity that an entry is.

    Args:
        entry: of a catalogue.
        own_type: of the name, which holds where the catalogue tells no type.
    """
    type_ = entry.type or own_type
    return content_id("catalogue entity", type_, entry.iri), type_


def decide(
    votes: pa.Table,
    confidence: float,
    *,
    given: Mapping[bytes, str] | None = None,
    apart: Mapping[bytes, frozenset[bytes]] | None = None,
) -> list[Decision]:
    """Chooses the entry of each entity.

    Args:
        votes: all rows of VOTE_SCHEMA of some entities, in any order.
        confidence: of a link, from here on.
        given: for an id, the IRI that the alias table gives; it is that entry or none.
        apart: for an id, those that are never one with it; all of them are among the votes, if
            they are anywhere.
    """
    given, apart = given or {}, apart or {}
    decisions = [_decision(*of, confidence, given.get(of[0].id)) for of in _summed(votes)]
    if not apart:
        return decisions
    by_id = {decision.named.id: decision for decision in decisions}
    # The likelier one keeps what both would be.
    for decision in sorted(decisions, key=_likeliest_first):
        id_ = decision.named.id
        others = [by_id[other] for other in apart.get(id_, ()) if other in by_id]
        if decision.heir is not None and any(
            other.heir == decision.heir and _likeliest_first(other) < _likeliest_first(decision)
            for other in others
        ):
            by_id[id_] = decision._replace(entry=None, heir=None, reason="apart")
    return [by_id[id_] for id_ in sorted(by_id)]


def _likeliest_first(decision: Decision) -> tuple[float, bytes]:
    return -max(decision.chances), decision.named.id


def _summed(votes: pa.Table) -> list[tuple[Named, list[Support], int]]:
    """The entities with the sums of their votes, by id."""
    types: dict[bytes, str] = {}
    keys: dict[bytes, set[str]] = {}
    entries: dict[bytes, dict[str, Entry]] = {}
    sums: dict[tuple[bytes, str], Support] = {}
    documents: dict[bytes, dict[int, int]] = {}
    for row in votes.to_pylist():
        id_, iri = row["entity_id"], row["iri"]
        types[id_] = row["own_type"]
        keys.setdefault(id_, set()).update(row["keys"])
        documents.setdefault(id_, {})[row["chunk"]] = row["documents"]
        of = entries.setdefault(id_, {})
        rest = row["type"], row["popularity"], frozenset[int]()
        of[iri] = Entry(row["entry"], iri, row["name"], *rest)
        before = sums.get((id_, iri), Support(0, 0))
        sums[id_, iri] = Support(before.direct + row["direct"], before.indirect + row["indirect"])
    found = []
    for id_ in sorted(entries):
        ranked = sorted(entries[id_].values(), key=lambda e: (-e.popularity, e.iri))
        named = Named(id_, types[id_], tuple(sorted(keys[id_])), tuple(ranked))
        supports = [sums[id_, entry.iri] for entry in ranked]
        found.append((named, supports, sum(documents[id_].values())))
    return found


def _decision(
    named: Named, supports: list[Support], documents: int, confidence: float, given: str | None
) -> Decision:
    chances = probabilities(named, supports)
    best = max(range(len(chances)), key=lambda i: (chances[i], -i))
    entry, reason = named.entries[best], "linked"
    if given is not None:
        entries = {e.iri: e for e in named.entries}
        found = entries.get(given)
        if found is None:
            return Decision(named, None, None, "", "given", chances, supports, documents)
        entry, reason = found, "given"
    elif chances[best] < confidence:
        return Decision(named, None, None, "", "doubtful", chances, supports, documents)
    heir, type_ = heir_of(entry, named.type)
    return Decision(named, entry, heir, type_, reason, chances, supports, documents)


def decision_row(decision: Decision) -> dict[str, object]:
    """A row of DECISION_SCHEMA."""
    order = sorted(range(len(decision.chances)), key=lambda i: (-decision.chances[i], i))
    entries = decision.named.entries
    chosen = order[0] if decision.entry is None else entries.index(decision.entry)
    others = [i for i in order if i != chosen]
    return {
        "old_id": decision.named.id.hex(),
        "keys": list(decision.named.keys),
        "own_type": decision.named.type,
        "document_id": None,
        "entity_id": None if decision.heir is None else decision.heir.hex(),
        "iri": entries[chosen].iri,
        "name": entries[chosen].name,
        "type": decision.type or None,
        "confidence": round(decision.chances[chosen], 6),
        "documents": decision.documents,
        "support": decision.supports[chosen].direct / 1000,
        "entries": len(entries),
        "reason": decision.reason,
        "next_iri": entries[others[0]].iri if others else None,
        "next_confidence": round(decision.chances[others[0]], 6) if others else None,
    }


class Told(NamedTuple):
    """A document that tells by itself that an entity is another entry than elsewhere.

    Attributes:
        chunk: number of its chunk.
        document_id: its id.
        entry: that the entity is there.
        confidence: of that.
    """

    chunk: int
    document_id: str
    entry: Entry
    confidence: float


def told_otherwise(decision: Decision, told: Iterable[tuple[int, str, str, float]]) -> list[Told]:
    """The documents that tell by themselves that an entity is another entry.

    Args:
        decision: of all documents.
        told: number of the chunk, document, IRI and confidence, for each that tells something.

    Returns:
        Those documents, sorted.
    """
    if decision.reason in ("given", "apart"):
        return []
    entries = {entry.iri: entry for entry in decision.named.entries}
    chosen = None if decision.entry is None else decision.entry.iri
    return [
        Told(chunk, document_id, entries[iri], confidence)
        for chunk, document_id, iri, confidence in sorted(told)
        if iri != chosen
    ]


def told_row(decision: Decision, told: Told) -> dict[str, object]:
    """A row of DECISION_SCHEMA for one document."""
    heir, type_ = heir_of(told.entry, decision.named.type)
    return decision_row(decision) | {
        "document_id": told.document_id,
        "entity_id": heir.hex(),
        "iri": told.entry.iri,
        "name": told.entry.name,
        "type": type_,
        "confidence": round(told.confidence, 6),
        "documents": 1,
        "support": None,
        "reason": "told",
        "next_iri": None if decision.entry is None else decision.entry.iri,
        "next_confidence": None,
    }
