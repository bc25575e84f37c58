"""Names that everybody knows: countries, their parts and peoples, and a few bodies and wars.

Several names are of one thing whatever document they stand in: "U.S.", "USA" and "Vereinigte
Staaten" are the United States. An adjective or a people, such as "American", is the country where
a place is meant, and a people otherwise.

The tables are in `data/`: places.tsv and others.tsv are our own, territories.tsv is Unicode's CLDR
(`examples/names/make_territories.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Literal, NamedTuple

from pfn_kg.schemas.label_schema import NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.name_keys import name_key

#: The rules of this module, as they are called where a name is said to be joined.
KNOWN_NAMES, DEMONYMS = "known_names", "demonyms"

_DATA = "pfn_kg.transforms.names"
# Keys as all documents have them, whatever rules are on.
_RULES = NameRules()

Form = Literal["name", "abbreviation", "demonym", "foreign"]


class KnownName(NamedTuple):
    """What a name is known to be of.

    Attributes:
        name: the thing's name in English, as it is displayed if texts have none.
        key: the key of that name.
        form: whether the name is one of English, short for it, an adjective or people, or a name in
            another language.
        is_place: whether the thing is a place.
    """

    name: str
    key: str
    form: Form
    is_place: bool

    @property
    def rule(self) -> str:
        """The rule that speaks of the name."""
        return DEMONYMS if self.form == "demonym" else KNOWN_NAMES


def known_name(key: str, kind: NameKind | None, rules: NameRules) -> KnownName | None:
    """What a name is known to be of, as far as the type of its mentions lets it be that.

    A name of one word that organisations may have as well, such as "America", says nothing of one.

    Args:
        key: of the name.
        kind: what the names of its type are like.
        rules: which of these rules are on.

    Returns:
        None if nothing is known, and for the name that the thing itself has.
    """
    if kind == "person" or not (rules.known_names or rules.demonyms):
        return None
    known = _known().get(key)
    if known is None or known.key == key:
        return None
    if known.form == "demonym":
        return known if rules.demonyms and kind == "place" else None
    if not rules.known_names:
        return None
    if known.form == "foreign":
        return known if kind == "place" else None
    if kind == "organization" and known.is_place and known.form == "name" and " " not in key:
        return None
    return known


def known_thing(key: str) -> KnownName | None:
    """What a name is of if it is one that everybody knows, whatever its type and the rules."""
    return _known().get(key)


@lru_cache(maxsize=1)
def _known() -> dict[str, KnownName]:
    """What each name is of; the first row that has a name decides."""
    known: dict[str, KnownName] = {}
    names_of_code: dict[str, KnownName] = {}
    for table in ("places.tsv", "others.tsv"):
        for code, name, others, short, demonyms in _rows(table):
            of_name = KnownName(name, _key(name), "name", table == "places.tsv")
            known.setdefault(of_name.key, of_name)
            if code:
                names_of_code[code] = of_name
            forms: dict[Form, str] = {"name": others, "abbreviation": short, "demonym": demonyms}
            for form, cell in forms.items():
                for other in _names(cell):
                    known.setdefault(_key(other), of_name._replace(form=form))
    for code, names in _rows("territories.tsv"):
        for name in _names(names):
            known.setdefault(_key(name), names_of_code[code]._replace(form="foreign"))
    return known


def _rows(table: str) -> Iterator[list[str]]:
    text = files(_DATA).joinpath("data", table).read_text(encoding="utf-8")
    return (line.split("|") for line in text.splitlines() if not line.startswith("#"))


def _names(cell: str) -> Iterator[str]:
    return filter(None, cell.split(";"))


def _key(name: str) -> str:
    return name_key(name, None, _RULES)
