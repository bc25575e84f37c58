"""The options that make entities with different keys one."""

from __future__ import annotations

from typing import NamedTuple

from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.transforms.names.entity_keys import EntityKeys

#: The table whose number of files is the number of parts that entities are divided into.
SIZE_TABLE = "entities"


class MergeOptions(NamedTuple):
    """An alias table, the comparison of near names, or both.

    Attributes:
        keys: of names.
        alias_keys: a Parquet file of `pfn_kg.transforms.merging.alias_table.KEY_SCHEMA`, if any.
        alias_groups: how many row groups that file has.
        near_names: how alike names must be; None compares none.
    """

    keys: EntityKeys
    alias_keys: str | None = None
    alias_groups: int = 0
    near_names: NearNameOptions | None = None
