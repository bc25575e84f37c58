"""All that is known of one entity: its names, and its facts with their best sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.entity_names import SHOWN_NAMES, close_names, places_of_name
from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.graph import Graph
from pfn_kg.pipeline.inspect.entity_origins import entity_origins
from pfn_kg.pipeline.pages import page_of
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.tables.parts import read_part

_NAMES = ("entity_id", "kind", "name", "type", "value", "aliases", "mentions")
_SENTENCE = (
    "triple_id",
    "document_id",
    "evidence_begin",
    "evidence_end",
    "evidence_text",
    "subject_begin",
    "subject_end",
    "object_begin",
    "object_end",
    "score",
    "flags",
)


@dataclass(frozen=True)
class Sentence:
    """The best evidence of a fact; offsets are code points of the document's text.

    Attributes:
        text: whole sentences.
        begin: where it begins in the document.
        end: where it ends.
        subject: begin and end of the subject in `text`.
        object: begin and end of the object in `text`.
        document_id: of the document.
        title: of the document.
        page: number of its page, if the corpus says where pages begin.
        score: of the triple.
        flags: names of the rules that spoke of it.
    """

    text: str
    begin: int
    end: int
    subject: tuple[int, int]
    object: tuple[int, int]
    document_id: str
    title: str | None
    page: int | None
    score: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A fact of the entity.

    Attributes:
        direction: `out` where the entity is the subject, `in` where it is the object.
        predicate: the relation.
        entity_id: of the other end.
        name: of the other end.
        kind: of the other end, `entity` or `value`.
        type: of the other end.
        confidence: of the fact.
        evidence_count: its pieces of evidence.
        document_count: the documents that these are in.
        relation_id: of the fact.
        sentence: its best evidence.
    """

    direction: str
    predicate: str
    entity_id: str
    name: str
    kind: str
    type: str
    confidence: float
    evidence_count: int
    document_count: int
    relation_id: str
    sentence: Sentence | None


@dataclass(frozen=True)
class EntityPage:
    """An entity or a value with its facts.

    Attributes:
        entity: its row of `entities`.
        facts: those shown, outgoing ones first, each direction by confidence.
        fact_count: how many there are in all.
        namesakes: rows of others that have the name; the page shows the one with most mentions.
        origins: lines that say why the names of the entity are of one thing.
    """

    entity: Mapping[str, Any]
    facts: tuple[Fact, ...]
    fact_count: int
    namesakes: tuple[Mapping[str, Any], ...]
    origins: tuple[str, ...] = ()


def entity_page(run: FinishedRun, name: str, limit: int) -> EntityPage:
    """The page of the entity that a name means.

    Args:
        run: the graph.
        name: a name, alias or canonical value as `Graph.find` compares them, an id, or an id of
            an earlier build.
        limit: facts at most; the most confident ones.

    Raises:
        ConfigurationError: if nothing has the name; lists close names.
    """
    graph = Graph(run)
    ids = _ids(run, graph, name)
    [entity] = graph.table("entities").filter(pc.field("entity_id") == ids[0]).to_pylist()
    others = _rows(run, "entities", "entity_id", ids[1 : SHOWN_NAMES + 1], _NAMES)
    by_id = {row["entity_id"]: row for row in others.to_pylist()}
    facts = graph.neighbours(ids[0])
    order = [("confidence", "descending"), ("direction", "descending"), ("predicate", "ascending")]
    order += [("name", "ascending"), ("relation_id", "ascending")]
    best = facts.sort_by(order).slice(0, limit)
    # As `neighbours` sorts them: "out" before "in".
    best = best.sort_by([("direction", "descending"), *order])
    sentences = _sentences(run, best["relation_id"])
    found = tuple(
        Fact(
            **row | {"confidence": _rounded(row["confidence"])},
            sentence=sentences.get(row["relation_id"]),
        )
        for row in best.to_pylist()
    )
    namesakes = tuple(by_id[id_] for id_ in ids[1 : SHOWN_NAMES + 1])
    return EntityPage(entity, found, len(facts), namesakes, entity_origins(run, ids[0]))


def _ids(run: FinishedRun, graph: Graph, name: str) -> list[str]:
    """The ids that a name means, the best one first."""
    names = graph.table("entities", _NAMES).combine_chunks()
    if pc.index(names["entity_id"], name).as_py() >= 0:
        return [name]
    group = next((group for group in places_of_name(names, name) if group), None)
    if group is not None:
        return names["entity_id"].take(pa.array(group, pa.int64())).to_pylist()
    heirs = _rows(run, "redirects", "old_id", [name], ("entity_id",))
    if len(heirs):
        return heirs["entity_id"].to_pylist()
    raise ConfigurationError(
        f"{run.directory}: no entity has the name or id {name!r}" + close_names(names, name)
    )


def _rows(
    run: FinishedRun, table: str, key: str, keys: Sequence[str], columns: Sequence[str]
) -> pa.Table:
    """The rows of a table with some keys."""
    where = pc.field(key).isin(pa.array(keys, pa.string()))
    return pa.concat_tables([read_part(part, columns, where) for part in run.parts([table])])


def _sentences(run: FinishedRun, relation_ids: pa.ChunkedArray) -> dict[str, Sentence]:
    """The best evidence of facts."""
    columns = ("relation_id", "evidence")
    facts = _rows(run, "relations", "relation_id", relation_ids.to_pylist(), columns).to_pylist()
    best = {row["evidence"][0]: row["relation_id"] for row in facts if row["evidence"]}
    triples = _rows(run, "triples", "triple_id", list(best), _SENTENCE).to_pylist()
    documents = sorted({row["document_id"] for row in triples})
    described = ("document_id", "title", "metadata")
    about = {
        row["document_id"]: row
        for row in _rows(run, "documents", "document_id", documents, described).to_pylist()
    }
    return {best[row["triple_id"]]: _sentence(row, about) for row in triples}


def _sentence(row: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> Sentence:
    document = documents.get(row["document_id"], {})
    begin = row["evidence_begin"]

    def place(of: str) -> tuple[int, int]:
        return row[f"{of}_begin"] - begin, row[f"{of}_end"] - begin

    return Sentence(
        text=row["evidence_text"],
        begin=begin,
        end=row["evidence_end"],
        subject=place("subject"),
        object=place("object"),
        document_id=row["document_id"],
        title=document.get("title"),
        page=page_of(document.get("metadata"), min(row["subject_begin"], row["object_begin"])),
        score=_rounded(row["score"]),
        flags=tuple(row["flags"] or ()),
    )


def _rounded(score: float) -> float:
    """A float of 32 bits without the digits that 64 bits add to it."""
    return round(score, 6)
