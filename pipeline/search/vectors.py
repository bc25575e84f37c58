"""Vectors of sentences: a table beside the index, of which only changed documents are read anew.

| column | holds |
| --- | --- |
| document_id | the document |
| begin, end | where the sentence stands in it, in code points |
| key | tells what was read: a hash of title and sentence |
| vector | of length 1, in half precision |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pyarrow as pa

from pfn_kg.pipeline.search.index import SearchIndex, numbers

#: Makes vectors of texts, (texts, width).
Embed = Callable[[Sequence[str]], np.ndarray]

#: Rows that are multiplied at once, since they are widened to single precision.
_ROWS = 1 << 15


def vector_table(
    index: SearchIndex, embed: Embed, width: int, known: pa.Table | None = None
) -> pa.Table:
    """The vectors of all sentences of an index, in its order.

    A sentence is read with the title of its document, which often names what the sentence calls
    "it". The sentences of a document are read together and apart from others, so a table that
    was made of an earlier one has the bytes of a new one.

    Args:
        index: of the graph.
        embed: makes vectors.
        width: how many numbers a vector has.
        known: an earlier table of the same encoder; documents that are the same are taken from it.
    """
    earlier = _documents(known) if known is not None else {}
    ids = index.documents["document_id"].to_pylist()
    titles = index.documents["title"].to_pylist()
    texts = index.sentences["text"].to_pylist()
    bounds = np.searchsorted(numbers(index.sentences, "document"), np.arange(len(ids) + 1))
    vectors = np.zeros((len(texts), width), np.float16)
    keys: list[bytes] = []
    for number, (begin, end) in enumerate(pairwise(bounds)):
        title = titles[number]
        passages = [f"{title}. {text}" if title else text for text in texts[begin:end]]
        own = [blake2b(passage.encode(), digest_size=12).digest() for passage in passages]
        keys += own
        old_keys, old_vectors = earlier.get(ids[number], (None, None))
        if not passages:
            continue
        vectors[begin:end] = old_vectors if old_keys == own else embed(passages)
    of = index.sentences["document"].combine_chunks()
    return pa.table(
        {
            "document_id": index.documents["document_id"].combine_chunks().take(of),
            "begin": index.sentences["begin"].combine_chunks(),
            "end": index.sentences["end"].combine_chunks(),
            "key": pa.array(keys, pa.binary(12)),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width),
        }
    )


def vectors_of(table: pa.Table) -> np.ndarray:
    """The vectors of a table, (sentences, width), in half precision."""
    column = table["vector"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)


def likeness(vectors: np.ndarray, question: np.ndarray) -> np.ndarray:
    """The cosine of each sentence and a question, 0 where it is negative."""
    parts = [
        vectors[begin : begin + _ROWS].astype(np.float32) @ question
        for begin in range(0, len(vectors), _ROWS)
    ]
    found = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.maximum(found, 0).astype(np.float64)


def _documents(table: pa.Table) -> dict[str, tuple[list[bytes], np.ndarray]]:
    """The keys and vectors of each document."""
    ids, keys = table["document_id"].to_pylist(), table["key"].to_pylist()
    vectors = vectors_of(table)
    first = [n for n in range(len(ids)) if n == 0 or ids[n] != ids[n - 1]]
    ends = [*first[1:], len(ids)]
    return {
        ids[begin]: (keys[begin:end], vectors[begin:end])
        for begin, end in zip(first, ends, strict=True)
    }
