"""Wikidata's JSON dump: an array with one entity a line, read line by line.

https://doc.wikimedia.org/Wikibase/master/php/docs_topics_json.html describes an entity. Labels,
aliases and claims are read; of claims those of the best rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pfn_kg.pipeline.catalogue.records import (
    Record,
    SourceEntry,
    SubclassOf,
    Unreadable,
    open_source,
)
from pfn_kg.transforms.linking.catalogue_file import MOST_NEIGHBOURS

_IRI = "http://www.wikidata.org/entity/"
_INSTANCE_OF, _SUBCLASS_OF = "P31", "P279"
# Properties whose values tell things of one name apart, the most telling ones first; others follow.
_TELLING = (
    *("P131", "P17", "P27", "P19", "P20", "P108", "P69", "P54", "P102", "P463"),
    *("P175", "P57", "P50", "P86", "P170", "P361", "P159", "P127", "P749", "P112"),
    *("P22", "P25", "P26", "P40", "P3373", "P264", "P136", "P495", "P740", "P276"),
)
_RANK = {property_: number for number, property_ in enumerate(_TELLING)}


def read_wikidata(path: str, languages: Sequence[str]) -> Iterator[Record]:
    """The items of a dump.

    Args:
        path: of the dump, which may be compressed; one entity a line, with or without the
            brackets and commas of an array.
        languages: of names; the first one that an item has a label in names it.
    """
    with open_source(path) as file:
        for number, line in enumerate(file, start=1):
            text = line.strip().rstrip(b",")
            if text in (b"", b"[", b"]"):
                continue
            try:
                item = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                yield Unreadable(f"line {number}", f"not valid JSON: {error}")
                continue
            if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                yield Unreadable(f"line {number}", "no entity of Wikidata: it has no id")
                continue
            if item.get("type", "item") == "item":
                yield from records_of(item, languages)


def records_of(
    item: Mapping[str, Any], languages: Sequence[str]
) -> Iterator[SourceEntry | SubclassOf]:
    """An item as an entry, if it has a name, and as a class, if it is one.

    Args:
        item: as in the dump.
        languages: of names.
    """
    # PHP writes an empty map as an empty list.
    claims = item.get("claims") or {}
    parents = tuple(_items(claims.get(_SUBCLASS_OF, ())))
    if parents:
        yield SubclassOf(item["id"], parents)
    labels, aliases = item.get("labels") or {}, item.get("aliases") or {}
    names: list[str] = []
    for language in languages:
        if language in labels:
            names.append(labels[language]["value"])
    for language in languages:
        names += [alias["value"] for alias in aliases.get(language, ())]
    if names:
        yield SourceEntry(
            _IRI + item["id"],
            names[0],
            tuple(dict.fromkeys(names[1:])),
            tuple(_items(claims.get(_INSTANCE_OF, ()))),
            len(item.get("sitelinks") or ()),
            tuple(_IRI + id_ for id_ in _neighbours(claims)),
        )


def _neighbours(claims: Mapping[str, Any]) -> list[str]:
    telling = sorted(
        (property_ for property_ in claims if property_ not in (_INSTANCE_OF, _SUBCLASS_OF)),
        key=lambda property_: (_RANK.get(property_, len(_RANK)), property_),
    )
    found: dict[str, None] = {}
    for property_ in telling:
        found |= dict.fromkeys(_items(claims[property_]))
        if len(found) >= MOST_NEIGHBOURS:
            break
    return list(found)[:MOST_NEIGHBOURS]


def _items(statements: Any) -> Iterator[str]:
    """The items that statements of one property name: the preferred ones, if any are."""
    known = [s for s in statements if isinstance(s, dict) and s.get("rank") != "deprecated"]
    preferred = [s for s in known if s.get("rank") == "preferred"]
    for statement in preferred or known:
        snak = statement.get("mainsnak") or {}
        value = (snak.get("datavalue") or {}).get("value")
        if isinstance(value, dict) and value.get("entity-type") == "item":
            # Old dumps have the number alone.
            yield value.get("id") or f"Q{value['numeric-id']}"
