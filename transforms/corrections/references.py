"""Entities and values by the names that corrections give them."""

from __future__ import annotations

from collections.abc import Mapping

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.canonical_names import CanonicalEntity, canonical_entity
from pfn_kg.transforms.names.name_keys import name_key


class References:
    """What a name and a type denote in one build.

    Args:
        label_schema: of the graph.
        names: what is taken off a name.
        heirs: for the id that a name's own key gives, the id of the entity that its mentions go to
            by alias table or near names.
    """

    def __init__(
        self,
        label_schema: LabelSchema,
        names: NameRules,
        heirs: Mapping[bytes, bytes] | None = None,
    ):
        self._types = {t.name: t for t in label_schema.entity_types}
        self._rules = names
        self._heirs = heirs or {}

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

    def place(self, name: str, type_name: str) -> bytes:
        """The id of the entity that mentions of a name go to before corrections."""
        id_ = self.entity(name, type_name).id
        return self._heirs.get(id_, id_)
