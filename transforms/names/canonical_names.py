"""Entities by canonical key: which mentions are of one entity, without looking at others.

The key of an entity is its type and its name in canonical form, less what
`pfn_kg.transforms.names.name_keys` takes off; that of a value is its type, datatype and canonical
lexical form, which never meets the key of an entity.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from pfn_kg.transforms.plumbing.ids import content_id
from pfn_kg.transforms.values.normalise import normalise_value


def canonical_name(text: str) -> str:
    r"""A name without regard to case, white space and compatibility characters.

    Example:
        >>> canonical_name("Ada\n  LOVELACE")
        'ada lovelace'
    """
    if text.isascii():
        folded = text.lower()
    else:
        # Case folding can undo the normal form, so it stands between two of them.
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


class CanonicalEntity(NamedTuple):
    """What a mention's type and text say of its entity."""

    id: bytes
    kind: str
    type: str
    value: str | None
    datatype: str | None


def canonical_entity(
    text: str, type_name: str, *, kind: str, datatype: str | None, key: str | None = None
) -> CanonicalEntity:
    """The entity or value that a mention with this text and type denotes.

    Args:
        text: the text of the mention.
        type_name: its type in the label schema.
        kind: `entity` or `value`, as the label schema says of the type.
        datatype: the datatype that the label schema gives a value type.
        key: of the name of an entity, from `pfn_kg.transforms.names.name_keys.name_key`; without,
            its canonical form.
    """
    if kind == "value":
        value, parsed_as = normalise_value(text, datatype)
        id_ = content_id("value", type_name, parsed_as, value)
        return CanonicalEntity(id_, kind, type_name, value, parsed_as)
    # A name of nothing but white space has an empty key, and would meet all others.
    id_ = content_id("entity", type_name, key or canonical_name(text) or text)
    return CanonicalEntity(id_, kind, type_name, None, None)
