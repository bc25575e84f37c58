"""The key and the id that a name has by itself, as mentions of it get them.

Whoever looks entities up by a name asks here, so that a name finds what its mentions
are of.
"""

from __future__ import annotations

from typing import NamedTuple

from pfn_kg.schemas.label_schema import LabelSchema, NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.canonical_names import canonical_entity
from pfn_kg.transforms.names.name_keys import name_key


class EntityKeys(NamedTuple):
    """Keys of names in one build.

    Attributes:
        kinds: of each type of entities what its names are like; values have no names.
        rules: what is taken off a name.
    """

    kinds: dict[str, NameKind | None]
    rules: NameRules

    @classmethod
    def of(cls, label_schema: LabelSchema, rules: NameRules) -> EntityKeys:
        """Those of a label schema."""
        kinds = {t.name: t.names for t in label_schema.entity_types if t.kind == "entity"}
        return cls(kinds, rules)

    def key(self, name: str, type_name: str | None) -> str:
        """The key of a name; without a type, what all types have in common."""
        return name_key(name, self.kinds.get(type_name or ""), self.rules)

    def id(self, name: str, type_name: str) -> bytes:
        """The id of the entity that a mention of this text and type is of."""
        key = self.key(name, type_name)
        return canonical_entity(name, type_name, kind="entity", datatype=None, key=key).id
