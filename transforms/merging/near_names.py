"""Names that are spelt nearly alike: which are compared, and what makes two of them one.

Names meet in blocks, all of one type: those that share a word, and those whose words
begin alike. Of two names that meet, those are alike that have as many words, the same
numbers in them, words that are alike one by one, and as a whole at least the similarity
that was asked for (Indel similarity, as `rapidfuzz.fuzz.ratio`). A whole word that
differs, such as north and south, is no misspelling, however long the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import ID_TYPE

#: Blocks of more names are left out: such names meet in the blocks of their rarer words.
BLOCK_NAMES = 500

#: How alike words at the same place must be.
WORD_SIMILARITY = 0.7

#: Bytes of the key of a block: odds of a collision only make names meet in vain.
BLOCK_BYTES = 8

#: A name in a block. `entity_id` is the entity that the name is of once aliases are
#: applied; `count` and `name` are the most frequent spelling, by which an heir is chosen.
BLOCK_SCHEMA = pa.schema(
    {
        "block": pa.binary(BLOCK_BYTES),
        "entity_id": ID_TYPE,
        "key": pa.string(),
        "name": pa.string(),
        "count": pa.int64(),
        "is_fixed": pa.bool_(),  # what it is called stands in the alias table
    }
)

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

_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d")
# Louis XIV and Louis XV are two; that Mix is a number too costs nothing.
_ROMAN = re.compile(r"m{0,3}(cm|cd|d?c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")


def words_of(key: str) -> list[str]:
    """The words of a name in canonical form."""
    return _WORD.findall(key)


def numbers_of(words: Sequence[str]) -> tuple[str, ...]:
    """The words that are or hold numbers, Roman ones among them."""
    return tuple(w for w in words if _DIGITS.search(w) or _ROMAN.fullmatch(w))


def blocks_of(type_name: str, words: Sequence[str]) -> Iterator[bytes]:
    """The keys of the blocks in which a name is compared, each once."""
    beginnings = " ".join(word[:2] for word in words)
    # A tag apart from all words, since one may be of two letters.
    for part in (*sorted(set(words)), f" {beginnings}"):
        yield blake2b(f"{type_name}\n{part}".encode(), digest_size=BLOCK_BYTES).digest()


def are_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the words of two names may be spellings of each other."""
    from rapidfuzz.distance import Indel

    if len(one) != len(other) or numbers_of(one) != numbers_of(other):
        return False
    return all(
        a == b or Indel.normalized_similarity(a, b) >= WORD_SIMILARITY
        for a, b in zip(one, other, strict=True)
    )


def similar_names(keys: Sequence[str], similarity: float) -> Iterator[tuple[int, int, float]]:
    """The pairs of names that are alike: the position of each, and their similarity.

    Args:
        keys: names in canonical form.
        similarity: from here on.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    similarities = process.cdist(
        keys,
        keys,
        scorer=Indel.normalized_similarity,
        score_cutoff=similarity,
        dtype=np.float32,
    )
    ones, others = np.nonzero(np.triu(similarities, 1))
    words: dict[int, list[str]] = {}
    for i, j in zip(ones.tolist(), others.tolist(), strict=True):
        for position in (i, j):
            if position not in words:
                words[position] = words_of(keys[position])
        if are_alike(words[i], words[j]):
            yield i, j, float(similarities[i, j])


def edges_of(blocks: pa.Table, similarity: float) -> tuple[pa.Table, int]:
    """Compares the names of each block.

    Args:
        blocks: as in BLOCK_SCHEMA, the whole of each block, or the first BLOCK_NAMES + 1
            of its names if there are more.
        similarity: from here on.

    Returns:
        Pairs of entities as in EDGE_SCHEMA, each once, and how many blocks were too large.
    """
    blocks = blocks.sort_by([(name, "ascending") for name in ("block", "entity_id", "key")])
    keys = blocks["key"].to_pylist()
    ids = blocks["entity_id"].to_pylist()
    _, begins, sizes = np.unique(
        np.array(blocks["block"].to_pylist(), dtype=f"V{BLOCK_BYTES}").view(np.uint64),
        return_index=True,
        return_counts=True,
    )
    capped = int((sizes > BLOCK_NAMES).sum())
    best: dict[tuple[int, int], float] = {}
    place: dict[bytes, int] = {}
    for row, id_ in enumerate(ids):
        place.setdefault(id_, row)
    for begin, size in zip(begins.tolist(), sizes.tolist(), strict=True):
        if not 1 < size <= BLOCK_NAMES:
            continue
        for i, j, alike in similar_names(keys[begin : begin + size], similarity):
            one, other = sorted((ids[begin + i], ids[begin + j]))
            if one != other:
                pair = (place[one], place[other])
                best[pair] = max(alike, best.get(pair, 0.0))
    pairs = sorted(best)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for position, end in enumerate("ab"):
        rows = pa.array([pair[position] for pair in pairs], pa.int64())
        columns[end] = blocks["entity_id"].take(rows)
        for name in ("name", "count", "is_fixed"):
            columns[f"{end}_{name}"] = blocks[name].take(rows)
    columns["similarity"] = pa.array([best[pair] for pair in pairs], pa.float32())
    return pa.table({name: columns[name] for name in EDGE_SCHEMA.names}, EDGE_SCHEMA), capped
