"""What was found in each sentence: its entities and the triples that it is evidence of.

Mentions and triples are cut by their own ids and sentences by their document, so both
are shuffled to the files of the sentences:

```
mentions -> (entity, kind, sentence) ─┐
                                      ├─ by file of `sentences` -> GroupByKey -> lists
triples  -> (triple, begin, end)     ─┘
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.transforms.plumbing.ids import shard_of_documents
from pfn_kg.transforms.plumbing.shards import decode, decode_all, split
from pfn_kg.transforms.tables.look_up import FOUND_ROW, table_sizes
from pfn_kg.transforms.tables.parts import TablePart, read_part

_COLUMNS = {
    "mentions": ["document_id", "sentence_index", "entity_id"],
    "triples": [
        "document_id",
        "evidence_begin",
        "evidence_end",
        "triple_id",
        "relation_id",
        "relation",
        "score",
    ],
}


class SentenceContents(beam.PTransform):
    """From (key of a part, what was found for it) to ((`sentences`, number), rows as IPC bytes).

    Args:
        table: `mentions`, found for which are the rows whose entity is a value; or
            `triples`, found for which are the rows that are not wanted.
        sizes_of: the parts of all tables.
        not_wanted: rows of `triples` that are left out besides.
    """

    def __init__(
        self, table: str, sizes_of: beam.PCollection, not_wanted: pc.Expression | None = None
    ):
        super().__init__()
        self._table = table
        self._sizes_of = sizes_of
        self._not_wanted = not_wanted

    def expand(self, joined: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return joined | "ToSentences" >> beam.FlatMap(
            _to_sentences,
            self._table,
            self._not_wanted,
            beam.pvalue.AsDict(table_sizes(self._sizes_of)),
        ).with_output_types(tuple[tuple[str, int], Any])


def _to_sentences(
    group: tuple[tuple[str, int], Mapping[str, Iterable[Any]]],
    table: str,
    not_wanted: pc.Expression | None,
    sizes: Mapping[str, int],
) -> Iterator[tuple[tuple[str, int], bytes]]:
    looked_up = [decode(data)[FOUND_ROW].to_numpy() for data in group[1].get("found", ())]
    for part in group[1]["part"]:
        rows = _rows(part, table, not_wanted=not_wanted, looked_up=looked_up)
        shards = sizes["sentences"]
        for number, data in split(rows, shard_of_documents(rows["document_id"], shards), shards):
            yield ("sentences", number), data


def _rows(
    part: TablePart, table: str, *, not_wanted: pc.Expression | None, looked_up: list[np.ndarray]
) -> pa.Table:
    rows = read_part(part, _COLUMNS[table])
    is_found = np.zeros(len(rows), dtype=bool)
    for numbers in looked_up:
        is_found[numbers] = True
    if table == "mentions":
        kind = np.where(is_found, "value", "entity")
        return rows.append_column("kind", pa.array(kind, pa.string()))
    rows = rows.filter(pa.array(~is_found))
    return rows if not_wanted is None else rows.filter(~not_wanted)


def with_contents(
    sentences: pa.Table, mentions: Iterable[bytes], triples: Iterable[bytes]
) -> pa.Table:
    """Sentences with the lists `mentions` and `evidence`, as in SENTENCE_COLUMNS.

    Args:
        sentences: rows of a file of `sentences`, sorted.
        mentions: of their documents, as Arrow IPC bytes; in any order.
        triples: likewise.
    """
    mentioned = decode_all(mentions)
    row, entity, kind = np.zeros(0, np.int64), pa.array([], pa.string()), pa.array([], pa.string())
    count = np.zeros(0, np.int64)
    if mentioned is not None:
        at = _find(sentences, column="sentence_index", rows=mentioned, named="sentence_index")
        columns = {"row": at, "entity_id": mentioned["entity_id"], "kind": mentioned["kind"]}
        counted = (
            pa.table(columns)
            .group_by(["row", "entity_id", "kind"], use_threads=False)
            .aggregate([([], "count_all")])
            .sort_by([("row", "ascending"), ("entity_id", "ascending")])
            .combine_chunks()
        )
        row, count = counted["row"].to_numpy(), counted["count_all"].to_numpy()
        entity, kind = counted["entity_id"], counted["kind"]
    sentences = sentences.append_column(
        "mentions",
        _lists(len(sentences), row, {"entity_id": entity, "kind": kind, "count": count}),
    )
    return sentences.append_column("evidence", _evidence(sentences, decode_all(triples)))


def _evidence(sentences: pa.Table, triples: pa.Table | None) -> pa.Array:
    columns: dict[str, Any] = {
        "triple_id": pa.array([], pa.string()),
        "relation_id": pa.array([], pa.string()),
        "score": pa.array([], pa.float32()),
    }
    row = np.zeros(0, np.int64)
    if triples is not None:
        first = _find(sentences, column="begin", rows=triples, named="evidence_begin")
        last = _find(sentences, column="end", rows=triples, named="evidence_end")
        sizes = last - first + 1
        begins = np.cumsum(sizes) - sizes
        triple = np.repeat(np.arange(len(triples)), sizes)
        row = np.repeat(first, sizes) + np.arange(len(triple)) - np.repeat(begins, sizes)
        listed = pa.table({"row": row, **{c: triples[c].take(triple) for c in columns}})
        listed = listed.sort_by([("row", "ascending"), ("triple_id", "ascending")])
        listed = listed.combine_chunks()
        row = listed["row"].to_numpy()
        columns = {name: listed[name] for name in columns}
    return _lists(len(sentences), row, columns)


def _find(sentences: pa.Table, *, column: str, rows: pa.Table, named: str) -> np.ndarray:
    """For each row the sentence of its document in which a number is the same."""
    keys = _key(sentences["document_id"], sentences[column]).combine_chunks()
    positions = pc.index_in(_key(rows["document_id"], rows[named]), value_set=keys)
    if positions.null_count:
        raise ValueError("mentions or triples name a sentence that `sentences` has not")
    return positions.to_numpy().astype(np.int64)


def _key(document_ids: pa.ChunkedArray, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    # The number is what follows the last separator, so no two pairs have one key.
    return pc.binary_join_element_wise(document_ids, numbers.cast(pa.string()), "#")


def _lists(rows: int, row: np.ndarray, columns: Mapping[str, Any]) -> pa.Array:
    arrays = [
        column.combine_chunks() if isinstance(column, pa.ChunkedArray) else pa.array(column)
        for column in columns.values()
    ]
    structs = pa.StructArray.from_arrays(arrays, names=list(columns))
    offsets = np.searchsorted(row, np.arange(rows + 1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)
