"""The pieces of text that people judged: kept beside the graph, since they teach the model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.ranks import rank_in_runs
from pfn_kg.transforms.plumbing.shards import decode

#: Pieces of evidence that are kept of one correction.
MOST_PIECES = 20

_OF_TRIPLES = (
    "document_id",
    "evidence_begin",
    "evidence_end",
    "evidence_text",
    "relation",
    *(
        f"{end}_{name}"
        for end in ("subject", "object")
        for name in ("text", "type", "begin", "end")
    ),
    "score",
)

#: A triple that a correction judges, as the model said it or as a person named its mentions.
EVIDENCE_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64()),  # of the correction, from 1
        pa.field("is_right", pa.bool_()),  # whether the text says the relation
        *(TABLE_SCHEMAS["triples"].field(name) for name in _OF_TRIPLES),
        pa.field("sentence_begins", pa.list_(pa.int32())),  # offsets in the document
    ]
)


def best_evidence(parts: Iterable[pa.Table]) -> pa.Table:
    """The best pieces of evidence of each correction, as in EVIDENCE_SCHEMA, in a fixed order."""
    rows = pa.concat_tables([EVIDENCE_SCHEMA.empty_table(), *parts])
    rows = rows.sort_by(
        [
            ("row", "ascending"),
            ("is_right", "ascending"),
            ("score", "descending"),
            *((name, "ascending") for name in ("document_id", "subject_begin", "object_begin")),
            *((name, "ascending") for name in ("subject_end", "object_end", "relation")),
        ]
    )
    keys = rows["row"].to_numpy() * 2 + rows["is_right"].cast(pa.int64()).to_numpy()
    return rows.filter(pa.array(rank_in_runs(keys) < MOST_PIECES))


def decode_evidence(parts: Iterable[bytes]) -> pa.Table:
    """The best of what the chunks have, given as Arrow IPC bytes."""
    return best_evidence(decode(data) for data in parts)


def numbered(
    triples: pa.Table, begins: pa.Array, *, rows: np.ndarray, is_right: np.ndarray
) -> pa.Table:
    """Triples that corrections judge, as in EVIDENCE_SCHEMA.

    Args:
        triples: rows of the table `triples`.
        begins: for each, where the sentences of its evidence begin.
        rows: for each, the row of its correction, from 0.
        is_right: for each, whether the text says the relation.
    """
    columns = {
        "row": pa.array(rows + 1, pa.int64()),
        "is_right": pa.array(is_right, pa.bool_()),
        "sentence_begins": begins,
    } | {name: triples[name] for name in _OF_TRIPLES}
    return pa.table({name: columns[name] for name in EVIDENCE_SCHEMA.names}, EVIDENCE_SCHEMA)
