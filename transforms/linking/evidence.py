"""How well the entries of a catalogue fit a name: by popularity, type, and what stands around it.

An entry is supported by another name of the document if that name may be an entry that is related
to it in the catalogue. Each other name counts once, by the prior probability of its best related
entry. Sums are whole numbers, so that they do not depend on the order of documents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.transforms.linking.catalogue_file import MOST_ENTRIES

#: What one name of full probability supports an entry by.
UNIT = 1000

# Entries of other names that one related entry is compared with.
_MOST_RELATED = 64


class Entry(NamedTuple):
    """An entry that a name may be of.

    Attributes:
        entry: hash of its IRI.
        iri: what names it.
        name: what the catalogue calls it.
        type: an entity type; None is unknown.
        popularity: 0 or more.
        neighbours: hashes of the IRIs of related entries.
    """

    entry: int
    iri: str
    name: str
    type: str | None
    popularity: int
    neighbours: frozenset[int]


class Named(NamedTuple):
    """An entity by name, with the entries that it may be.

    Attributes:
        id: of the entity.
        type: as the model says.
        keys: of its names.
        entries: the most popular first, of these by IRI.
    """

    id: bytes
    type: str
    keys: tuple[str, ...]
    entries: tuple[Entry, ...]


class Support(NamedTuple):
    """What stands around a name for one of its entries, in parts of UNIT.

    Attributes:
        direct: by names whose entries are related to it.
        indirect: by names whose entries have a related entry in common with it.
    """

    direct: int
    indirect: int


class Weights(NamedTuple):
    """The weights of a logistic regression; an entry's logit against no entry at all.

    Attributes:
        bias: of any entry.
        popularity: of the binary logarithm of the entry's share in the greatest popularity.
        other_type: where the types of name and entry differ.
        direct: of log(1 + direct support in units).
        indirect: of log(1 + indirect support in units).
    """

    bias: float
    popularity: float
    other_type: float
    direct: float
    indirect: float


#: Fitted by `python -m benchmarks.catalogue --fit` (docs/how-to/link_a_catalogue.md).
WEIGHTS = Weights(bias=0.28, popularity=0.13, other_type=-2.49, direct=5.09, indirect=0.46)


def named_entities(candidates: pa.Table) -> dict[bytes, Named]:
    """The entities of a chunk that have entries.

    Args:
        candidates: as in `pfn_kg.transforms.linking.candidates.CANDIDATE_SCHEMA`, in any order.
    """
    types: dict[bytes, str] = {}
    keys: dict[bytes, set[str]] = {}
    entries: dict[bytes, dict[str, Entry]] = {}
    for row in candidates.to_pylist():
        id_ = row["entity_id"]
        types[id_] = row["own_type"]
        keys.setdefault(id_, set()).add(row["key"])
        known = entries.setdefault(id_, {})
        known[row["iri"]] = Entry(
            row["entry"],
            row["iri"],
            row["name"],
            row["type"],
            row["popularity"],
            frozenset(row["neighbours"] or ()),
        )
    named = {}
    for id_ in sorted(entries):
        ranked = sorted(entries[id_].values(), key=lambda e: (-e.popularity, e.iri))
        named[id_] = Named(id_, types[id_], tuple(sorted(keys[id_])), tuple(ranked[:MOST_ENTRIES]))
    return named


def features(named: Named, supports: Sequence[Support] | None = None) -> np.ndarray:
    """The features of each entry of a name, in the order of `Weights`.

    Args:
        named: the name.
        supports: of its entries; None is none.

    Returns:
        An array (entries, 5).
    """
    most = max(entry.popularity for entry in named.entries) + 1
    rows = []
    for number, entry in enumerate(named.entries):
        direct, indirect = (0, 0) if supports is None else supports[number]
        rows.append(
            (
                1.0,
                math.log2((entry.popularity + 1) / most),
                float(entry.type is not None and entry.type != named.type),
                math.log1p(direct / UNIT),
                math.log1p(indirect / UNIT),
            )
        )
    return np.array(rows, dtype=np.float64)


def probabilities(
    named: Named, supports: Sequence[Support] | None = None, weights: Weights = WEIGHTS
) -> list[float]:
    """The probability of each entry; what is missing to 1 is that of none of them.

    Args:
        named: the name.
        supports: of its entries; None is none.
        weights: of the features.
    """
    logits = [
        sum(w * f for w, f in zip(weights, row, strict=True))
        for row in features(named, supports).tolist()
    ]
    highest = max(0.0, *logits)
    odds = [math.exp(logit - highest) for logit in logits]
    total = math.fsum(odds) + math.exp(-highest)
    return [odd / total for odd in odds]


def prior_units(named: Named, weights: Weights = WEIGHTS) -> list[int]:
    """The probability of each entry without any document, in parts of UNIT."""
    return [round(UNIT * p) for p in probabilities(named, weights=weights)]


def document_supports(
    entities: Sequence[Named], units: Mapping[bytes, Sequence[int]]
) -> list[list[Support]]:
    """What the names of a document say for each other's entries.

    Args:
        entities: of one document, each once.
        units: `prior_units` of each.

    Returns:
        For each entity the supports of its entries.
    """
    # By hash of an entry: the names that may be it, and those that have an entry related to it.
    present: dict[int, list[tuple[int, int]]] = {}
    related: dict[int, list[tuple[int, int]]] = {}
    for number, named in enumerate(entities):
        for entry, weight in zip(named.entries, units[named.id], strict=True):
            if weight:
                present.setdefault(entry.entry, []).append((weight, number))
                for neighbour in entry.neighbours:
                    related.setdefault(neighbour, []).append((weight, number))
    present, related = _capped(present, entities), _capped(related, entities)
    return [
        [_support(number, entry, present, related) for entry in named.entries]
        for number, named in enumerate(entities)
    ]


def _capped(
    lists: Mapping[int, list[tuple[int, int]]], entities: Sequence[Named]
) -> dict[int, list[tuple[int, int]]]:
    """The greatest weights of each list, so that a long document costs no square."""
    return {
        hash_: sorted(of, key=lambda pair: (-pair[0], entities[pair[1]].id))[:_MOST_RELATED]
        for hash_, of in lists.items()
    }


def _support(
    own: int,
    entry: Entry,
    present: Mapping[int, list[tuple[int, int]]],
    related: Mapping[int, list[tuple[int, int]]],
) -> Support:
    direct: dict[int, int] = {}
    indirect: dict[int, int] = {}
    _raise(direct, own, related.get(entry.entry, ()))
    for neighbour in entry.neighbours:
        _raise(direct, own, present.get(neighbour, ()))
        _raise(indirect, own, related.get(neighbour, ()))
    for number in direct:
        indirect.pop(number, None)
    return Support(sum(direct.values()), sum(indirect.values()))


def _raise(best: dict[int, int], own: int, found: Iterable[tuple[int, int]]) -> None:
    for weight, number in found:
        if number != own and weight > best.get(number, 0):
            best[number] = weight
