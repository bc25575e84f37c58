"""The answers of the tools: entities and facts, each with its ids and its sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pfn_kg.pipeline.view.data.entities import node
from pfn_kg.pipeline.view.data.facts import fact as fact_with_evidence
from pfn_kg.pipeline.view.data.facts import facts as facts_by_id
from pfn_kg.pipeline.view.data.facts import facts_of_entity
from pfn_kg.pipeline.view.data.filters import FactFilter
from pfn_kg.pipeline.view.data.neighbourhood import neighbourhood
from pfn_kg.pipeline.view.data.search import search
from pfn_kg.pipeline.view.data.store import NotInGraphError, Store
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.names.search_forms import KEY_CHARACTERS, search_form

Direction = Literal["both", "out", "in"]

_SHOWN_NAMESAKES = 8
_SHOWN_CLOSE = 5
# Facts among neighbours that an answer holds for each neighbour, on average.
_FACTS_OF_NEIGHBOUR = 4

# Where several entities have the name, those that have it as their own come before those that have
# it as an alias: only the first group counts, as in `Graph.neighbours`.
_OF_NAME = """
SELECT n.entity_id AS id, n.name, n.type, n.mentions, k.rank FROM keys k
JOIN nodes n ON n.number = k.entity WHERE k.key = ? AND k.rank <= 1
ORDER BY k.rank, n.mentions DESC, n.number
"""
_BEST_FACTS = """
SELECT id, relation_id FROM (
    SELECT n.entity_id AS id, e.relation_id, row_number() OVER (
        PARTITION BY e.entity ORDER BY e.confidence DESC, e.relation_id
    ) AS place
    FROM edges e JOIN nodes n ON n.number = e.entity
    JOIN (SELECT unnest(?::VARCHAR[]) AS entity_id) wanted ON wanted.entity_id = n.entity_id
) WHERE place = 1
"""


class Answer(BaseModel):
    """A part of an answer. Its fields are the schema that the assistant is told."""

    model_config = ConfigDict(frozen=True)


class Named(Answer):
    """An entity or a value by its id and name."""

    id: str
    name: str
    type: str
    kind: str


class Evidence(Answer):
    """A place in the corpus that states a fact; `begin` counts characters of the document."""

    id: str
    sentence: str
    document_id: str
    document_title: str | None
    document_link: str | None
    begin: int
    subject_text: str
    object_text: str
    score: float
    rules: list[str]


class Fact(Answer):
    """A fact with its best evidence; a fact that a person added may have none."""

    id: str
    subject: Named
    predicate: str
    object: Named
    confidence: float
    evidence_count: int
    document_count: int
    evidence: list[Evidence]


class FoundEntity(Named):
    """An entity that a search found, with the most confident of its facts."""

    mentions: int
    documents: int
    facts: int
    best_fact: Fact | None


class FoundEntities(Answer):
    """The answer of `search_entities`; `corrected` holds the words of names that were meant."""

    entities: list[FoundEntity]
    corrected: list[str]


class Facts(Answer):
    """The answer of `facts`; the totals count what the filter lets through."""

    entity: Named
    total_out: int
    total_in: int
    facts: list[Fact]


class Neighbours(Answer):
    """The answer of `neighbours`: entities around one, and the facts among all of them."""

    entity: Named
    neighbours: list[Named]
    facts: list[Fact]
    neighbours_left_out: int
    facts_left_out: int


def search_entities(store: Store, name: str, *, type_: str | None, limit: int) -> FoundEntities:
    """Entities and values by a name or a part of one, the best match first."""
    found = search(store, name, limit=limit, type_=type_)
    ids = [row["id"] for row in found.rows]
    best = {row["id"]: row["relation_id"] for row in store.rows(_BEST_FACTS, [ids])}
    facts = {fact.id: fact for fact in _facts(store, list(dict.fromkeys(best.values())))}
    entities = [
        FoundEntity(**row, best_fact=facts[best[row["id"]]] if row["id"] in best else None)
        for row in found.rows
    ]
    return FoundEntities(entities=entities, corrected=found.corrected)


def facts(
    store: Store,
    entity: str,
    *,
    relation: str | None = None,
    direction: Direction = "both",
    min_confidence: float = 0.0,
    limit: int = 20,
    offset: int = 0,
) -> Facts:
    """The facts of one entity, outgoing ones first and each direction by confidence.

    Args:
        store: the graph.
        entity: as in `entity_row`.
        relation: facts of this relation alone.
        direction: `out` where the entity is the subject, `in` where it is the object.
        min_confidence: facts of this confidence or more.
        limit: facts of each direction at most.
        offset: facts of each direction that are left out before.

    Raises:
        ConfigurationError: if the entity or the relation is unknown, or the name ambiguous.
    """
    row = entity_row(store, entity)
    filter_ = FactFilter(
        relations=() if relation is None else (relation,), min_confidence=min_confidence
    )
    pages = {
        way: facts_of_entity(
            store,
            row["number"],
            outgoing=way == "out",
            filter_=filter_,
            offset=offset,
            limit=limit if direction in ("both", way) else 0,
        )
        for way in ("out", "in")
    }
    if relation is not None and not any(page["total"] for page in pages.values()):
        _check_relation(store, relation)
    # A fact between the entity and itself has both directions.
    ids = dict.fromkeys(fact["id"] for page in pages.values() for fact in page["rows"])
    return Facts(
        entity=_named(row | {"id": row["entity_id"]}),
        total_out=pages["out"]["total"],
        total_in=pages["in"]["total"],
        facts=_facts(store, list(ids)),
    )


def evidence(store: Store, fact_id: str, *, limit: int) -> Fact:
    """A fact with its pieces of evidence, the best first.

    Raises:
        ConfigurationError: if no fact has the id.
    """
    try:
        return _fact(fact_with_evidence(store, fact_id, limit=limit))
    except NotInGraphError:
        raise ConfigurationError(
            f"no fact has the id {fact_id!r}; ids of facts come from `facts` and `neighbours`"
        ) from None


def neighbours(store: Store, entity: str, *, min_confidence: float, limit: int) -> Neighbours:
    """An entity, its most confident neighbours, and the facts among all of these.

    Raises:
        ConfigurationError: if the entity is unknown, or the name ambiguous.
    """
    row = entity_row(store, entity)
    around = neighbourhood(
        store,
        row["entity_id"],
        filter_=FactFilter(min_confidence=min_confidence),
        limit=limit,
    )
    center = around["center"]
    edges = sorted(
        around["edges"],
        # Those of the entity itself come first; `sorted` keeps the order by confidence.
        key=lambda edge: center not in (edge["source"], edge["target"]),
    )
    kept = edges[: _FACTS_OF_NEIGHBOUR * limit]
    nodes = {node_["id"]: _named(node_) for node_ in around["nodes"]}
    ends = [end for edge in edges for end in (edge["source"], edge["target"])]
    order = dict.fromkeys(id_ for id_ in (*ends, *nodes) if id_ != center)
    return Neighbours(
        entity=nodes[center],
        neighbours=[nodes[id_] for id_ in order],
        facts=_facts(store, [edge["id"] for edge in kept]),
        neighbours_left_out=around["hidden"],
        facts_left_out=len(edges) - len(kept),
    )


def entity_row(store: Store, entity: str) -> dict[str, Any]:
    """The row of the index of one entity.

    Args:
        store: the graph.
        entity: an id, one that an earlier build gave, or a name, an alias or a value without
            regard to case and accents. It must mean exactly one.

    Raises:
        ConfigurationError: if it means none (lists close names) or several (lists their ids).
    """
    try:
        return node(store, entity)
    except NotInGraphError:
        pass
    form = search_form(entity)[:KEY_CHARACTERS]
    rows = store.rows(_OF_NAME, [form]) if form else []
    best = [row for row in rows if row["rank"] == rows[0]["rank"]]
    # Among names that differ in case or accents alone, the one that is written so is meant.
    best = [row for row in best if row["name"] == entity] or best
    if not best:
        close = [repr(row["name"]) for row in search(store, entity, limit=_SHOWN_CLOSE).rows]
        ending = f"; close names: {', '.join(close)}" if form and close else ""
        raise ConfigurationError(f"no entity has the name or id {entity!r}{ending}")
    if len(best) > 1:
        shown = [
            f"{row['id']} ({row['name']}, {row['type']}, {row['mentions']} mentions)"
            for row in best[:_SHOWN_NAMESAKES]
        ]
        more = f" and {len(best) - len(shown)} more" if len(best) > len(shown) else ""
        raise ConfigurationError(
            f"{len(best)} entities have the name {entity!r}: {', '.join(shown)}{more}; give an id"
        )
    return node(store, best[0]["id"])


def _check_relation(store: Store, relation: str) -> None:
    names = [known.name for known in store.run.label_schema.relations]
    if relation not in names:
        raise ConfigurationError(
            f"no relation is called {relation!r}; relations are {', '.join(names)}"
        )


def _facts(store: Store, ids: Sequence[str]) -> list[Fact]:
    return [_fact(row) for row in facts_by_id(store, ids)]


def _fact(row: Mapping[str, Any]) -> Fact:
    return Fact(
        id=row["id"],
        subject=_named(row["subject"]),
        predicate=row["predicate"]["name"],
        object=_named(row["object"]),
        confidence=_rounded(row["confidence"]),
        evidence_count=row["evidence_count"],
        document_count=row["document_count"],
        evidence=[_evidence(piece) for piece in row["evidence"]],
    )


def _evidence(piece: Mapping[str, Any]) -> Evidence:
    document = piece["document"]
    return Evidence(
        id=piece["id"],
        sentence="".join(part["text"] for part in piece["pieces"]),
        document_id=document["id"],
        document_title=document["title"],
        document_link=document["link"],
        begin=piece["begin"],
        subject_text=piece["subject_text"],
        object_text=piece["object_text"],
        score=_rounded(piece["score"]),
        rules=list(piece["flags"]),
    )


def _named(row: Mapping[str, Any]) -> Named:
    return Named(id=row["id"], name=row["name"], type=row["type"], kind=row["kind"])


def _rounded(score: float) -> float:
    """A float of 32 bits without the digits that 64 bits add to it."""
    return round(score, 6)
