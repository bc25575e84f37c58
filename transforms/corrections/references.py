"""Entities and values by the names that corrections give them."""

from __future__ import annotations

from collections.abc import Mapping

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.schemas.shuffled_rows import Move
from pfn_kg.transforms.names.canonical_names import CanonicalEntity, canonical_entity
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.names.name_keys import name_key


class References:
    """What a name and a type denote in one build.

    Args:
        label_schema: of the graph.
        names: what is taken off a name.
        moves: for the id that a name gives by itself, where its mentions go by other documents,
            alias table or near names.
        released: ids of names that stay what they are, whatever is known of them.
    """

    def __init__(
        self,
        label_schema: LabelSchema,
        names: NameRules,
        moves: Mapping[bytes, Move] | None = None,
        released: frozenset[bytes] = frozenset(),
    ):
        self._types = {t.name: t for t in label_schema.entity_types}
        self._rules = names
        self._moves = moves or {}
        self._keys = EntityKeys.of(label_schema, names, released)

    def knows(self, type_name: str) -> bool:
        """Whether the label schema has a type."""
        return type_name in self._types

    def is_value(self, type_name: str) -> bool:
        """Whether a type is one of values."""
        return self._types[type_name].kind == "value"

    def entity(self, name: str, type_name: str) -> CanonicalEntity:
        """The entity of the key of a name, whatever its mentions go to.

        Raises:
            KeyError: if the label schema has no such type.
        """
        type_ = self._types[type_name]
        is_value = type_.kind == "value"
        key = None if is_value else name_key(name, type_.names, self._rules)
        return canonical_entity(name, type_name, kind=type_.kind, datatype=type_.datatype, key=key)

    def settled(self, name: str, type_name: str) -> CanonicalEntity:
        """The entity that mentions of a name go to before corrections."""
        entity = self.entity(name, type_name)
        if entity.kind == "entity":
            entity = entity._replace(id=self._keys.home(name, type_name))
        move = self._moves.get(entity.id)
        if move is None:
            return entity
        return entity._replace(id=move.heir, type=move.type or entity.type)

    def place(self, name: str, type_name: str) -> bytes:
        """The id of the entity that mentions of a name go to before corrections."""
        return self.settled(name, type_name).id
