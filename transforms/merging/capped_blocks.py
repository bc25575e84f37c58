"""Blocks of names, trimmed to the number of names that are compared."""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.transforms.merging.near_name_blocks import (
    BLOCK_NAMES,
    BLOCK_SCHEMA,
    block_numbers,
)
from pfn_kg.transforms.plumbing.ranks import rank_in_runs
from pfn_kg.transforms.plumbing.shards import decode_all, encode


class CappedBlocks(beam.CombineFn):
    """Keeps the names of each block that have the lowest ids, one more than are compared.

    The result does not depend on the order of the parts, so that they may be trimmed before
    they meet. A block with BLOCK_NAMES + 1 names is known to be too large.
    """

    def create_accumulator(self) -> list[bytes]:
        """No parts."""
        return []

    def add_input(self, accumulator: list[bytes], part: bytes) -> list[bytes]:
        """Adds rows of BLOCK_SCHEMA as Arrow IPC bytes."""
        return _trim_some([*accumulator, part])

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        """Puts the parts of several accumulators together."""
        return _trim_some([part for parts in accumulators for part in parts])

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        """The rows, trimmed and in order."""
        return _trim(accumulator)


def _trim_some(parts: list[bytes]) -> list[bytes]:
    # As often as the parts beside the first outgrow it: each row is sorted a few times.
    if len(parts) > 1 and sum(map(len, parts[1:])) > max(len(parts[0]), 1 << 20):
        return [_trim(parts)]
    return parts


def _trim(parts: Iterable[bytes]) -> bytes:
    rows = decode_all(parts)
    if rows is None:
        return encode(BLOCK_SCHEMA.empty_table())
    order = ["block", "entity_id", "key", "name", "count", "is_fixed"]
    rows = rows.sort_by([(name, "ascending") for name in order]).combine_chunks()
    if not len(rows):
        return encode(rows)
    numbers = block_numbers(rows)
    # The canonical name of an alias comes once for each of its names.
    same = np.zeros(len(rows), dtype=bool)
    keys = (rows[name].combine_chunks() for name in ("entity_id", "key"))
    same[1:] = numbers[1:] == numbers[:-1]
    for key in keys:
        same[1:] &= pc.equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
    rows, numbers = rows.filter(pa.array(~same)), numbers[~same]
    return encode(rows.filter(pa.array(rank_in_runs(numbers) <= BLOCK_NAMES)))
