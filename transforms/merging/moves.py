"""Which chunks the ids that move occur in, so that each chunk learns its own moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import ID_TYPE, Move
from pfn_kg.transforms.merging.components import by_shard, links_of
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode


def chunks_of_ids(part: int, names: bytes) -> tuple[int, bytes]:
    """The distinct pairs of id and chunk of some names.

    Args:
        part: part of the ids.
        names: rows of CHUNK_NAME_SCHEMA as Arrow IPC bytes.

    Returns:
        The part, and the columns `entity_id` and `chunk` as Arrow IPC bytes.
    """
    rows = decode(names).select(["entity_id", "chunk"])
    return part, encode(rows.group_by(["entity_id", "chunk"], use_threads=False).aggregate([]))


def route_moves(
    group: tuple[int, Mapping[str, Iterable[bytes]]], rule: str
) -> Iterator[tuple[int, list[Move]]]:
    """Gives each chunk the moves of the ids that it has.

    Args:
        group: part of the ids, and their `heirs` (LINK_SCHEMA) and `chunks` (`chunks_of_ids`).
        rule: that says who the heirs are.
    """
    chunks = decode_all(group[1]["chunks"])
    if chunks is not None:
        moves = [Move(old, heir, rule) for old, heir in links_of(group[1]["heirs"])]
        yield from moves_of_chunks(moves, chunks)


def both_ends(links: pa.Table, plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    """Links as Arrow IPC bytes, by the parts of both their ids.

    Args:
        links: rows of LINK_SCHEMA.
        plan: the number of files of each table.
    """
    for column in ("one", "other"):
        yield from by_shard(links, column, plan[SIZE_TABLE])


def moves_of_chunks(moves: Sequence[Move], chunks: pa.Table) -> Iterator[tuple[int, list[Move]]]:
    """Gives each chunk the moves of the ids that it has.

    Args:
        moves: each id once.
        chunks: columns `entity_id` and `chunk`.
    """
    if not moves:
        return
    of_id = {move.old: move for move in moves}
    rows = chunks.filter(pc.is_in(chunks["entity_id"], value_set=pa.array(of_id, ID_TYPE)))
    by_chunk: dict[int, set[bytes]] = {}
    for id_, chunk in zip(rows["entity_id"].to_pylist(), rows["chunk"].to_pylist(), strict=True):
        by_chunk.setdefault(chunk, set()).add(id_)
    for chunk, ids in sorted(by_chunk.items()):
        yield chunk, [of_id[id_] for id_ in sorted(ids)]
