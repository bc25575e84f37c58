"""The options that make entities with different keys one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.transforms.names.entity_keys import EntityKeys

#: The table whose number of files is the number of parts that entities are divided into.
SIZE_TABLE = "entities"


class Apart(NamedTuple):
    """Entities that are never made one.

    Attributes:
        released: ids that go nowhere, whatever the alias table says.
        others: for an id, by alias table, those that near names must not make one with it.
    """

    released: frozenset[bytes] = frozenset()
    others: Mapping[bytes, frozenset[bytes]] = {}


class MergeOptions(NamedTuple):
    """An alias table, the comparison of near names, and rules across documents.

    Attributes:
        keys: of names.
        alias_keys: a Parquet file of `pfn_kg.transforms.merging.alias_table.KEY_SCHEMA`, if any.
        alias_groups: how many row groups that file has.
        near_names: how alike names must be; None compares none.
        apart: what is never made one.
    """

    keys: EntityKeys
    alias_keys: str | None = None
    alias_groups: int = 0
    near_names: NearNameOptions | None = None
    apart: Apart = Apart()

    @property
    def across_documents(self) -> bool:
        """Whether a rule is on that makes names one by what several documents say."""
        rules = self.keys.rules
        return any((rules.abbreviations, rules.middle_names, rules.type_votes, rules.similar_names))
