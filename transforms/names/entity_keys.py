"""The key and the id that a name has by itself, as mentions of it get them.

Whoever looks entities up by a name asks here, so that a name finds what its mentions
are of.
"""

from __future__ import annotations

from typing import NamedTuple

from pfn_kg.schemas.label_schema import LabelSchema, NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.canonical_names import CanonicalEntity, canonical_entity
from pfn_kg.transforms.names.known_names import KnownName, known_name
from pfn_kg.transforms.names.name_keys import name_key


class EntityKeys(NamedTuple):
    """Keys of names in one build.

    Attributes:
        kinds: of each type of entities what its names are like; values have no names.
        rules: what is taken off a name.
        released: ids of keys that stay what they are, whatever is known of their names.
    """

    kinds: dict[str, NameKind | None]
    rules: NameRules
    released: frozenset[bytes] = frozenset()

    @classmethod
    def of(
        cls,
        label_schema: LabelSchema,
        rules: NameRules,
        released: frozenset[bytes] = frozenset(),
    ) -> EntityKeys:
        """Those of a label schema."""
        kinds = {t.name: t.names for t in label_schema.entity_types if t.kind == "entity"}
        return cls(kinds, rules, released)

    def key(self, name: str, type_name: str | None) -> str:
        """The key of a name; without a type, what all types have in common."""
        return name_key(name, self.kinds.get(type_name or ""), self.rules)

    def id(self, name: str, type_name: str) -> bytes:
        """The id of the entity that a mention of this text and type is of."""
        key = self.key(name, type_name)
        return canonical_entity(name, type_name, kind="entity", datatype=None, key=key).id

    def known(self, name: str, type_name: str) -> KnownName | None:
        """What a name is known to be of, unless its key is the thing's own or released."""
        known = known_name(self.key(name, type_name), self.kinds.get(type_name), self.rules)
        if known is None or self.id(name, type_name) in self.released:
            return None
        return known

    def home(self, name: str, type_name: str) -> bytes:
        """The id of the entity that mentions of a name go to: that of its key, or of what is known.

        What depends on the document, such as short forms, comes before that; alias table, near
        names and corrections come after it.
        """
        known = self.known(name, type_name)
        if known is None:
            return self.id(name, type_name)
        return known_entity(known, type_name).id


def known_entity(known: KnownName, type_name: str) -> CanonicalEntity:
    """The entity of a type that a name is known to be of."""
    return canonical_entity(known.name, type_name, kind="entity", datatype=None, key=known.key)
