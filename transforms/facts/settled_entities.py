"""The entities that mentions of a chunk settle in, by what is known beyond their document.

First comes what everybody knows of a name (`pfn_kg.transforms.names.known_names`), then what other
documents, the alias table and near names say (`Move`). Short forms of the document went before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pfn_kg.schemas.shuffled_rows import Move
from pfn_kg.transforms.facts.wanted_places import WantedPlaces
from pfn_kg.transforms.names.canonical_names import CanonicalEntity
from pfn_kg.transforms.names.entity_keys import EntityKeys, known_entity
from pfn_kg.transforms.names.known_names import DEMONYMS, KNOWN_NAMES, KnownName, known_name
from pfn_kg.transforms.names.short_forms import RULES as SHORT_FORMS
from pfn_kg.transforms.names.short_forms import ShortForms

#: The rule of people's corrections.
CORRECTIONS = "corrections"
#: The rules of links.
CATALOGUE, HOMONYMS = "catalogue", "homonyms"
_ABBREVIATIONS = "abbreviations"
#: The rules that make a name one of an entity's, in the order of their codes: those of documents,
#: those of everybody's knowledge, those that a `Move` has, and those that a `Link` has.
RULES = (
    *(*SHORT_FORMS, KNOWN_NAMES, DEMONYMS),
    *("aliases", "fuzzy", _ABBREVIATIONS, "middle_names", "type_votes", "similar_names"),
    *(CATALOGUE, HOMONYMS, CORRECTIONS),
)
#: The code of each rule.
RULE_CODES = {name: code for code, name in enumerate(RULES)}
#: Forms of names by which an entity is displayed.
_SHOWN = ("name", "foreign")


class SettledEntities(NamedTuple):
    """Where the mentions of a chunk settle.

    Attributes:
        entities: the distinct entities.
        numbers: for each mention, the position of its entity.
        is_own: for each mention, whether the entity may be displayed by its name.
        rules: for each mention, the code of the rule that joined its name; -1 if none did.
        counts: mentions by rules of this module: `known_names` and `demonyms`, and of the latter
            `demonyms.by_relation`.
        given: for some entities, a name that is known and that perhaps no text has.
    """

    entities: list[CanonicalEntity]
    numbers: np.ndarray
    is_own: np.ndarray
    rules: np.ndarray
    counts: Counter[str]
    given: dict[CanonicalEntity, str]

    def types(self, before: np.ndarray, type_names: Sequence[str]) -> np.ndarray:
        """The type of each mention, which is that of its entity.

        Args:
            before: codes of the types that the model gave.
            type_names: in the order of their codes.
        """
        codes = {name: code for code, name in enumerate(type_names)}
        of_entity = [codes[entity.type] for entity in self.entities]
        return np.array(of_entity, dtype=before.dtype)[self.numbers] if of_entity else before


def settled_entities(
    entities: Sequence[CanonicalEntity],
    entity_keys: Sequence[str | None],
    short: ShortForms,
    *,
    keys: EntityKeys,
    wanted: WantedPlaces,
    moves: Mapping[bytes, Move],
) -> SettledEntities:
    """Sends mentions where they settle.

    Args:
        entities: the distinct entities by the keys of names.
        entity_keys: the key of each; None for a value.
        short: the entities of mentions by the short forms of their documents.
        keys: what is known of names.
        wanted: the mentions that a relation wants to be places.
        moves: by the id of an entity.
    """
    settling = _Settling(keys, moves)
    steps = [settling.step(entity, key) for entity, key in zip(entities, entity_keys, strict=True)]
    of_entity = np.array([step.number for step in steps], dtype=np.int64)
    rule_of = np.array([step.rule for step in steps], dtype=np.int64)
    shown = np.array([step.is_shown for step in steps], dtype=bool)
    numbers, rules = short.entities, short.rules
    by_short = rules >= 0
    settled = of_entity[numbers] if len(of_entity) else numbers
    is_own = ~by_short & (shown[numbers] if len(shown) else by_short)
    if len(rule_of):
        rules = np.where(by_short, rules, rule_of[numbers])
    counts = Counter(
        {
            name: int(np.count_nonzero(~by_short & (known[numbers] if len(known) else by_short)))
            for name, known in (
                (rule, np.array([step.known == rule for step in steps], dtype=bool))
                for rule in (KNOWN_NAMES, DEMONYMS)
            )
        }
    )
    for mention, type_ in zip(wanted.mentions.tolist(), wanted.types, strict=True):
        number = int(numbers[mention])
        key = entity_keys[number]
        if by_short[mention] or key is None or keys.kinds.get(entities[number].type) == "place":
            continue
        place = settling.place(entities[number], key, type_)
        if place is not None:
            settled[mention], is_own[mention] = place.number, False
            rules[mention] = RULE_CODES[DEMONYMS]
            counts[DEMONYMS] += 1
            counts[f"{DEMONYMS}.by_relation"] += 1
    return SettledEntities(list(settling.known), settled, is_own, rules, +counts, settling.given)


class _Step(NamedTuple):
    """Where one entity goes, by which rule, and whether its name is displayed there."""

    number: int
    rule: int
    is_shown: bool
    known: str | None = None


class _Settling:
    """Gives entities their numbers as they settle."""

    def __init__(self, keys: EntityKeys, moves: Mapping[bytes, Move]):
        self._keys = keys
        self._moves = moves
        self.known: dict[CanonicalEntity, int] = {}
        self.given: dict[CanonicalEntity, str] = {}

    def step(self, entity: CanonicalEntity, key: str | None) -> _Step:
        if key is None:
            return _Step(self._number(entity), -1, True)
        kind = self._keys.kinds[entity.type]
        known = known_name(key, kind, self._keys.rules)
        if known is None or entity.id in self._keys.released:
            return self._moved(entity, -1, is_shown=True)
        return self._known(known, entity.type)

    def place(self, entity: CanonicalEntity, key: str, type_: str) -> _Step | None:
        """The place of a type that an adjective or people is of, if it is one of those."""
        known = known_name(key, "place", self._keys.rules)
        if known is None or known.form != "demonym" or entity.id in self._keys.released:
            return None
        return self._known(known, type_)

    def _known(self, known: KnownName, type_: str) -> _Step:
        entity = known_entity(known, type_)
        if entity.id not in self._moves:
            self.given[entity] = known.name
        step = self._moved(entity, RULE_CODES[known.rule], is_shown=known.form in _SHOWN)
        return step._replace(known=known.rule)

    def _moved(self, entity: CanonicalEntity, rule: int, *, is_shown: bool) -> _Step:
        move = self._moves.get(entity.id)
        if move is None:
            return _Step(self._number(entity), rule, is_shown)
        heir = entity._replace(id=move.heir, type=move.type or entity.type)
        # An abbreviation names nothing that has a full name.
        is_shown = is_shown and move.rule != _ABBREVIATIONS
        return _Step(self._number(heir), RULE_CODES[move.rule] if rule < 0 else rule, is_shown)

    def _number(self, entity: CanonicalEntity) -> int:
        return self.known.setdefault(entity, len(self.known))
