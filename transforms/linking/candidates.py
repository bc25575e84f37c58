"""The entries of a catalogue that a name may be of: a join by blocks of keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.transforms.linking.catalogue_file import CATALOGUE_SCHEMA, Catalogue
from pfn_kg.transforms.linking.occurrences import LOOKUP_SCHEMA
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.plumbing.ids import id_array, shard_of
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode, split

_ASKED = ("entity_id", "own_type", "key")
_FOUND = ("entry", "iri", "name", "type", "popularity", "neighbours")

#: An entry that an entity may be by one of its names.
CANDIDATE_SCHEMA = pa.schema(
    [LOOKUP_SCHEMA.field(name) for name in _ASKED]
    + [CATALOGUE_SCHEMA.field(name) for name in _FOUND]
)


def join_catalogue(
    part: tuple[int, Iterable[bytes]],
    catalogue: Catalogue,
    homes: Mapping[bytes, bytes],
    plan: Mapping[str, int],
) -> Iterator[tuple[int, bytes]]:
    """Finds the entries of names.

    Args:
        part: number of a part of the catalogue, and rows of LOOKUP_SCHEMA as Arrow IPC bytes.
        catalogue: of which the row groups that are asked are read, one after the other.
        homes: as in `by_home`.
        plan: the number of files of each table.

    Yields:
        Part of the ids, and rows of CANDIDATE_SCHEMA as Arrow IPC bytes.
    """
    lookups = decode_all(part[1])
    if lookups is None:
        return
    # Each name comes once for each chunk that has it.
    lookups = lookups.group_by(LOOKUP_SCHEMA.names, use_threads=False).aggregate([])
    for group in sorted(set(lookups["group"].to_pylist())):
        asked = lookups.filter(pc.equal(lookups["group"], group))
        yield from by_home(match(asked, catalogue.read(group)), homes, plan)


def chunks_of_entities(
    chunk: tuple[int, bytes], homes: Mapping[bytes, bytes], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """The entities of a chunk, by part of their ids.

    Args:
        chunk: its number, and rows with the column `entity_id` as Arrow IPC bytes.
        homes: as in `by_home`.
        plan: the number of files of each table.
    """
    ids = pc.unique(decode(chunk[1])["entity_id"])
    numbers = pa.array([chunk[0]] * len(ids), pa.int64())
    yield from by_home(pa.table({"entity_id": ids, "chunk": numbers}), homes, plan)


def send_to_chunks(
    group: tuple[int, Mapping[str, Iterable[bytes]]],
) -> Iterator[tuple[int, bytes]]:
    """Gives each chunk the entries that its entities may be, by names in any chunk.

    Args:
        group: part of the ids, `candidates` (CANDIDATE_SCHEMA) and `chunks`
            (`chunks_of_entities`).

    Yields:
        Number of a chunk, and rows of CANDIDATE_SCHEMA as Arrow IPC bytes.
    """
    candidates = decode_all(group[1]["candidates"])
    chunks = decode_all(group[1]["chunks"])
    if candidates is None or chunks is None:
        return
    rows_of: dict[bytes, list[int]] = {}
    for row, id_ in enumerate(candidates["entity_id"].to_pylist()):
        rows_of.setdefault(id_, []).append(row)
    by_chunk: dict[int, list[int]] = {}
    for id_, chunk in zip(
        chunks["entity_id"].to_pylist(), chunks["chunk"].to_pylist(), strict=True
    ):
        by_chunk.setdefault(chunk, []).extend(rows_of.get(id_, ()))
    for chunk, rows in sorted(by_chunk.items()):
        if rows:
            yield chunk, encode(candidates.take(pa.array(rows, pa.int64())))


def by_home(
    rows: pa.Table, homes: Mapping[bytes, bytes], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Cuts rows by part of the ids of their entities.

    Args:
        rows: with the column `entity_id`.
        homes: ids that meet in the part of another id, since corrections keep them apart.
        plan: the number of files of each table.
    """
    ids = id_array(homes.get(id_, id_) for id_ in rows["entity_id"].to_pylist())
    shards = plan[SIZE_TABLE]
    yield from split(rows, shard_of(ids, shards), shards)


def match(lookups: pa.Table, entries: pa.Table) -> pa.Table:
    """The entries of each name.

    Args:
        lookups: as in LOOKUP_SCHEMA.
        entries: as in CATALOGUE_SCHEMA, sorted by block and key.

    Returns:
        Rows of CANDIDATE_SCHEMA.
    """
    entries = entries.filter(pc.is_in(entries["block"], value_set=pc.unique(lookups["block"])))
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(entries["key"].to_pylist()):
        rows_of.setdefault(key, []).append(row)
    asked, found = [], []
    for row, key in enumerate(lookups["key"].to_pylist()):
        for of_key in rows_of.get(key, ()):
            asked.append(row)
            found.append(of_key)
    left = lookups.take(pa.array(asked, pa.int64()))
    right = entries.take(pa.array(found, pa.int64()))
    columns = [left[name] for name in _ASKED] + [right[name] for name in _FOUND]
    return pa.table(columns, schema=CANDIDATE_SCHEMA)
