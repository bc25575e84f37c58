"""One row a document id: which rows of the corpus are left out of the graph.

Two rows with one document id and the same text are one document; with different
texts the lowest (source file, source row) is the document and the others are
rejected. Only ids and hashes are read and shuffled, and only the losers travel on.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from transforms.extractions import ChunkFile, read_columns
from transforms.shards import decode, encode

# Enough to keep each group small on large corpora; the result does not depend on it.
_GROUPS = 64


class Loser(NamedTuple):
    """A row that is left out: its position in its chunk, and the row that won."""

    row: int
    same_text: bool
    winner_file: str
    winner_row: int


class ProjectDocuments(beam.DoFn):
    """Reads what identifies the documents of a chunk, grouped by hash of the id.

    Yields:
        `(group, Arrow IPC bytes)`.
    """

    def __init__(self, removed: frozenset[str]):
        self._removed = removed

    def process(self, chunk: ChunkFile) -> Iterator[tuple[int, bytes]]:
        """Reads one chunk."""
        table = read_columns(
            chunk.path,
            [
                "source_file",
                "source_row",
                "document_id",
                "content_hash",
                "sentences.list.element.begin",
                "mentions.list.element.begin",
                "head_triples.list.element.subject",
            ],
        )
        columns = {
            "document_id": table["document_id"],
            "generation": pa.array([chunk.generation] * len(table), pa.int64()),
            "source_file": table["source_file"],
            "source_row": table["source_row"],
            "content_hash": table["content_hash"],
            "chunk": pa.array([chunk.number] * len(table), pa.int64()),
            "row": pa.array(range(len(table)), pa.int64()),
        }
        for name in ("sentences", "mentions", "head_triples"):
            columns[name] = pc.fill_null(pc.list_value_length(table[name]), 0)
        found = pa.table(columns)
        # Without a content hash the row was rejected before its text was read.
        found = found.filter(
            pc.and_(pc.is_valid(found["document_id"]), pc.is_valid(found["content_hash"]))
        )
        ids = found["document_id"].to_pylist()
        groups: dict[int, list[int]] = {}
        for row, id_ in enumerate(ids):
            if id_ not in self._removed:
                groups.setdefault(zlib.crc32(id_.encode()) % _GROUPS, []).append(row)
        for group, rows in groups.items():
            yield group, encode(found.take(pa.array(rows, pa.int64())))


class FindLosers(beam.DoFn):
    """Finds the rows of one group of ids that are left out.

    Yields:
        `(chunk index, losers)`; on the output `counts` the sizes of what is left,
        from which the number of files follows.
    """

    COUNTS = "counts"

    def process(
        self, group: tuple[int, Iterable[bytes]]
    ) -> Iterator[tuple[int, list[Loser]] | beam.pvalue.TaggedOutput]:
        """Reads one group of documents."""
        table = pa.concat_tables(map(decode, group[1]))
        # A later run replaces what an earlier one said of the same document.
        table = table.sort_by(
            [
                ("document_id", "ascending"),
                ("generation", "descending"),
                ("source_file", "ascending"),
                ("source_row", "ascending"),
            ]
        )
        counts = dict.fromkeys(("documents", "sentences", "mentions", "head_triples"), 0)
        losers: dict[int, list[Loser]] = {}
        winner: dict | None = None
        repeated = _repeated(table["document_id"])
        if repeated is not None:
            for row in table.filter(repeated).to_pylist():
                if winner is None or winner["document_id"] != row["document_id"]:
                    winner = row
                    continue
                same_text = row["content_hash"] == winner["content_hash"]
                losers.setdefault(row["chunk"], []).append(
                    Loser(row["row"], same_text, winner["source_file"], winner["source_row"])
                )
                counts["documents"] -= 1
                for name in ("sentences", "mentions", "head_triples"):
                    counts[name] -= row[name]
        counts["documents"] += len(table)
        for name in ("sentences", "mentions", "head_triples"):
            counts[name] += pc.sum(table[name]).as_py() or 0
        yield from losers.items()
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)


def _repeated(ids: pa.ChunkedArray) -> pa.Array | None:
    """Which rows of a sorted column have a neighbour of the same id; None if none has."""
    ids = ids.combine_chunks()
    if len(ids) < 2:
        return None
    same = pc.equal(ids[1:], ids[:-1])
    if not pc.any(same).as_py():
        return None
    false = pa.array([False])
    return pc.or_(pa.concat_arrays([false, same]), pa.concat_arrays([same, false]))
