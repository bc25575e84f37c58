"""ROR's dump of research organisations: a JSON array, of schema 1 or 2 (https://ror.readme.io)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pfn_kg.pipeline.catalogue.records import Record, SourceEntry, Unreadable, open_source
from pfn_kg.schemas.errors import ConfigurationError


def read_ror(path: str, languages: Sequence[str]) -> Iterator[Record]:
    """The organisations of a dump, which has some hundred megabytes and is read as a whole.

    Args:
        path: of the dump, which may be compressed.
        languages: of names; names without a language and acronyms are kept too.

    Raises:
        ConfigurationError: if it is no JSON array.
    """
    with open_source(path) as file:
        try:
            organisations = orjson.loads(file.read())
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{path}: not valid JSON: {error}", field="source") from None
    if not isinstance(organisations, list):
        raise ConfigurationError(f"{path}: no array of organisations", field="source")
    for number, one in enumerate(organisations, start=1):
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            yield Unreadable(f"item {number}", "no organisation: it has no id")
            continue
        names = list(dict.fromkeys(_names(one, languages)))
        if not names:
            yield Unreadable(f"item {number}", f"{one['id']} has no name in these languages")
            continue
        related = [r["id"] for r in one.get("relationships") or () if r.get("id")]
        yield SourceEntry(
            one["id"],
            names[0],
            tuple(names[1:]),
            tuple(one.get("types") or ()),
            len(related),
            tuple(dict.fromkeys([*_places(one), *related])),
        )


def _names(one: Mapping[str, Any], languages: Sequence[str]) -> Iterator[str]:
    """The names, that which ROR shows first."""
    if isinstance(one.get("name"), str):  # schema 1
        yield one["name"]
        yield from (one.get("aliases") or ())
        yield from (one.get("acronyms") or ())
        for label in one.get("labels") or ():
            if label.get("iso639") in languages:
                yield label["label"]
        return
    names = [name for name in one.get("names") or () if isinstance(name.get("value"), str)]
    shown = [name for name in names if "ror_display" in (name.get("types") or ())]
    for name in shown + names:
        if name in shown or name.get("lang") in (None, *languages):
            yield name["value"]


def _places(one: Mapping[str, Any]) -> Iterator[str]:
    for place in one.get("locations") or ():
        if place.get("geonames_id"):
            yield f"https://sws.geonames.org/{place['geonames_id']}/"
    for address in one.get("addresses") or ():  # schema 1
        city = (address.get("geonames_city") or {}).get("id")
        if city:
            yield f"https://sws.geonames.org/{city}/"
