"""GeoNames' tables, such as allCountries.txt: one place a line, its fields divided by tabs.

https://download.geonames.org/export/dump/readme.txt describes the fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from pfn_kg.pipeline.catalogue.records import Record, SourceEntry, Unreadable, open_source

_IRI = "https://sws.geonames.org/{}/"
_FIELDS = 19
_COUNTRY = ("PCLI", "PCLD", "PCLF", "PCLIX", "PCLS", "PCL", "TERR")


def read_geonames(path: str) -> Iterator[Record]:
    """The places of a table. It is read twice: places are related to their country and region.

    Args:
        path: of the table, which may be compressed.
    """
    above: dict[tuple[str, ...], str] = {}
    for place in _places(path):
        if not isinstance(place, Unreadable):
            _, fields = place
            if fields[7] in _COUNTRY:
                above.setdefault((fields[8],), fields[0])
            elif fields[7] in ("ADM1", "ADM2"):
                codes = fields[10:11] if fields[7] == "ADM1" else fields[10:12]
                above.setdefault((fields[8], *codes), fields[0])
    for place in _places(path):
        if isinstance(place, Unreadable):
            yield place
            continue
        number, f = place
        if not f[1].strip():
            yield Unreadable(f"line {number}", "has no name")
            continue
        population = int(f[14]) if f[14].isdigit() else 0
        names = dict.fromkeys([f[2], *f[3].split(",")])
        keys = ((f[8], f[10], f[11]), (f[8], f[10]), (f[8],))
        related = [above[key] for key in keys if key in above and above[key] != f[0]]
        yield SourceEntry(
            _IRI.format(f[0]),
            f[1],
            tuple(name for name in names if name.strip() and name != f[1]),
            (f[6], f"{f[6]}.{f[7]}"),
            population,
            tuple(_IRI.format(id_) for id_ in dict.fromkeys(related)),
        )


def _places(path: str) -> Iterator[tuple[int, list[str]] | Unreadable]:
    with open_source(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                fields = line.decode().rstrip("\r\n").split("\t")
            except UnicodeDecodeError:
                yield Unreadable(f"line {number}", "no text in UTF-8")
                continue
            if len(fields) != _FIELDS or not fields[0].isdigit():
                yield Unreadable(
                    f"line {number}", f"has {len(fields)} fields, and a place has {_FIELDS}"
                )
                continue
            yield number, fields
