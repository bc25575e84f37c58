"""Mentions that a relation wants to be places: "German" in "a German writer" as a country.

A model may type an adjective or a people as one of several things. Where it states a relation that
has places at that end, such as the country of a citizen, the name is that of the place. An end has
places if nearly all arguments that the label schema counted there are, or if it allows no others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.facts.document_rules import TripleColumns

#: The share of places at an end from which on it wants one. Of Re-DocRED's relations, `country` has
#: 99 %, and `ethnic_group` 57 %.
LEAST_SHARE = 0.9


class PlaceEnds(NamedTuple):
    """The ends of relations that want places.

    Attributes:
        subjects: for each relation the type of places that it has as subjects; None if it has
            others.
        objects: the same of its objects.
    """

    subjects: list[str | None]
    objects: list[str | None]

    @classmethod
    def of(cls, label_schema: LabelSchema, relations: list[str]) -> PlaceEnds:
        """Those of a label schema.

        Args:
            label_schema: with the types of arguments.
            relations: names of the relations, in the order of their codes.
        """
        places = {t.name for t in label_schema.entity_types if t.names == "place"}
        ends: list[list[str | None]] = [[], []]
        for name in relations:
            arguments = label_schema.relation(name).arguments
            for side, end in enumerate(("subject", "object")):
                counts: dict[str, int] = {}
                for pair in arguments:
                    type_ = getattr(pair, end)
                    counts[type_] = counts.get(type_, 0) + pair.count
                ends[side].append(_place_type(counts, places))
        return cls(*ends)


def _place_type(counts: dict[str, int], places: set[str]) -> str | None:
    """The type of places that an end wants, if it does, by the counts of all types there."""
    here = sorted(places & counts.keys(), key=lambda name: (-counts[name], name))
    if not here:
        return None
    total = sum(counts.values())
    is_wanted = (
        sum(counts[name] for name in here) >= LEAST_SHARE * total
        if total
        else places >= counts.keys()
    )
    return here[0] if is_wanted else None


class WantedPlaces(NamedTuple):
    """Mentions that take part in triples where their end wants a place.

    Attributes:
        mentions: their positions, in order.
        types: for each, the type of places; of several the first by name.
    """

    mentions: np.ndarray
    types: list[str]

    @classmethod
    def of(cls, triples: TripleColumns, ends: PlaceEnds) -> WantedPlaces:
        """Those of the triples of a chunk."""
        wanted: dict[int, str] = {}
        for positions, types in (
            (triples.subjects, ends.subjects),
            (triples.objects, ends.objects),
        ):
            for code, type_ in enumerate(types):
                if type_ is None:
                    continue
                for position in np.unique(positions[triples.relations == code]).tolist():
                    wanted[position] = min(type_, wanted.get(position, type_))
        ordered = sorted(wanted)
        return cls(np.array(ordered, dtype=np.int64), [wanted[p] for p in ordered])

    @classmethod
    def none(cls) -> WantedPlaces:
        """No mention."""
        return cls(np.empty(0, dtype=np.int64), [])
