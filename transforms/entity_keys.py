"""The key and the id that a name has by itself, as `transforms.resolve` gives them to mentions.

Whoever looks entities up by a name asks here, so that a name finds what its mentions
are of.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.label_schema import LabelSchema
from transforms.canonicalise import canonical_name, canonicalise


class EntityKeys(NamedTuple):
    """Keys of names in one build.

    Attributes:
        types: names of the types of entities; values have no names.
    """

    types: tuple[str, ...]

    @classmethod
    def of(cls, label_schema: LabelSchema) -> EntityKeys:
        """Those of a label schema."""
        return cls(tuple(t.name for t in label_schema.entity_types if t.kind == "entity"))

    def key(self, name: str, type_name: str | None) -> str:
        """The name in canonical form; without a type, what all types have in common."""
        return canonical_name(name)

    def id(self, name: str, type_name: str) -> bytes:
        """The id of the entity that a mention of this text and type is of."""
        return canonicalise(name, type_name, "entity", None).id
