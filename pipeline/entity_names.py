"""Entities of a finished graph by their names."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Close names come from the entities with most mentions only, because difflib needs over a minute
# for a million names.
_COMPARED_ENTITIES = 20_000

#: How many names or entities an error message lists.
SHOWN_NAMES = 5


def places_of_name(rows: pa.Table, name: str) -> list[list[int]]:
    """The rows that have a name, in three groups.

    Args:
        rows: columns `name`, `value`, `aliases` and `mentions` of the table `entities`.
        name: the name that is looked up.

    Returns:
        The numbers of the rows with exactly this name, of those with exactly this alias or
        value, and of those that match in another case. In each group the row with most
        mentions comes first.
    """
    aliases = rows["aliases"].combine_chunks()
    of_alias, alias = pc.list_parent_indices(aliases), pc.list_flatten(aliases)

    def places(name: str, fold: Any) -> tuple[set[int], set[int]]:
        wanted = fold(pa.scalar(name))
        named, valued = (
            set(pc.indices_nonzero(pc.equal(fold(rows[column]), wanted)).to_pylist())
            for column in ("name", "value")
        )
        aliased = of_alias.filter(pc.equal(fold(alias), wanted))
        return named, valued | set(aliased.to_pylist())

    exact, others = places(name, lambda column: column)
    folded = set().union(*places(" ".join(name.split()), _fold))
    order = rows["mentions"].to_pylist() if folded or exact or others else []
    groups = (exact, others - exact, folded - others - exact)
    return [sorted(group, key=lambda place: (-order[place], place)) for group in groups]


def close_names(rows: pa.Table, name: str) -> str:
    """The end of an error message: up to SHOWN_NAMES names that are spelt nearly so.

    Names that have the given one as a part fill what is left of the list.

    Args:
        rows: columns `entity_id`, `name`, `aliases` and `mentions` of the table `entities`.
        name: the name that no row has.
    """
    order = [("mentions", "descending"), ("entity_id", "ascending")]
    folded = " ".join(name.lower().split())
    parts = rows.filter(pc.match_substring(_fold(rows["name"]), folded)) if folded else rows[:0]
    longer = parts.sort_by(order)["name"].slice(0, SHOWN_NAMES).to_pylist()
    rows = rows.sort_by(order).slice(0, _COMPARED_ENTITIES)
    known: dict[str, str] = {}
    for column in (rows["name"], rows["aliases"].combine_chunks().flatten()):
        for known_name in column.to_pylist():
            known.setdefault(known_name.lower(), known_name)
    close = [known[name] for name in get_close_matches(folded, known, n=SHOWN_NAMES)]
    shown = list(dict.fromkeys([*close, *longer]))[:SHOWN_NAMES]
    return f"; close names: {', '.join(map(repr, shown))}" if shown else ""


def _fold(column: Any) -> Any:
    return pc.utf8_lower(pc.utf8_normalize(column, "NFC"))
