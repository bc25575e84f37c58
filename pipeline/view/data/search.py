"""Entities and values by name: prefixes of any word, without case and accents, misspelt."""

from __future__ import annotations

from typing import Any, NamedTuple

from pfn_kg.pipeline.view.data.store import Store
from pfn_kg.pipeline.view.index.build import MOST_FOUND, POPULAR_CHARACTERS
from pfn_kg.transforms.names.search_forms import KEY_CHARACTERS, search_form, words_of

# Follows all that begins with a prefix, in the order of bytes.
_LAST = "\U0010ffff"
# Ranks of `keys` are 0 to 3; a match of less than the whole key comes after those.
_PREFIX_RANK = 4
# A misspelt word has at least so many letters, and two mistakes only if it has more.
_SHORTEST, _LONG = 4, 8
_MOST_CANDIDATES = 24
#: Rows that a search looks at of each word, those with the most mentions first.
_MOST_OF_WORD = 20_000

_NODE = """
SELECT n.number, n.entity_id AS id, n.kind, n.name, n.type, n.mentions, n.documents,
    n.facts_out + n.facts_in AS facts FROM nodes n
"""

_MATCHES = "SELECT * FROM keys WHERE key >= ? AND key < ?"
# The same where that would be too many.
_POPULAR_MATCHES = """
SELECT * FROM keys WHERE key = ?
UNION ALL
SELECT '', one.entity, one.rank, -one.mentions FROM (
    SELECT unnest(best) AS one FROM popular WHERE prefix = ?
)
"""


class Found(NamedTuple):
    """The answer to a search.

    Attributes:
        rows: entities and values, the best match first.
        corrected: words that are close to misspelt ones of the query; empty if it was found
            as it is.
    """

    rows: list[dict[str, Any]]
    corrected: list[str]


def search(
    store: Store, text: str, *, limit: int = 20, kind: str | None = None, type_: str | None = None
) -> Found:
    """Looks up entities and values by a name or a part of one.

    First come those with exactly the name, then with exactly an alias or value, then those of
    which a name begins so, then those of which a later word does; among equals the one with
    most mentions comes first. Where too few are found, names follow that have all words of the
    query in any order, and then such with a typing error in a word.

    Args:
        store: the graph.
        text: what someone typed; nothing finds the entities with the most mentions.
        limit: most rows.
        kind: `entity` or `value` alone.
        type_: of this type alone.
    """
    form = search_form(text)[:KEY_CHARACTERS]
    condition, values = _wanted(kind, type_)
    if not form:
        query = f"{_NODE} WHERE {condition} ORDER BY n.mentions DESC, n.number LIMIT ?"
        return Found(_plain(store.rows(query, [*values, limit])), [])
    found = {row["number"]: row for row in _by_prefix(store, form, condition, values, limit)}
    words = words_of(form)
    if len(found) < limit and len(words) > 1:
        groups = [[word] for word in words]
        _add(found, _by_words(store, groups, condition, values, limit), limit)
    corrected: list[str] = []
    if not found:
        groups = [_close_words(store, word) for word in words]
        if words and all(groups):
            _add(found, _by_words(store, groups, condition, values, limit), limit)
        if found:
            corrected = sorted({word for group in groups for word in group} - set(words))
    return Found(_plain(list(found.values())), corrected)


def _wanted(kind: str | None, type_: str | None) -> tuple[str, list[str]]:
    parts = [("n.kind = ?", kind), ("n.type = ?", type_)]
    given = [(part, value) for part, value in parts if value is not None]
    return " AND ".join(part for part, _ in given) or "true", [value for _, value in given]


def _by_prefix(
    store: Store, form: str, condition: str, values: list[str], limit: int
) -> list[dict[str, Any]]:
    """Entities with a key that begins so: exactly this one first."""
    is_all = condition == "true"
    matches, parameters = _MATCHES, [form, form + _LAST]
    if is_all and len(form) <= POPULAR_CHARACTERS and limit <= MOST_FOUND:
        popular = store.row("SELECT 1 FROM popular WHERE prefix = ?", [form])
        if popular is not None:
            matches, parameters = _POPULAR_MATCHES, [form, form]
    filtered = "" if is_all else f"JOIN nodes n ON n.number = k.entity AND {condition}"
    # The best numbers are found before their names are looked up.
    query = f"""
        WITH best AS (
            SELECT k.entity, any_value(k.mentions) AS mentions, min(
                CASE WHEN k.key = ? THEN k.rank ELSE {_PREFIX_RANK} + k.rank END
            ) AS rank
            FROM ({matches}) k {filtered} GROUP BY k.entity
            ORDER BY rank, mentions DESC, k.entity LIMIT ?
        )
        {_NODE} JOIN best b ON n.number = b.entity ORDER BY b.rank, b.mentions DESC, n.number
    """
    return store.rows(query, [form, *parameters, *values, limit])


def _by_words(
    store: Store, groups: list[list[str]], condition: str, values: list[str], limit: int
) -> list[dict[str, Any]]:
    """Entities with a word of each group, at the begin of any word of one of their names."""
    parts = []
    parameters: list[Any] = []
    for group in groups:
        # One look for each word, as in _close_words.
        looks = " UNION ALL ".join([f"({_MATCHES})"] * len(group))
        parts.append(f"SELECT entity FROM ({looks}) ORDER BY mentions DESC LIMIT {_MOST_OF_WORD}")
        parameters += [bound for word in group for bound in (word, word + _LAST)]
    query = f"""
        {_NODE} JOIN ({" INTERSECT ".join(f"({part})" for part in parts)}) b
            ON n.number = b.entity
        WHERE {condition} ORDER BY n.mentions DESC, n.number LIMIT ?
    """
    return store.rows(query, [*parameters, *values, limit])


def _close_words(store: Store, word: str) -> list[str]:
    """Words of names that differ from a word by a typing error: the word itself, if there is one.

    Two words that become equal when each loses at most one letter differ by one letter added,
    left out, changed or swapped with the next, or by one added here and one left out there.
    """
    if store.row("SELECT 1 FROM keys WHERE key >= ? AND key < ? LIMIT 1", [word, word + _LAST]):
        return [word]
    if len(word) < _SHORTEST or not any(c.isalpha() for c in word):
        return []
    shorter = sorted({word[:i] + word[i + 1 :] for i in range(len(word))} | {word})
    most = 1 if len(word) < _LONG else 2
    # One look for each hash finds its place in the sorted table; a list of them reads all of it.
    looks = " UNION ALL ".join(["SELECT word FROM misspelt WHERE hash = hash(?)"] * len(shorter))
    # Materialised, or each look would compare all words before it looks.
    query = f"""
        WITH near AS MATERIALIZED ({looks})
        SELECT DISTINCT word, damerau_levenshtein(word, ?) AS distance FROM near
        WHERE distance <= ? ORDER BY distance, word LIMIT {_MOST_CANDIDATES}
    """
    rows = store.rows(query, [*shorter, word, most])
    # Of words with one mistake those with two are no rivals.
    return [row["word"] for row in rows if row["distance"] == rows[0]["distance"]]


def _add(found: dict[int, dict[str, Any]], rows: list[dict[str, Any]], limit: int) -> None:
    for row in rows:
        if len(found) < limit:
            found.setdefault(row["number"], row)


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "number"} for row in rows]
