"""Ranking: words, the graph, and both together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.search.bm25 import bm25
from pfn_kg.pipeline.search.build import name_words
from pfn_kg.pipeline.search.index import SearchIndex, numbers
from pfn_kg.pipeline.search.pagerank import pagerank

#: The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009).
_FUSION = 60
#: The best documents by words that the spread over the graph begins at too.
_SEED_DOCUMENTS = 20
#: A name has no more words.
_LONGEST_NAME = 8


class Ranking(NamedTuple):
    """The scores of sentences or documents; 0 where nothing leads there.

    Attributes:
        words: by BM25.
        graph: by PageRank.
    """

    words: np.ndarray
    graph: np.ndarray

    def fused(self) -> np.ndarray:
        """The sum of the reciprocal ranks."""
        return reciprocal_ranks(self.words) + reciprocal_ranks(self.graph)


class Ranks(NamedTuple):
    """What a question leads to.

    Attributes:
        entities: numbers of those that it names.
        nodes: the rank of each node of the graph.
        sentences: their scores.
        documents: their scores.
    """

    entities: list[int]
    nodes: np.ndarray
    sentences: Ranking
    documents: Ranking


def rank(index: SearchIndex, question: str) -> Ranks:
    """Ranks all sentences and documents by a question."""
    spelt = name_words(question)
    words = [place for place in _word_places(index, spelt) if place >= 0]
    of_texts = bm25(index.postings, words, numbers(index.sentences, "words"))
    # Titles are texts of their documents too.
    titles = np.arange(len(index.documents))
    group = np.concatenate([numbers(index.sentences, "document"), titles])
    of_documents = bm25(index.postings, words, numbers(index.documents, "words"), group)
    entities = named_entities(index, spelt)
    nodes = pagerank(index.edges, _seeds(index, entities, of_documents))
    return Ranks(
        [entity for group in entities for entity in group],
        nodes,
        Ranking(of_texts, nodes[index.first_sentence : index.first_document]),
        Ranking(of_documents, nodes[index.first_document :]),
    )


def best(scores: np.ndarray, limit: int) -> np.ndarray:
    """The places of the best scores above 0, the best first; equal ones in their order."""
    order = np.argsort(-scores, kind="stable")[:limit]
    return order[scores[order] > 0]


def reciprocal_ranks(scores: np.ndarray) -> np.ndarray:
    """1 / (60 + rank) for each score above 0; 0 for the others."""
    order = best(scores, len(scores))
    found = np.zeros(len(scores))
    found[order] = 1 / (_FUSION + 1 + np.arange(len(order)))
    return found


def named_entities(index: SearchIndex, words: Sequence[str]) -> list[list[int]]:
    """The entities that a question names, the longest names first.

    A word that belongs to a name is not looked at again.

    Args:
        index: of the graph.
        words: of the question.

    Returns:
        A group of entities for each name, with all entities that have it.
    """
    parts = {(begin, end): " ".join(words[begin:end]) for begin, end in _parts(len(words))}
    among = pa.array(sorted(set(parts.values())), pa.string())
    places = pc.index_in(index.names["name"], among)
    held = index.names.append_column("part", places).filter(pc.is_valid(places))
    entities: dict[str, list[int]] = {}
    for name, entity in zip(held["name"].to_pylist(), held["entity"].to_pylist(), strict=True):
        entities.setdefault(name, []).append(entity)
    found: list[list[int]] = []
    used: set[int] = set()
    seen: set[str] = set()
    for (begin, end), part in parts.items():
        place = set(range(begin, end))
        if part in entities and not place & used:
            used |= place
            if part not in seen:
                seen.add(part)
                found.append(entities[part])
    return found


def _parts(words: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of words, the longest first."""
    for length in range(min(words, _LONGEST_NAME), 0, -1):
        for begin in range(words - length + 1):
            yield begin, begin + length


def _word_places(index: SearchIndex, words: Sequence[str]) -> list[int]:
    found = pc.index_in(pa.array(words, pa.string()), index.words["word"].combine_chunks())
    return [-1 if place is None else place for place in found.to_pylist()]


def _seeds(index: SearchIndex, named: Sequence[Sequence[int]], scores: np.ndarray) -> np.ndarray:
    """Half of the weight for the entities that the question names, half for the best documents."""
    seeds = np.zeros(index.nodes)
    degrees = np.diff(index.edges.begins)
    for group in named:
        for entity in group:
            # A name that is everywhere says little about what is asked.
            seeds[entity] += 1 / (len(group) * np.sqrt(max(degrees[entity], 1)))
    if (total := seeds.sum()) > 0:
        seeds /= total
    places = best(scores, _SEED_DOCUMENTS)
    if len(places):
        seeds[index.first_document + places] += scores[places] / scores[places].sum()
    return seeds
