"""Personalised PageRank: how near each node of a graph is to some nodes of it."""

from __future__ import annotations

import numpy as np

from pfn_kg.pipeline.search.sparse import Rows

#: The share that goes on to neighbours in each step; the rest returns to the seeds. A half keeps
#: to paths of a few edges, as the questions of people do.
DAMPING = 0.5
#: After so many steps less than a millionth is still on its way.
STEPS = 20


def pagerank(edges: Rows, seeds: np.ndarray) -> np.ndarray:
    """The rank of each node.

    Args:
        edges: a row for each node, with its neighbours and the weights of its edges.
        seeds: the weight of each node as a seed.

    Returns:
        A rank for each node. They add up to 1, less what is lost at nodes without edges; all are 0
        if there is no seed.
    """
    total = seeds.sum()
    if not total:
        return np.zeros(len(seeds))
    start = seeds / total
    counts = np.diff(edges.begins)
    of_edge = np.repeat(np.arange(len(seeds)), counts)
    strength = np.bincount(of_edge, weights=edges.values, minlength=len(seeds))
    # The edges have both directions, so those that leave a node are those that reach it.
    share = edges.values / strength[edges.columns]
    ranks = start
    for _ in range(STEPS):
        reached = np.bincount(of_edge, weights=share * ranks[edges.columns], minlength=len(seeds))
        ranks = (1 - DAMPING) * start + DAMPING * reached
    return ranks
