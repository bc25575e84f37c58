"""The pairs of entities with names that are spelt nearly alike, from blocks of names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.merging.near_name_blocks import BLOCK_NAMES, BLOCK_SCHEMA, block_numbers
from pfn_kg.transforms.merging.near_names import NearNames
from pfn_kg.transforms.plumbing.ids import from_arrow, group_ids
from pfn_kg.transforms.plumbing.ranks import rank_in_runs
from pfn_kg.transforms.tables.aggregate import one_array

#: Two entities with names that are alike. `a` is the lower id.
EDGE_SCHEMA = pa.schema(
    {
        "a": ID_TYPE,
        "b": ID_TYPE,
        "similarity": pa.float32(),
        **{
            f"{end}_{name}": BLOCK_SCHEMA.field(name).type
            for end in "ab"
            for name in ("name", "count", "is_fixed")
        },
    }
)

# Pairs of names that are looked at together, at some 60 bytes each.
_PAIRS = 1 << 18


def _pairs_in_blocks(
    begins: np.ndarray, sizes: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of rows of each block, some at a time."""
    ends = np.repeat(begins + sizes, sizes)
    rows = np.repeat(begins - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    after = ends - rows - 1
    pairs = np.cumsum(after)
    begin = 0
    while begin < len(rows):
        done = pairs[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(pairs, done + _PAIRS, side="right")))
        some = after[begin:end]
        ones = np.repeat(rows[begin:end], some)
        firsts = np.repeat(pairs[begin:end] - some - done, some)
        yield ones, ones + 1 + np.arange(len(ones)) - firsts
        begin = end


def _candidates(
    names: NearNames, codes: np.ndarray, begins: np.ndarray, sizes: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of rows that are worth a comparison, many at a time."""
    held: list[tuple[np.ndarray, np.ndarray]] = []
    for ones, others in _pairs_in_blocks(begins, sizes):
        may = names.may_be_alike(codes[ones], codes[others])
        held.append((ones[may], others[may]))
        if sum(len(some) for some, _ in held) >= _PAIRS:
            yield _together(held)
            held = []
    if held:
        yield _together(held)


def _together(held: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    ones, others = zip(*held, strict=True)
    return np.concatenate(ones), np.concatenate(others)


def _ranks(ids: pa.Array) -> tuple[np.ndarray, int]:
    """The place of each id among the distinct ones, in their order, and how many these are."""
    encoded = ids.dictionary_encode()
    order, _, _ = group_ids(from_arrow(encoded.dictionary))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks[encoded.indices], len(order)


def _in_order(blocks: np.ndarray, ids: np.ndarray, keys: pa.DictionaryArray) -> np.ndarray:
    """The rows by block, of a block by id, of an id by name."""
    # A sort of single numbers takes a third of the time of `np.lexsort`.
    numbers = blocks * (ids.max(initial=0) + 1) + ids
    order = np.argsort(numbers)
    if not (np.diff(numbers[order]) == 0).any():
        return order
    ranks = np.empty(len(keys.dictionary), dtype=np.int64)
    ranks[pc.array_sort_indices(keys.dictionary)] = np.arange(len(ranks))
    return np.lexsort((ranks[keys.indices], numbers))


def edges_of(blocks: pa.Table, similarity: float) -> tuple[pa.Table, int]:
    """Compares the names of each block.

    Args:
        blocks: as in BLOCK_SCHEMA, the whole of each block, or the first BLOCK_NAMES + 1
            of its names if there are more.
        similarity: from here on.

    Returns:
        Pairs of entities as in EDGE_SCHEMA, each once, and how many blocks were too large.
    """
    blocks = blocks.combine_chunks()
    keys = one_array(blocks["key"]).dictionary_encode()
    ids, entities = _ranks(one_array(blocks["entity_id"]))
    of_blocks, sizes = np.unique(block_numbers(blocks), return_inverse=True, return_counts=True)[1:]
    order = _in_order(of_blocks, ids, keys)
    ids, codes = ids[order], keys.indices.to_numpy()[order].astype(np.int64)
    # The row of an entity's first name tells of it.
    place = np.zeros(entities, dtype=np.int64)
    place[ids[::-1]] = np.arange(len(ids))[::-1]
    names = NearNames(keys.dictionary.to_pylist(), similarity)
    begins = np.cumsum(sizes) - sizes
    is_compared = (sizes > 1) & (sizes <= BLOCK_NAMES)
    found = [(np.zeros((0, 2), np.int64), np.zeros(0, np.float32))]
    for ones, others in _candidates(names, codes, begins[is_compared], sizes[is_compared]):
        similarities = names.compare(codes[ones], codes[others])
        alike = np.flatnonzero(similarities)
        ends = np.stack([ids[ones[alike]], ids[others[alike]]], axis=1)
        found.append((place[np.sort(ends, axis=1)], similarities[alike]))
    ends, similarities = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # Two names of one entity are no pair. Of several names of two, the most similar ones count.
    pairs = np.lexsort((-similarities, ends[:, 1], ends[:, 0]))
    pairs = pairs[ends[pairs, 0] != ends[pairs, 1]]
    pairs = pairs[rank_in_runs(*ends[pairs].T) == 0]
    columns: dict[str, pa.Array] = {"similarity": pa.array(similarities[pairs])}
    for end, rows in zip("ab", ends[pairs].T, strict=True):
        of_end = blocks.take(pa.array(order[rows]))
        columns |= {end: of_end["entity_id"]}
        columns |= {f"{end}_{name}": of_end[name] for name in ("name", "count", "is_fixed")}
    capped = int((sizes > BLOCK_NAMES).sum())
    return pa.table({name: columns[name] for name in EDGE_SCHEMA.names}, EDGE_SCHEMA), capped
