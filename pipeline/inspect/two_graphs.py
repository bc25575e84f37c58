"""Two graphs side by side: documents, entities and facts that are new, gone or changed.

Rows with equal ids meet in parts on disk, so memory is bounded by a part and by the documents that
differ, whatever the size of the graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished, read_label_schema
from pfn_kg.pipeline.manifest import Manifest, find_manifest
from pfn_kg.pipeline.snapshots import (
    BUILDS,
    GRAPH_SCHEMA_FILE,
    RECORD_FILE,
    SnapshotRecord,
    current_record,
    place_of,
    read_record,
)
from pfn_kg.pipeline.spill import Spill
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.files import absolute, exists, join
from pfn_kg.transforms.plumbing.ids import shard_of_documents, shard_of_hex
from pfn_kg.transforms.tables.parts import count_rows, read_part

#: What happened to a row.
CHANGES = ("new", "gone", "changed")

# What of the options of a build changes no row.
_NO_CAUSE = ("keep_builds", "shard_rows")

_BEFORE, _AFTER = "before", "after"
_DOCUMENT_COLUMNS = ("document_id", "title", "content_hash", "model_hash")
_ENTITY_COLUMNS = ("entity_id", "kind", "name", "type", "same_as")
_FACT_COLUMNS = ("relation_id", "subject_id", "predicate", "object_id", "confidence")
_TRIPLE_COLUMNS = ("relation_id", "triple_id", "document_id", "score")

DOCUMENT_CHANGES = pa.schema(
    {"change": pa.string(), "document_id": pa.string(), "title": pa.string()}
)
ENTITY_CHANGES = pa.schema(
    {
        "change": pa.string(),
        "entity_id": pa.string(),
        "kind": pa.string(),
        "name": pa.string(),
        "type": pa.string(),
        "name_before": pa.string(),
        "type_before": pa.string(),
    }
)
FACT_CHANGES = pa.schema(
    {
        "change": pa.string(),
        "relation_id": pa.string(),
        "subject_id": pa.string(),
        "predicate": pa.string(),
        "object_id": pa.string(),
        "confidence_before": pa.float32(),
        "confidence": pa.float32(),
        "documents": pa.list_(pa.string()),
    }
)


class Sides(NamedTuple):
    """The two graphs.

    Attributes:
        before: the first one.
        after: the second one.
    """

    before: FinishedRun
    after: FinishedRun


def read_sides(directories: Sequence[str]) -> Sides:
    """The graphs that are compared.

    Args:
        directories: two output folders or snapshots (`DIR/builds/ID`); of a single output folder
            the graph before the current one is compared with the current one.

    Raises:
        ConfigurationError: if one of them has no finished graph.
    """
    if len(directories) == 2:
        return Sides(_read_side(directories[0]), _read_side(directories[1]))
    if len(directories) != 1:
        raise ConfigurationError(
            "name two graphs, or one folder whose last two graphs are compared",
            field="directories",
        )
    after = _read_side(directories[0])
    previous = after.snapshot.previous
    if previous is None or not exists(join(place_of(after.directory, previous), RECORD_FILE)):
        raise ConfigurationError(
            f"{directories[0]}: no graph is kept from before this one; name two graphs"
        )
    return Sides(_snapshot(after.directory, after.manifest, previous), after)


def _read_side(path: str) -> FinishedRun:
    """A graph by its output folder, or by the folder of a snapshot."""
    path = absolute(path)
    above, _, name = path.rpartition("/")
    directory, _, builds = above.rpartition("/")
    if builds == BUILDS and exists(join(path, RECORD_FILE)):
        manifest = find_manifest(directory)
        if manifest is None:
            raise ConfigurationError(f"{directory}: no manifest.json there")
        return _snapshot(directory, manifest, f"{BUILDS}/{name}")
    return read_finished(path)


def _snapshot(directory: str, manifest: Manifest, path: str) -> FinishedRun:
    record: SnapshotRecord | None = (
        current_record(directory, manifest)
        if path == manifest.graph
        else read_record(directory, path)
    )
    assert record is not None
    schema = read_label_schema(join(place_of(directory, path), GRAPH_SCHEMA_FILE))
    return FinishedRun(directory, manifest, record, schema)


@dataclass
class Differences:
    """What differs between two graphs, in files of a temporary folder.

    Attributes:
        sides: the graphs.
        counts: rows by table (`documents`, `entities`, `relations`) and change.
        options: options of the builds that differ: name, value before, value after.
    """

    sides: Sides
    counts: dict[str, dict[str, int]]
    options: dict[str, tuple[object, object]]
    _folder: Path

    @property
    def are_equal(self) -> bool:
        """Whether nothing differs."""
        return not any(count for of in self.counts.values() for count in of.values())

    def rows(self, table: str) -> Iterator[pa.Table]:
        """The changes of a table, part by part, in an order that follows from the ids.

        Args:
            table: `documents`, `entities` or `relations`.
        """
        path = self._folder / f"{table}.changes"
        with pa.ipc.open_stream(str(path)) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])


def differences(sides: Sides, folder: Path, tolerance: float = 0.0) -> Differences:
    """Compares two graphs.

    A document has changed if its text or the model that read it has. An entity has changed if its
    name, type or IRI elsewhere has, and a fact if its confidence has.

    Args:
        sides: the graphs.
        folder: an empty folder on a local disk, which must stay while the result is used.
        tolerance: confidences that differ by no more than this count as equal.
    """
    compare = _Comparison(sides, folder)
    counts = {
        "documents": compare.documents(),
        "entities": compare.entities(),
        "relations": compare.facts(tolerance),
    }
    return Differences(sides, counts, _options(sides), folder)


def _options(sides: Sides) -> dict[str, tuple[object, object]]:
    """The recorded options of the two builds that differ, by flat name."""
    before, after = (_flat(side.build.options) for side in sides)
    names = sorted(set(before) | set(after))
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name) and name not in _NO_CAUSE
    }


def _flat(options: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


class _Comparison:
    """Joins the tables of two graphs part by part, and writes what differs."""

    def __init__(self, sides: Sides, folder: Path):
        self._sides = sides
        self._folder = folder

    def documents(self) -> dict[str, int]:
        """Writes the changes of `documents`."""

        def changes(before: pa.Table, after: pa.Table, _: int) -> pa.Table:
            joined = _joined(before, after, "document_id")
            is_changed = _differs(joined, ("content_hash", "model_hash"))
            rows = _with_change(joined, is_changed)
            title = pc.coalesce(rows["title"], rows["title_before"])
            return pa.table([rows["change"], rows["document_id"], title], DOCUMENT_CHANGES)

        return self._compare("documents", _DOCUMENT_COLUMNS, DOCUMENT_CHANGES, changes)

    def entities(self) -> dict[str, int]:
        """Writes the changes of `entities`."""

        def changes(before: pa.Table, after: pa.Table, _: int) -> pa.Table:
            joined = _joined(before, after, "entity_id")
            rows = _with_change(joined, _differs(joined, ("name", "type", "same_as")))
            columns = [rows["change"], rows["entity_id"]]
            columns += [pc.coalesce(rows[n], rows[f"{n}_before"]) for n in ("kind", "name", "type")]
            is_changed = pc.equal(rows["change"], "changed")
            nothing = pa.scalar(None, pa.string())
            columns += [
                pc.if_else(is_changed, rows[f"{n}_before"], nothing) for n in ("name", "type")
            ]
            return pa.table(columns, ENTITY_CHANGES)

        return self._compare("entities", _ENTITY_COLUMNS, ENTITY_CHANGES, changes)

    def facts(self, tolerance: float) -> dict[str, int]:
        """Writes the changes of `relations`, with the documents whose evidence differs."""
        # Facts and their triples meet in the same parts.
        size = max(self._size("relations"), self._size("triples"))
        triples = self._spilt("triples", "relation_id", _TRIPLE_COLUMNS, size)

        def changes(before: pa.Table, after: pa.Table, number: int) -> pa.Table:
            joined = _joined(before, after, "relation_id")
            by = pc.abs(pc.subtract(joined["confidence"], joined["confidence_before"]))
            is_changed = pc.fill_null(pc.greater(by, pa.scalar(tolerance, pa.float32())), False)
            rows = _with_change(joined, is_changed)
            columns = [rows["change"], rows["relation_id"]]
            columns += [
                pc.coalesce(rows[name], rows[f"{name}_before"])
                for name in ("subject_id", "predicate", "object_id")
            ]
            columns += [rows["confidence_before"], rows["confidence"]]
            columns.append(_causes(triples, number, rows["relation_id"]))
            return pa.table(columns, FACT_CHANGES)

        return self._compare("relations", _FACT_COLUMNS, FACT_CHANGES, changes, size)

    def _size(self, table: str) -> int:
        return max(sum(count_rows(part) for part in side.parts([table])) for side in self._sides)

    def _spilt(self, table: str, key: str, columns: Sequence[str], rows: int) -> Spill:
        """The rows of a table of both graphs, cut into parts by a column of ids."""
        folder = self._folder / table
        folder.mkdir()
        spill = Spill(folder, rows)
        shard = shard_of_documents if key == "document_id" else shard_of_hex
        for name, side in zip((_BEFORE, _AFTER), self._sides, strict=True):

            def tables(side: FinishedRun = side) -> Iterator[tuple[pa.Table, np.ndarray]]:
                for part in side.parts([table]):
                    rows = read_part(part, columns)
                    yield rows, np.asarray(shard(rows[key], spill.parts))

            spill.write(name, tables())
        return spill

    def _compare(
        self,
        table: str,
        columns: Sequence[str],
        schema: pa.Schema,
        changes: Callable[[pa.Table, pa.Table, int], pa.Table],
        size: int | None = None,
    ) -> dict[str, int]:
        """Writes the changes of a table; gives their numbers."""
        spill = self._spilt(table, columns[0], columns, size or self._size(table))
        empty = pa.schema([_field(table, name) for name in columns])
        counts = dict.fromkeys(CHANGES, 0)
        path = self._folder / f"{table}.changes"
        with pa.ipc.new_stream(str(path), schema) as writer:
            for number in range(spill.parts):
                before, after = (spill.read(name, number, empty) for name in (_BEFORE, _AFTER))
                found = changes(before, after, number).sort_by(columns[0])
                for change in CHANGES:
                    counts[change] += pc.sum(pc.equal(found["change"], change)).as_py() or 0
                writer.write_table(found)
        return counts


def _field(table: str, name: str) -> pa.Field:
    return TABLE_SCHEMAS[table].field(name)


def _joined(before: pa.Table, after: pa.Table, key: str) -> pa.Table:
    """Both rows of each id side by side: columns of the first end in `_before`."""
    before, after = (
        table.append_column("is_there", pa.repeat(True, len(table))) for table in (before, after)
    )
    names = [name if name == key else f"{name}_before" for name in before.column_names]
    return after.join(before.rename_columns(names), key, join_type="full outer")


def _differs(joined: pa.Table, names: Iterable[str]) -> pa.ChunkedArray:
    """Whether any of some columns differs between both rows of an id; nulls are values."""
    found = None
    for name in names:
        before, after = joined[f"{name}_before"], joined[name]
        is_other = pc.or_(
            pc.fill_null(pc.not_equal(before, after), False),
            pc.xor(pc.is_null(before), pc.is_null(after)),
        )
        found = is_other if found is None else pc.or_(found, is_other)
    assert found is not None
    return found


def _with_change(joined: pa.Table, is_changed: pa.ChunkedArray) -> pa.Table:
    """The rows that are new, gone or changed, with that word in the column `change`."""
    nothing = pa.scalar(None, pa.string())
    change = pc.if_else(
        pc.is_null(joined["is_there_before"]),
        "new",
        pc.if_else(
            pc.is_null(joined["is_there"]), "gone", pc.if_else(is_changed, "changed", nothing)
        ),
    )
    rows = joined.append_column("change", change)
    return rows.filter(pc.is_valid(rows["change"]))


def _causes(triples: Spill, number: int, relation_ids: pa.ChunkedArray) -> pa.Array:
    """The documents whose evidence for each fact differs between both graphs, sorted."""
    schema = pa.schema([_field("triples", name) for name in _TRIPLE_COLUMNS])
    where = pc.field("relation_id").isin(relation_ids.combine_chunks())
    before, after = (triples.read(n, number, schema).filter(where) for n in (_BEFORE, _AFTER))
    joined = _joined(before, after, "triple_id")
    is_other = pc.or_(
        pc.or_(pc.is_null(joined["is_there"]), pc.is_null(joined["is_there_before"])),
        pc.fill_null(pc.not_equal(joined["score"], joined["score_before"]), False),
    )
    joined = joined.filter(is_other)
    pairs = pa.table(
        {
            name: pc.coalesce(joined[name], joined[f"{name}_before"])
            for name in ("relation_id", "document_id")
        }
    )
    pairs = pairs.group_by(["relation_id", "document_id"]).aggregate([])
    pairs = pairs.sort_by([("relation_id", "ascending"), ("document_id", "ascending")])
    found: dict[str, list[str]] = {}
    for relation, document in zip(
        pairs["relation_id"].to_pylist(), pairs["document_id"].to_pylist(), strict=True
    ):
        found.setdefault(relation, []).append(document)
    return pa.array([found.get(id_, []) for id_ in relation_ids.to_pylist()], pa.list_(pa.string()))
