"""One row a document id: which rows of the extractions are left out of the graph.

Two rows with one document id and the same text are one document; with different
texts the lowest (source file, source row) is the document and the others are
rejected. What a later run says of a document replaces what earlier ones said, and
so it is with a row of the source that could not be read. Only ids and hashes are
read and shuffled, and only the losers travel on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import DOCUMENT_SCHEMA
from pfn_kg.transforms.documents.groups import groups_of, place_key
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.held_rows import SpreadRows
from pfn_kg.transforms.plumbing.shards import decode

# What a projected row stands for: a document; a row of the source that was rejected as
# a whole; or a row of the source that a later run could read.
_DOCUMENT, _REJECTED, _READ = 0, 1, 2
_SIZES = ("sentences", "mentions", "head_triples")


#: Why a row is left out: the same text once more, another text, a later run says
#: otherwise, or the document was removed.
Reason: TypeAlias = Literal["duplicate", "conflict", "replaced", "removed"]


class Loser(NamedTuple):
    """A row that is left out: its position in its chunk, why, and the row that won."""

    row: int
    reason: Reason
    winner_file: str = ""
    winner_row: int = -1


class Deduplicated(NamedTuple):
    """The output of `Deduplicate`.

    Attributes:
        losers: (number of the chunk, list of `Loser`).
        sizes: dictionaries whose sums are the numbers of documents, sentences, mentions and head
            triples that are left.
    """

    losers: beam.PCollection
    sizes: beam.PCollection


class Deduplicate(beam.PTransform):
    """From `ChunkFile` to `Deduplicated`: one row of the extractions a document id.

    Args:
        groups: the number of groups in which documents meet, from
            `pfn_kg.transforms.documents.groups.group_count`.
        removed: the rows of removed documents by chunk, from
            `pfn_kg.transforms.documents.removed_documents.FindRemoved`; None if none are.
    """

    def __init__(self, groups: int, removed: beam.PCollection | None = None):
        super().__init__()
        self._removed = removed
        self._groups = groups

    def expand(self, chunks: beam.PCollection) -> Deduplicated:
        """Applies the transform."""
        removed = self._removed
        beside = () if removed is None else (beam.pvalue.AsMultiMap(removed),)
        tagged = (
            chunks
            | "ProjectDocuments"
            >> beam.ParDo(ProjectDocuments(self._groups), *beside).with_output_types(
                tuple[int, bytes]
            )
            | "GroupByDocumentId" >> beam.GroupByKey()
            | "FindLosers"
            >> beam.ParDo(FindLosers()).with_outputs(FindLosers.COUNTS, main="losers")
        )
        losers = tagged["losers"]
        if removed is not None:
            losers = (
                losers,
                removed | "RemovedLosers" >> beam.MapTuple(_removed_losers),
            ) | "AllLosers" >> beam.Flatten()
        return Deduplicated(losers, tagged[FindLosers.COUNTS])


def _removed_losers(chunk: int, rows: list[int]) -> tuple[int, list[Loser]]:
    return chunk, [Loser(row, "removed") for row in rows]


class ProjectDocuments(SpreadRows):
    """Reads what identifies the documents of chunks, grouped by hash of the id.

    Args:
        groups: as `pfn_kg.transforms.documents.groups.group_count` says.

    Yields:
        `(group, DOCUMENT_SCHEMA as bytes)`.
    """

    def process(
        self, chunk: ChunkFile, removed: Mapping[int, Iterable[list[int]]] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Reads one chunk.

        Args:
            chunk: the file.
            removed: side input: by number of the chunk, rows that are left out.
        """
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
        for name in _SIZES:
            columns[name] = pc.fill_null(pc.list_value_length(table[name]), 0)
        columns["stands_for"] = pa.array([_DOCUMENT] * len(table), pa.int8())
        projected = pa.table(
            {name: columns[name] for name in DOCUMENT_SCHEMA.names}, DOCUMENT_SCHEMA
        )
        gone = [] if removed is None else [row for rows in removed[chunk.number] for row in rows]
        if gone:
            left = pc.invert(pc.is_in(projected["row"], value_set=pa.array(gone, pa.int64())))
            projected = projected.filter(left)
        # Without a content hash the row was rejected before its text was read.
        is_read = pc.is_valid(projected["content_hash"])
        places = _places(projected.filter(pc.invert(is_read)), _REJECTED)
        projected = projected.filter(pc.and_(pc.is_valid(projected["document_id"]), is_read))
        if chunk.generation:
            places = pa.concat_tables([places, _places(projected, _READ), _files(projected)])
        yield from self.spread(pa.concat_tables([projected, places]))

    def groups_of(self, rows: pa.Table) -> np.ndarray:
        """The group of each document, by its id."""
        return groups_of(rows["document_id"], self._groups)


def _files(rows: pa.Table) -> pa.Table:
    """The files of the rows: none of them is one any more that can't be read at all."""
    first = {file: row for row, file in enumerate(rows["source_file"].to_pylist())}
    rows = rows.take(pa.array(first.values(), pa.int64()))
    whole = pa.array([-1] * len(rows), pa.int64())
    return _places(
        rows.set_column(rows.column_names.index("source_row"), "source_row", whole), _READ
    )


def _places(rows: pa.Table, stands_for: int) -> pa.Table:
    """The rows keyed by where they stand in the source; they add nothing to what is counted."""
    places = zip(rows["source_file"].to_pylist(), rows["source_row"].to_pylist(), strict=True)
    keys = pa.array([place_key(*place) for place in places], pa.string())
    columns = {name: rows[name] for name in rows.column_names} | {
        "document_id": keys,
        "stands_for": pa.array([stands_for] * len(rows), pa.int8()),
        **{name: pa.array([0] * len(rows), rows[name].type) for name in _SIZES},
    }
    return pa.table(columns, schema=rows.schema)


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
        stands_for = table["stands_for"]
        losers: dict[int, list[Loser]] = {}
        places = table.filter(pc.not_equal(stands_for, _DOCUMENT))
        if len(places):
            table = table.filter(pc.equal(stands_for, _DOCUMENT))
            _find_outdated(places, losers)
        # A later run replaces what an earlier one said of the same document.
        table = table.sort_by(
            [
                ("document_id", "ascending"),
                ("generation", "descending"),
                ("source_file", "ascending"),
                ("source_row", "ascending"),
            ]
        )
        counts = dict.fromkeys(("documents", *_SIZES), 0)
        winner: dict | None = None
        repeated = _repeated(table["document_id"])
        if repeated is not None:
            for row in table.filter(repeated).to_pylist():
                if winner is None or winner["document_id"] != row["document_id"]:
                    winner = row
                    continue
                reason: Reason = "conflict"
                if row["generation"] < winner["generation"]:
                    reason = "replaced"
                elif row["content_hash"] == winner["content_hash"]:
                    reason = "duplicate"
                losers.setdefault(row["chunk"], []).append(
                    Loser(row["row"], reason, winner["source_file"], winner["source_row"])
                )
                counts["documents"] -= 1
                for name in _SIZES:
                    counts[name] -= row[name]
        counts["documents"] += len(table)
        for name in _SIZES:
            counts[name] += pc.sum(table[name]).as_py() or 0
        yield from losers.items()
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)


def _find_outdated(places: pa.Table, losers: dict[int, list[Loser]]) -> None:
    """Adds the rejected rows of the source that a later run has read again."""
    last = places.group_by("document_id", use_threads=False).aggregate([("generation", "max")])
    index = pc.index_in(places["document_id"], value_set=last["document_id"].combine_chunks())
    is_older = pc.less(places["generation"], last["generation_max"].take(index))
    is_rejected = pc.equal(places["stands_for"], _REJECTED)
    for row in places.filter(pc.and_(is_rejected, is_older)).to_pylist():
        losers.setdefault(row["chunk"], []).append(
            Loser(row["row"], "replaced", row["source_file"], row["source_row"])
        )


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
