"""Why two names may be of one thing: kinds by which missed and false merges are listed."""

from __future__ import annotations

from typing import NamedTuple

from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.names.known_names import known_thing
from pfn_kg.transforms.names.short_forms import abbreviates, form_of

#: The kinds, in the order in which the first that holds counts.
KINDS = (
    "homonym",
    "type",
    "demonym",
    "abbreviation",
    "translation",
    "person",
    "place",
    "part",
    "other",
)
# Letters that an adjective has in common with its place, such as Paris and Parisian.
_STEM = 4


class Named(NamedTuple):
    """A name as it stands in a text, and its type."""

    name: str
    type: str


class NameKinds:
    """Tells the kind of two names.

    Args:
        keys: of names.
    """

    def __init__(self, keys: EntityKeys):
        self._keys = keys

    def of(self, one: Named, other: Named) -> str:
        """One of KINDS; the same whichever name comes first.

        `homonym`: equal names of one type. `type`: equal names of two types. `demonym`: a place and
        its people or adjective. `abbreviation`: an acronym, or a short form that everybody knows.
        `translation`: another name of one country or body. `person`: names of people that share a
        word. `place`: names of places of which one has the words of the other. `part`: the same of
        other types.
        """
        keys = [self._keys.key(named.name, named.type) for named in (one, other)]
        if keys[0] == keys[1]:
            return "homonym" if one.type == other.type else "type"
        known = [known_thing(key) for key in keys]
        if known[0] is not None and known[1] is not None and known[0].key == known[1].key:
            forms = {known[0].form, known[1].form}
            for form, kind in (("demonym", "demonym"), ("abbreviation", "abbreviation")):
                if form in forms:
                    return kind
            return "translation"
        kinds = {self._keys.kinds.get(named.type) for named in (one, other)}
        words = [key.split() for key in keys]
        if _is_stem(*words) and "place" in kinds:
            return "demonym"
        if self._is_acronym(one, other, keys) or self._is_acronym(other, one, keys[::-1]):
            return "abbreviation"
        shared = set(words[0]) & set(words[1])
        is_part = shared in (set(words[0]), set(words[1]))
        if kinds == {"person"}:
            return "person" if shared else "other"
        if kinds == {"place"}:
            return "place" if is_part else "other"
        return "part" if is_part else "other"

    def _is_acronym(self, short: Named, long: Named, keys: list[str]) -> bool:
        form = form_of(short.name, keys[0], None)
        return bool(form.acronym) and " " in keys[1] and abbreviates(form.acronym, long.name)


def _is_stem(one: list[str], other: list[str]) -> bool:
    if len(one) != 1 or len(other) != 1 or one[0] == other[0]:
        return False
    return one[0][:_STEM] == other[0][:_STEM] and min(len(one[0]), len(other[0])) >= _STEM
