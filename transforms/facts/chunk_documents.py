"""The documents of one chunk as columns, with their rows of `documents` and `sentences`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.tables import TABLE_SCHEMAS

_COPIED = ("document_id", "title", "metadata", "content_hash", "source_file", "source_row")


class ChunkDocuments:
    """The documents of a chunk that are part of the graph.

    Attributes:
        rows: their rows of the extraction file.
        ids: their document ids.
        texts: their texts.
        sentence_rows: for each sentence of the chunk, the position of its document.
        sentence_begins: offset of each sentence's begin in its document.
        sentence_ends: offset of each sentence's end in its document.
        sentence_counts: for each document, how many sentences it has.
        first_sentences: for each document, the position of its first sentence among all.
    """

    def __init__(self, rows: pa.Table):
        self.rows = rows
        self.ids: list[str] = rows["document_id"].to_pylist()
        self.texts: list[str] = rows["text"].to_pylist()
        self.sentence_rows, fields = self.flatten("sentences", ("begin", "end"))
        self.sentence_begins, self.sentence_ends = (integers(field) for field in fields)
        self.sentence_counts = np.bincount(self.sentence_rows, minlength=len(self.ids))
        self.first_sentences = np.cumsum(self.sentence_counts) - self.sentence_counts

    def flatten(self, column: str, fields: Sequence[str]) -> tuple[np.ndarray, list[pa.Array]]:
        """The position of the document of each item of a list column, and the items' fields."""
        lists = self.rows[column].combine_chunks()
        if isinstance(lists, pa.ChunkedArray):
            lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
        items = lists.flatten()
        rows = integers(pc.list_parent_indices(lists))
        return rows, [items.field(name) for name in fields]

    def spans(self, rows: list[int], begins: list[int], ends: list[int]) -> list[str]:
        """The text of each span, given its document's position and its offsets there."""
        texts = self.texts
        return [texts[r][b:e] for r, b, e in zip(rows, begins, ends, strict=True)]

    def table(self, model_hash: str) -> pa.Table:
        """The rows of the table `documents`.

        Args:
            model_hash: of the model that read the documents.
        """
        columns: dict[str, Any] = {name: self.rows[name] for name in _COPIED}
        columns["characters"] = [len(text) for text in self.texts]
        columns["sentences"] = self.sentence_counts
        columns["model_hash"] = [model_hash] * len(self.texts)
        return pa.table(columns, schema=TABLE_SCHEMAS["documents"])

    def sentence_table(self) -> pa.Table:
        """The rows of the table `sentences`."""
        rows = self.sentence_rows.tolist()
        begins, ends = self.sentence_begins.tolist(), self.sentence_ends.tolist()
        return pa.table(
            {
                "document_id": [self.ids[row] for row in rows],
                "sentence_index": np.arange(len(rows)) - self.first_sentences[self.sentence_rows],
                "begin": begins,
                "end": ends,
                "text": self.spans(rows, begins, ends),
            },
            schema=TABLE_SCHEMAS["sentences"],
        )


def integers(column: pa.Array) -> np.ndarray:
    """A column of numbers without nulls as 64-bit integers."""
    return column.to_numpy(zero_copy_only=False).astype(np.int64)
