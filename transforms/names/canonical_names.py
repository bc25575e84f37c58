"""Entities by canonical key: which mentions are of one entity, without looking at others.

The key of an entity is its type and its name in canonical form, less what
`pfn_kg.transforms.names.name_keys` takes off; that of a value is its type, datatype and canonical
lexical form, which never meets the key of an entity.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from pfn_kg.schemas.characters import UNSEEN
from pfn_kg.transforms.plumbing.ids import content_id
from pfn_kg.transforms.values.normalise import normalise_value

# What no reader sees, and the rest of Default_Ignorable_Code_Point (DerivedCoreProperties.txt):
# joiners of graphemes, fillers, variation selectors.
_IGNORED = re.compile(
    rf"[{UNSEEN}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0"
    r"\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Characters that people and programs type for one another: apostrophes (accents and the okina
# that stand alone among them), quotation marks, and hyphens.
_ALIKE = {
    **dict.fromkeys("\u2018\u2019\u201b\u02bb\u02bc\u02bd\u2032`\u00b4\u1fef\u1ffd", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
    **dict.fromkeys("\u2010\u2011", "-"),
}
_HAS_ALIKE = re.compile(f"[{''.join(_ALIKE)}]")
# Dashes and the minus sign are hyphens inside a word, and something else between two.
_INNER_DASH = re.compile(r"[\u2012\u2013\u2212](?<=\w.)(?=\w)")


def plain_name(text: str) -> str:
    """A name without regard to how its characters are encoded or typed.

    Characters that cannot be seen go; compatibility characters are normalised (NFKC); apostrophes,
    quotation marks and hyphens of all kinds become those of ASCII. Case stays, and what white
    space there is.

    Example:
        >>> plain_name("O\u2019Brien") == plain_name("O'Brien")
        True
    """
    if text.isascii():
        seen = text if text.isprintable() else _IGNORED.sub("", text)
        return seen.replace("`", "'")
    # Before NFKC, which makes a space and a combining accent of an accent that stands alone, and
    # after it, since it makes more of these characters.
    seen = _with_ascii(_IGNORED.sub("", text))
    folded = _with_ascii(unicodedata.normalize("NFKC", seen))
    return _INNER_DASH.sub("-", folded)


def _with_ascii(text: str) -> str:
    return _HAS_ALIKE.sub(lambda match: _ALIKE[match[0]], text)


def canonical_name(text: str) -> str:
    r"""A name without regard to case, white space, and how its characters are encoded or typed.

    Example:
        >>> canonical_name("Ada\n  LOVELACE")
        'ada lovelace'
    """
    folded = plain_name(text)
    if folded.isascii():
        folded = folded.lower()
        if folded.isprintable() and "  " not in folded and folded == folded.strip(" "):
            return folded  # in printable ASCII, only the space is white space
    else:
        # Case folding can undo the normal form.
        folded = unicodedata.normalize("NFKC", folded.casefold())
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
