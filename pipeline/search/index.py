"""The index of a search: words and their sentences, names, and the graph of all that is found.

| table | one row per | sorted by |
| --- | --- | --- |
| documents | document, with its number of words | document_id |
| sentences | sentence, with its number of words | document, then place |
| entities | entity or value | entity_id |
| facts | fact, with the numbers of its ends | relation_id |
| names | name of an entity, as `search_form` has it | name |
| words | word of a sentence or a title | word |
| postings | word and text: a sentence, or after all sentences the title of a document | word |
| edges | end of an edge | node |

Nodes are numbered in the order entities, facts, sentences, documents. Each table is an Arrow file
that is mapped into memory, so a question reads only what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pfn_kg.pipeline.search.sparse import Rows

#: Changes whenever the tables of the index change.
INDEX_VERSION = 1

_TABLES = ("documents", "sentences", "entities", "facts", "names", "words")
_ROWS = ("postings", "edges")
_COMPLETE = b"complete"


@dataclass(frozen=True)
class SearchIndex:
    """The tables that a question is asked of.

    Attributes:
        documents: columns document_id, title, words.
        sentences: columns document, sentence_index, begin, end, text, words.
        entities: columns entity_id, name, type.
        facts: columns relation_id, subject, predicate, object, confidence.
        names: columns name, entity.
        words: column word.
        postings: a row for each word, with texts and how often it occurs there.
        edges: a row for each node, with neighbours and weights; both directions of each edge.
        complete: whether the sentences are all that the documents have.
    """

    documents: pa.Table
    sentences: pa.Table
    entities: pa.Table
    facts: pa.Table
    names: pa.Table
    words: pa.Table
    postings: Rows
    edges: Rows
    complete: bool

    @property
    def first_fact(self) -> int:
        """The node of the first fact."""
        return self.entities.num_rows

    @property
    def first_sentence(self) -> int:
        """The node of the first sentence."""
        return self.first_fact + self.facts.num_rows

    @property
    def first_document(self) -> int:
        """The node of the first document."""
        return self.first_sentence + self.sentences.num_rows

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return self.first_document + self.documents.num_rows


def write_index(index: SearchIndex, folder: Path) -> None:
    """Writes an index into a folder that is there."""
    for name in _TABLES:
        _write(getattr(index, name), folder, name, {_COMPLETE: b"1" if index.complete else b"0"})
    for name in _ROWS:
        rows: Rows = getattr(index, name)
        _write(pa.table({"begin": rows.begins}), folder, f"{name}_begins")
        _write(pa.table({"column": rows.columns, "value": rows.values}), folder, name)


def read_index(folder: Path) -> SearchIndex:
    """Opens an index that `write_index` wrote."""
    tables: dict[str, Any] = {name: _read(folder, name) for name in _TABLES}
    for name in _ROWS:
        cells = _read(folder, name)
        tables[name] = Rows(
            numbers(_read(folder, f"{name}_begins"), "begin"),
            numbers(cells, "column"),
            numbers(cells, "value"),
        )
    complete = tables["sentences"].schema.metadata[_COMPLETE] == b"1"
    return SearchIndex(**tables, complete=complete)


def numbers(table: pa.Table, column: str) -> np.ndarray:
    """A column of numbers without nulls, copied only where it lies in several pieces."""
    chunks = table[column].chunks
    if len(chunks) == 1:
        return chunks[0].to_numpy()
    return table[column].to_numpy()


def _write(
    table: pa.Table, folder: Path, name: str, metadata: dict[bytes, bytes] | None = None
) -> None:
    # Arrays that are equal may differ in bytes, by what parts they were put together from.
    columns = {
        column: pa.array(table[column].to_pylist(), type_of)
        for column, type_of in zip(table.column_names, table.schema.types, strict=True)
    }
    whole = pa.table(columns).replace_schema_metadata(metadata)
    path = str(folder / f"{name}.arrow")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, whole.schema) as writer:
        writer.write_table(whole)


def _read(folder: Path, name: str) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all()
