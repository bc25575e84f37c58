"""Why a spelling belongs to an entity, told from the rules that its graph was built with.

The tables say that mentions belong together, not by which rule. The rules are a function of
the names, so the reason is found by asking them again, in the order in which a build does.
"""

from __future__ import annotations

from typing import Any

from pfn_kg.pipeline.snapshots import ALIASES_FILE
from pfn_kg.pipeline.view.data.store import Store
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.facts.settled_entities import CATALOGUE
from pfn_kg.transforms.names.canonical_names import canonical_name
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.names.known_names import DEMONYMS, KNOWN_NAMES
from pfn_kg.transforms.names.short_forms import form_of
from pfn_kg.transforms.plumbing.files import join, local_path


class MergeReasons:
    """Says of each spelling of one entity or value why it is among them."""

    def __init__(self, store: Store, row: dict[str, Any]):
        """Looks up what is asked for every spelling.

        Args:
            store: the graph.
            row: of the entity or value, from the table `entities`.
        """
        options = store.run.build.options
        rules = validate(NameRules, dict(options.get("names") or {}))
        self._row = row
        self._keys = EntityKeys.of(store.run.label_schema, rules)
        self._names = self._keys.kinds.get(row["type"])
        self._key = self._keys.key(row["name"], row["type"])
        self._fuzzy = options.get("fuzzy")
        self._aliases = self._of_alias_table(store)

    def _of_alias_table(self, store: Store) -> set[str]:
        """Keys of the names that the alias table gives this entity."""
        path = local_path(join(store.run.graph, ALIASES_FILE))
        if self._row["kind"] == "value" or not path.is_file():
            return set()
        rows = store.rows(
            "SELECT alias FROM read_parquet(?) WHERE canonical_name = ? "
            "AND (type IS NULL OR type = ?)",
            [str(path), self._row["name"], self._row["type"]],
        )
        return {self._keys.key(row["alias"], self._row["type"]) for row in rows}

    def of(self, text: str) -> str:
        """The reason for one spelling: one sentence, empty for the name itself."""
        row = self._row
        if text == row["name"]:
            return ""
        if row["kind"] == "value":
            return f"It is the same value, {row['value']}."
        if canonical_name(text) == canonical_name(row["name"]):
            return "It differs from the name only in case, spaces or kinds of characters."
        key = self._keys.key(text, row["type"])
        if key == self._key:
            return "It is the name with an article, a possessive or a legal form."
        if key in self._aliases:
            return "The alias table lists it."
        # Graphs of earlier versions lack the column.
        rules = {j["rule"] for j in self._row.get("joined_by") or () if j["name"] == text}
        if DEMONYMS in rules:
            return "It is the adjective or the people of this place."
        if KNOWN_NAMES in rules:
            return "It is known as another name of the same thing."
        if CATALOGUE in rules:
            return "The catalogue has the two names for one thing."
        form = form_of(text, key, self._names)
        if form.word and len(self._key.split()) > 1:
            long = form_of(row["name"], self._key, self._names)
            if form.word == long.last:
                return "It is the last word of the name, in documents that give the name in full."
            if form.word == long.first:
                return "It is the first word of the name, in documents that give the name in full."
            if form.acronym:
                return "It is an acronym, in documents that give the name in full."
            return "It is a short form, in documents that give the name in full."
        if self._fuzzy:
            return "The two names are alike, and near names are one entity here."
        return "It stands for another name of this entity."
