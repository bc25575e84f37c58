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

#: What scores of vectors and, for documents, of the graph weigh beside those of words; chosen with
#: the questions of `benchmarks/search.py` in view. The graph leads to the right document, in which
#: the sentence that names most entities is seldom the answer: among sentences it weighs less.
VECTOR_WEIGHT, DOCUMENT_GRAPH_WEIGHT, SENTENCE_GRAPH_WEIGHT = 2.0, 4.0, 1.0
#: The best documents by words and vectors that the spread over the graph begins at too.
_SEED_DOCUMENTS = 20
#: The power of their scores that they begin with: by words alone, and with vectors, whose best
#: documents are right so often that they get most of the weight.
_SHARPNESS, _SHARPNESS_WITH_VECTORS = 1, 4
#: A name has no more words.
_LONGEST_NAME = 8


class Ranking(NamedTuple):
    """The scores of sentences or documents; 0 where nothing leads there.

    Attributes:
        words: by BM25.
        graph: by PageRank.
        graph_weight: what the graph weighs beside words.
        vectors: by likeness to the question; None without vectors.
    """

    words: np.ndarray
    graph: np.ndarray
    graph_weight: float
    vectors: np.ndarray | None = None

    def fused(self) -> np.ndarray:
        """The sum of all scores, each as a share of the best one of its kind.

        Unlike reciprocal ranks, such a sum knows by how much a score is the best (Bruch, Gai and
        Ingber, 2023).
        """
        return self.direct() + self.graph_weight * _shares(self.graph)

    def direct(self) -> np.ndarray:
        """As `fused`, without the graph."""
        found = _shares(self.words)
        return found if self.vectors is None else found + VECTOR_WEIGHT * _shares(self.vectors)


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


def rank(index: SearchIndex, question: str, likeness: np.ndarray | None = None) -> Ranks:
    """Ranks all sentences and documents by a question.

    Args:
        index: of the graph.
        question: in words.
        likeness: of each sentence and the question, at least 0, where there are vectors.
    """
    spelt = name_words(question)
    words = [place for place in _word_places(index, spelt) if place >= 0]
    of_texts = bm25(index.postings, words, numbers(index.sentences, "words"))
    # Titles are texts of their documents too.
    titles = np.arange(len(index.documents))
    of_sentences = numbers(index.sentences, "document")
    group = np.concatenate([of_sentences, titles])
    of_documents = bm25(index.postings, words, numbers(index.documents, "words"), group)
    entities = named_entities(index, spelt)
    like = None if likeness is None else _of_documents(likeness, of_sentences, len(titles))
    direct = Ranking(of_documents, np.zeros(len(titles)), 0, like).direct()
    sharpness = _SHARPNESS if like is None else _SHARPNESS_WITH_VECTORS
    nodes = pagerank(index.edges, _seeds(index, entities, direct, sharpness))
    return Ranks(
        [entity for group in entities for entity in group],
        nodes,
        Ranking(
            of_texts,
            nodes[index.first_sentence : index.first_document],
            SENTENCE_GRAPH_WEIGHT,
            likeness,
        ),
        Ranking(of_documents, nodes[index.first_document :], DOCUMENT_GRAPH_WEIGHT, like),
    )


def _of_documents(likeness: np.ndarray, documents: np.ndarray, count: int) -> np.ndarray:
    """The likeness of each document: of its best sentence, and of all of them in the mean."""
    best_one = np.zeros(count)
    np.maximum.at(best_one, documents, likeness)
    sizes = np.maximum(np.bincount(documents, minlength=count), 1)
    return best_one + np.bincount(documents, weights=likeness, minlength=count) / sizes


def _shares(scores: np.ndarray) -> np.ndarray:
    """Scores as shares of the best one; all 0 where that is 0."""
    most = scores.max(initial=0.0)
    return scores / most if most > 0 else np.zeros(len(scores))


def best(scores: np.ndarray, limit: int) -> np.ndarray:
    """The places of the best scores above 0, the best first; equal ones in their order."""
    order = np.argsort(-scores, kind="stable")[:limit]
    return order[scores[order] > 0]


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


def _seeds(
    index: SearchIndex, named: Sequence[Sequence[int]], scores: np.ndarray, sharpness: int
) -> np.ndarray:
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
        weights = (scores[places] / scores[places[0]]) ** sharpness
        seeds[index.first_document + places] += weights / weights.sum()
    return seeds
