"""Asking an index: the best sentences and documents, with the facts that led there."""

from __future__ import annotations

from typing import Any

import numpy as np

from pfn_kg.pipeline.search.answers import (
    Found,
    FoundDocument,
    FoundEntity,
    FoundFact,
    FoundSentence,
)
from pfn_kg.pipeline.search.index import SearchIndex
from pfn_kg.pipeline.search.rank import Ranks, best, rank

#: Facts that are given with a sentence.
_MOST_FACTS = 3


def ask(index: SearchIndex, question: str, limit: int, likeness: np.ndarray | None = None) -> Found:
    """Answers a question.

    Args:
        index: of the graph.
        question: a question or words, in the language of the corpus.
        limit: of sentences, and of documents.
        likeness: of each sentence and the question, where vectors tell.
    """
    ranks = rank(index, question, likeness)
    sentences, documents = ranks.sentences.fused(), ranks.documents.fused()
    return Found(
        question=question,
        entities=tuple(FoundEntity(**_row(index.entities, place)) for place in ranks.entities),
        sentences=tuple(
            _sentence(index, ranks, int(place), float(sentences[place]))
            for place in best(sentences, limit)
        ),
        documents=tuple(
            _document(index, int(place), float(documents[place]))
            for place in best(documents, limit)
        ),
        complete=index.complete,
    )


def _row(table: Any, place: int) -> dict[str, Any]:
    return table.slice(place, 1).to_pylist()[0]


def _document(index: SearchIndex, place: int, score: float) -> FoundDocument:
    row = _row(index.documents, place)
    return FoundDocument(document_id=row["document_id"], title=row["title"], score=score)


def _sentence(index: SearchIndex, ranks: Ranks, place: int, score: float) -> FoundSentence:
    row = _row(index.sentences, place)
    document = _row(index.documents, row["document"])
    return FoundSentence(
        text=row["text"],
        document_id=document["document_id"],
        title=document["title"],
        sentence_index=row["sentence_index"],
        begin=row["begin"],
        end=row["end"],
        score=score,
        facts=_facts(index, ranks, place),
    )


def _facts(index: SearchIndex, ranks: Ranks, place: int) -> tuple[FoundFact, ...]:
    """The strongest facts: those that a sentence states, then those of its entities."""
    near, _ = index.edges.row(index.first_sentence + place)
    stated = near[(near >= index.first_fact) & (near < index.first_sentence)]
    found = _strongest(stated, ranks.nodes)
    if len(found) < _MOST_FACTS:
        named = near[near < index.first_fact]
        ends = [index.edges.row(entity)[0] for entity in named]
        around = np.unique(np.concatenate([np.zeros(0, np.int32), *ends]))
        around = around[(around >= index.first_fact) & (around < index.first_sentence)]
        found += _strongest(np.setdiff1d(around, stated), ranks.nodes)
    said = set(stated.tolist())
    return tuple(_fact(index, node, stated=node in said) for node in found[:_MOST_FACTS])


def _strongest(nodes: np.ndarray, ranks: np.ndarray) -> list[int]:
    order = np.lexsort((nodes, -ranks[nodes]))[:_MOST_FACTS]
    return [int(node) for node in nodes[order] if ranks[node] > 0]


def _fact(index: SearchIndex, node: int, *, stated: bool) -> FoundFact:
    row = _row(index.facts, node - index.first_fact)
    subject, object_ = (_row(index.entities, row[end]) for end in ("subject", "object"))
    return FoundFact(
        relation_id=row["relation_id"],
        subject=subject["name"],
        predicate=row["predicate"],
        object=object_["name"],
        subject_id=subject["entity_id"],
        object_id=object_["entity_id"],
        confidence=row["confidence"],
        stated=stated,
    )
