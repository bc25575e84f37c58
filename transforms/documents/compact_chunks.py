"""Extraction files made fewer: neighbours that fit into one chunk become one file.

Rows that the graph leaves out for good go: those of removed documents, and what a later run
replaced. Rows that are left out beside others of the same run stay, since the build counts and
rejects them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.extraction import JOINED_WORDS, read_counters, with_all_columns
from pfn_kg.transforms.documents.deduplicate import Loser
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.files import name_of
from pfn_kg.transforms.plumbing.files import replace as replace_file

_FOR_GOOD = ("removed", "replaced")
_LISTS = ("sentences", "mentions", "head_triples", "rejected")
# What the rows that stay say themselves, or what is of no more use.
_COUNTED = {*_LISTS, "rows", "documents", "characters", "unchanged"}


class ListedChunk(NamedTuple):
    """What the list of chunks says of one, as far as it decides which become one file.

    Attributes:
        model_hash: of the model that wrote it; None is the manifest's.
        counts: what was counted in it.
    """

    model_hash: str | None
    counts: Mapping[str, int]


def neighbours(chunks: Sequence[ListedChunk], most_rows: int, most_characters: int) -> list[int]:
    """Where in the list of chunks each of the new files begins.

    Args:
        chunks: in the order of the list.
        most_rows: of a file of several chunks.
        most_characters: likewise.
    """
    begins: list[int] = []
    rows, characters = 0, 0
    kind: tuple[Any, ...] = ()
    for number, chunk in enumerate(chunks):
        # A chunk of an older version may not say how long it is, and stays alone.
        size = chunk.counts.get("rows", most_rows), chunk.counts.get("characters", 0)
        # Names are made of whole words in all of a file, or in none of it.
        of = chunk.model_hash, chunk.counts.get(JOINED_WORDS, 0) > 0
        rows, characters = rows + size[0], characters + size[1]
        if not begins or of != kind or rows > most_rows or characters > most_characters:
            begins.append(number)
            rows, characters = size
            kind = of
    return begins


class CompactChunks(beam.PTransform):
    """Writes the new files of a collection of `ChunkFile`, and what they are into one JSON file.

    That file holds for each new file, in order, `[name, counts, dropped rows]`: null for the counts
    where a chunk stays what it is, and null for the name where no row is left.

    Args:
        folder: path of the folder of extraction files.
        begins: from `neighbours`.
        losers: (number of the chunk, list of `Loser`).
        path: of the JSON file.
    """

    def __init__(self, folder: str, begins: Sequence[int], losers: beam.PCollection, path: str):
        super().__init__()
        self._folder = folder
        self._begins = begins
        self._losers = losers
        self._path = path

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return (
            chunks
            | "KeyByFile" >> beam.Map(_with_file, self._begins).with_output_types(tuple[int, Any])
            | "GroupByFile" >> beam.GroupByKey()
            | "Compact" >> beam.ParDo(_Compact(self._folder), beam.pvalue.AsMultiMap(self._losers))
            | "AllFiles" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Write" >> beam.Map(_write, self._path)
        )


def _with_file(chunk: ChunkFile, begins: Sequence[int]) -> tuple[int, ChunkFile]:
    return int(np.searchsorted(begins, chunk.number, "right")) - 1, chunk


def _write(files: list[tuple[int, Any]], path: str) -> str:
    replace_file(path, json.dumps([file for _, file in sorted(files)]).encode())
    return path


class _Compact(beam.DoFn):
    """Writes one new file; gives its number and what it is."""

    def __init__(self, folder: str):
        self._folder = folder

    def process(
        self,
        group: tuple[int, Iterable[ChunkFile]],
        losers: Mapping[int, Iterable[list[Loser]]],
    ) -> Iterator[tuple[int, list[Any]]]:
        number, chunks = group[0], sorted(group[1])
        tables, gone = [], []
        counts: Counter[str] = Counter()
        for chunk in chunks:
            rows = read_columns(chunk.path)
            counts.update(read_counters(rows.schema))
            left = np.ones(len(rows), dtype=bool)
            out = [loser for some in losers[chunk.number] for loser in some]
            left[[loser.row for loser in out if loser.reason in _FOR_GOOD]] = False
            gone.append(np.flatnonzero(~left).tolist())
            tables.append(with_all_columns(rows).filter(pa.array(left)))
        names = [name_of(chunk.path).removesuffix(".parquet") for chunk in chunks]
        dropped = sum(map(len, gone))
        table = pa.concat_tables(tables)
        if len(chunks) == 1 and not dropped:
            yield number, [names[0], None, 0]
        elif not len(table):
            yield number, [None, None, dropped]
        else:
            spelt = json.dumps(["compact", names, gone])
            name = blake2b(spelt.encode(), digest_size=16).hexdigest()
            counters = _counters(table, counts)
            ExtractionFolder(self._folder).write_table(name, table, counters)
            yield number, [name, counters, dropped]


def _counters(table: pa.Table, before: Mapping[str, int]) -> dict[str, int]:
    """The counts of a new file: of its rows, and of all the rest what its chunks said together."""
    counts = {name: count for name, count in before.items() if name not in _COUNTED}
    counts["rows"] = len(table)
    counts["documents"] = len(table) - table["text"].null_count
    counts["characters"] = pc.sum(pc.utf8_length(table["text"])).as_py() or 0
    for name in _LISTS:
        counts[name] = pc.sum(pc.list_value_length(table[name])).as_py() or 0
    return counts
