"""Entries become the file of a catalogue: sorted by key, in bounded memory."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pyoxigraph as ox

from pfn_kg.pipeline.catalogue.records import Record, SourceEntry, SubclassOf, Unreadable
from pfn_kg.pipeline.spill import Spill
from pfn_kg.schemas.characters import shown_name
from pfn_kg.transforms.linking.catalogue_file import (
    CATALOGUE_SCHEMA,
    GROUP_ROWS,
    METADATA_KEY,
    MOST_ENTRIES,
    MOST_NEIGHBOURS,
    VERSION,
    entry_keys,
    hash_of,
)
from pfn_kg.transforms.plumbing.files import replacing
from pfn_kg.transforms.plumbing.ranks import rank_in_runs

# Names with the classes of their entry, before all classes are known.
_SPILL_SCHEMA = pa.schema(
    [
        *(f for f in CATALOGUE_SCHEMA if f.name != "type"),
        pa.field("classes", pa.list_(pa.string())),
    ]
)
_BATCH_ROWS = 100_000
# Parts on disk: enough for 128 million names. The leading bits of a block are its part.
_PARTS = 256
_PART_BITS = 56
# Records that can't be read and are kept to be named; all are counted.
_KEPT_UNREADABLE = 100
# Longer ones are descriptions.
_LONGEST_NAME = 400


class CatalogueWriter:
    """Takes records of a source and writes a catalogue.

    Args:
        type_of_class: the entity type of each class, in the order in which they are asked; None
            where classes say nothing.
        other_type: of entries of other classes. None: no type without `type_of_class`, otherwise
            such entries are left out.
    """

    def __init__(self, type_of_class: Mapping[str, str] | None, other_type: str | None):
        self._type_of_class = type_of_class
        self._other_type = other_type
        self._children: dict[str, list[str]] = {}
        self.counts: Counter[str] = Counter()
        self.unreadable: list[Unreadable] = []

    def write(self, records: Iterable[Record], path: str) -> None:
        """Writes the catalogue. The same records give the same bytes in whatever order they come.

        Args:
            records: of the source. How many can't be read stands in `counts`, and the first ones
                in `unreadable`.
            path: of the file, on any file system that Beam knows.
        """
        with tempfile.TemporaryDirectory() as folder:
            spill = Spill(Path(folder), _PARTS * 500_000)
            assert spill.parts == _PARTS
            spill.write("names", self._batches(records))
            types = self._types()
            with (
                replacing(path) as file,
                pq.ParquetWriter(file, CATALOGUE_SCHEMA, compression="zstd") as writer,
            ):
                seen: set[str] = set()
                digest = blake2b(digest_size=16)
                for rows in self._groups(spill, types):
                    seen |= {t for t in rows["type"].unique().to_pylist() if t is not None}
                    self.counts["names"] += len(rows)
                    digest.update(_plain_bytes(rows))
                    writer.write_table(rows, row_group_size=GROUP_ROWS)
                facts = {"version": VERSION, "types": sorted(seen), "digest": digest.hexdigest()}
                writer.add_key_value_metadata({METADATA_KEY: orjson.dumps(facts)})

    def _groups(self, spill: Spill, types: Mapping[str, tuple[int, str]]) -> Iterator[pa.Table]:
        """The finished rows, in pieces of GROUP_ROWS."""
        held = CATALOGUE_SCHEMA.empty_table()
        for number in range(spill.parts):
            rows = self._finished(spill.read("names", number, _SPILL_SCHEMA), types)
            held = pa.concat_tables([held, rows])
            while len(held) >= GROUP_ROWS:
                yield held.slice(0, GROUP_ROWS)
                held = held.slice(GROUP_ROWS)
        if len(held):
            yield held

    def _batches(self, records: Iterable[Record]) -> Iterator[tuple[pa.Table, np.ndarray]]:
        rows: list[dict[str, Any]] = []
        for record in records:
            if isinstance(record, Unreadable):
                self._reject(record)
            elif isinstance(record, SubclassOf):
                for parent in record.parents:
                    self._children.setdefault(parent, []).append(record.name)
            else:
                self.counts["read"] += 1
                rows += self._rows(record)
                if len(rows) >= _BATCH_ROWS:
                    yield _with_parts(rows)
                    rows = []
        if rows:
            yield _with_parts(rows)

    def _reject(self, record: Unreadable) -> None:
        self.counts["unreadable"] += 1
        if len(self.unreadable) < _KEPT_UNREADABLE:
            self.unreadable.append(record)

    def _rows(self, entry: SourceEntry) -> Iterator[dict[str, Any]]:
        try:
            ox.NamedNode(entry.iri)
        except ValueError as error:
            self._reject(Unreadable(entry.iri, f"no IRI: {error}"))
            return
        keys: dict[str, None] = {}
        for name in (entry.name, *entry.names):
            if len(name) <= _LONGEST_NAME:
                keys |= dict.fromkeys(entry_keys(name))
        neighbours = [hash_of(iri) for iri in entry.neighbours[:MOST_NEIGHBOURS]]
        for key in keys:
            yield {
                "block": hash_of(key),
                "key": key,
                "entry": hash_of(entry.iri),
                "iri": entry.iri,
                "name": shown_name(entry.name),
                "popularity": max(entry.popularity, 0),
                "neighbours": neighbours,
                "classes": list(entry.classes),
            }

    def _types(self) -> dict[str, tuple[int, str]]:
        """For each class, the first of the given ones that it is or is below, and its type."""
        types: dict[str, tuple[int, str]] = {}
        for rank, (top, type_) in enumerate((self._type_of_class or {}).items()):
            waiting = [top]
            while waiting:
                one = waiting.pop()
                if one not in types:
                    types[one] = rank, type_
                    waiting += self._children.get(one, ())
        return types

    def _finished(self, rows: pa.Table, types: Mapping[str, tuple[int, str]]) -> pa.Table:
        """The rows of a part with their types, sorted, without those that are left out."""
        type_of: list[str | None] = []
        wanted = []
        for row, classes in enumerate(rows["classes"].to_pylist()):
            found = min((types[c] for c in classes if c in types), default=None)
            type_ = self._other_type if found is None else found[1]
            if type_ is None and self._type_of_class is not None:
                continue
            wanted.append(row)
            type_of.append(type_)
        self.counts["names_of_other_classes"] += len(rows) - len(wanted)
        rows = rows.take(pa.array(wanted, pa.int64()))
        rows = rows.append_column("type", pa.array(type_of, pa.string()))
        order = [("block", "ascending"), ("key", "ascending"), ("popularity", "descending")]
        rows = rows.select(CATALOGUE_SCHEMA.names).sort_by(
            [*order, ("iri", "ascending"), ("name", "ascending")]
        )
        if not len(rows):
            return rows
        block, key, iri = (rows[name].to_numpy() for name in ("block", "key", "iri"))
        # A source may have an entry twice.
        rows = rows.filter(pa.array(rank_in_runs(block, key, iri) == 0))
        block, key = rows["block"].to_numpy(), rows["key"].to_numpy()
        keeps = rank_in_runs(block, key) < MOST_ENTRIES
        self.counts["names_beyond_most"] += int((~keeps).sum())
        return rows.filter(pa.array(keeps))


def _with_parts(rows: list[dict[str, Any]]) -> tuple[pa.Table, np.ndarray]:
    table = pa.Table.from_pylist(rows, _SPILL_SCHEMA)
    parts = (table["block"].to_numpy() >> np.uint64(_PART_BITS)).astype(np.int64)
    return table, parts


def _plain_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    rows = rows.combine_chunks()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()
