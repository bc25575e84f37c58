"""Makes transforms/names/data/territories.tsv of Unicode's CLDR, as Babel ships it.

    python examples/names/make_territories.py > transforms/names/data/territories.tsv

A row is the code of a territory that places.tsv has and its names in LANGUAGES that differ from
the English one. Left out are names that are of two territories, names that places.tsv has in
another row, and NOT_NAMES, which English texts use for something else.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import babel
from babel import Locale

LANGUAGES = (
    *("ar", "bg", "ca", "cs", "da", "de", "el", "es", "et", "fi", "fr", "he", "hr", "hu", "it"),
    *("ja", "ko", "lt", "lv", "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "tr", "uk"),
    "zh",
)
#: Iceland, Mauritius, Grenada, El Salvador and Germany in other languages.
NOT_NAMES = frozenset((
    *("island", "maurice", "mauricio", "maurici", "granada", "grenade", "salvador", "germania"),
))  # fmt: skip
#: Shorter names in Latin letters are more often something else.
LEAST_LETTERS = 4
PLACES = Path(__file__).parents[2] / "transforms" / "names" / "data" / "places.tsv"


def main() -> None:
    codes, taken = {}, defaultdict(set)
    for line in PLACES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        code, name, *cells = line.split("|")
        for known in (name, *(part for cell in cells for part in cell.split(";") if part)):
            taken[known.lstrip("!").casefold()].add(code or name)
        if code:
            codes[code] = name
    names = {
        code: {
            Locale(language).territories.get(code, english).split(" (")[0] for language in LANGUAGES
        }
        for code, english in codes.items()
    }
    for code, of_code in names.items():
        for name in of_code:
            taken[name.casefold()].add(code)
    print(f"# Made by examples/names/make_territories.py of Babel {babel.__version__}'s CLDR;")
    print("# licence in CLDR_LICENSE.txt. Columns: code, names in other languages.")
    for code, of_code in sorted(names.items()):
        kept = sorted(
            name
            for name in of_code
            if name != codes[code]
            and taken[name.casefold()] == {code}
            and name.casefold() not in NOT_NAMES
            and (len(name) >= LEAST_LETTERS or not name.isascii())
            and not {"|", ";"} & set(name)
        )
        print(f"{code}|{';'.join(kept)}")
    print(f"{sum(map(len, names.values()))} names", file=sys.stderr)


if __name__ == "__main__":
    main()
