"""The blocks in which names that are spelt nearly alike meet.

Names meet in blocks, all of one type: those that share a word, and those whose words begin alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import ID_TYPE

#: Blocks of more names are left out: such names meet in the blocks of their rarer words.
BLOCK_NAMES = 500

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

_WORD_OR_END = re.compile(r"\w+|\n")
# Letters of each word of a beginning.
_BEGINNING = 2


def block_numbers(rows: pa.Table) -> np.ndarray:
    """The block of each row of BLOCK_SCHEMA as an unsigned integer, in the order of the keys."""
    column = rows["block"].combine_chunks()
    if not len(column):
        return np.zeros(0, dtype=np.uint64)
    numbers = np.frombuffer(column.buffers()[1], dtype=">u8")
    return numbers[column.offset : column.offset + len(column)].astype(np.uint64)


def blocks_of(
    types: Sequence[str], keys: Sequence[str], *, least_words: int = 1
) -> tuple[np.ndarray, pa.Array]:
    """The blocks in which names are compared, each once for each name.

    Args:
        types: of the entity of each name.
        keys: names in canonical form.
        least_words: names of fewer words are in no block; nor are those without a word.

    Returns:
        The place of a name in `keys`, and the key of a block of it; of one length.
    """
    owners, words = _words(keys)
    sizes = np.bincount(owners, minlength=len(keys))
    beginnings = _beginnings(words, sizes).dictionary_encode()
    parts = [*words.dictionary.to_pylist(), *beginnings.dictionary.to_pylist()]
    codes = np.concatenate(
        [words.indices.to_numpy(), beginnings.indices.to_numpy() + len(words.dictionary)]
    )
    owners = np.concatenate([owners, np.arange(len(keys))])
    is_wanted = (sizes >= max(1, least_words))[owners]
    # A word that is twice in a name makes one block.
    rows = np.sort(owners[is_wanted] * len(parts) + codes[is_wanted])
    rows = rows[np.diff(rows, prepend=-1) > 0]
    owners, codes = np.divmod(rows, max(1, len(parts)))
    of_type = pa.array(types, pa.string()).dictionary_encode()
    # A type and a word are one number, as a block is.
    codes += of_type.indices.to_numpy().astype(np.int64)[owners] * len(parts)
    distinct, places = np.unique(codes, return_inverse=True)
    begins = [
        blake2b(f"{name}\n".encode(), digest_size=BLOCK_BYTES)
        for name in of_type.dictionary.to_pylist()
    ]
    digests = []
    for type_code, part in zip(
        *(n.tolist() for n in np.divmod(distinct, max(1, len(parts)))), strict=True
    ):
        digest = begins[type_code].copy()
        digest.update(parts[part].encode())
        digests.append(digest.digest())
    return owners, pa.array(digests, pa.binary(BLOCK_BYTES)).take(pa.array(places))


def _words(keys: Sequence[str]) -> tuple[np.ndarray, pa.DictionaryArray]:
    """The words of all names: the name of each, and the word."""
    lines = "\n".join([*keys, ""])
    if lines.count("\n") > len(keys):
        # No canonical name has lines, which would be names here.
        lines = "\n".join([*(key.replace("\n", " ") for key in keys), ""])
    words = pa.array(_WORD_OR_END.findall(lines), pa.string()).dictionary_encode()
    is_end = pc.equal(words.dictionary, "\n").to_numpy(zero_copy_only=False)[words.indices]
    return np.cumsum(is_end)[~is_end], words.filter(pa.array(~is_end))


def _beginnings(words: pa.DictionaryArray, sizes: np.ndarray) -> pa.Array:
    """How the words of each name begin, with a tag apart from all words, which may be as short."""
    begin = pc.utf8_slice_codeunits(words.dictionary, 0, _BEGINNING).take(words.indices)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), begin), " ")
    return pc.binary_join_element_wise(" ", joined, "")
