"""The rules of the label schema that can be applied to a triple inside its document.

The rules are applied to all triples of a chunk at once, as arrays. A rule drops a triple,
turns it round, adds its mirror image, or adds the name of the rule to `flags`. Every decision
is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.schemas.choices import ConstraintPolicy, MirrorPolicy
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import Rules

#: What speaks of triples, as it is called in `flags` and in the counters, in the order of its bits:
#: rules, and the corrections of people.
RULES = (
    "argument_types",
    "flipped",
    "self_loop",
    "overlapping_arguments",
    "symmetric",
    "inverse",
    "corrected",
)
_BITS = {name: 1 << bit for bit, name in enumerate(RULES)}


class TripleColumns(NamedTuple):
    """Triples as arrays.

    Attributes:
        subjects: position of each triple's subject among the mentions.
        relations: code of its relation.
        objects: position of its object.
        scores: of the head triple.
        flags: which rules spoke, a bit a rule.
    """

    subjects: np.ndarray
    relations: np.ndarray
    objects: np.ndarray
    scores: np.ndarray
    flags: np.ndarray

    def at(self, rows: np.ndarray) -> TripleColumns:
        """Those at some positions, or where a mask holds."""
        return TripleColumns(*(column[rows] for column in self))


class Spans(NamedTuple):
    """Of each mention what rules look at: its type's code, its entity and its place."""

    types: np.ndarray
    entities: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


class DocumentRules:
    """The rules of a label schema that need no other document.

    Args:
        label_schema: describes the relations.
        types: names of the entity types, in the order of their codes.
        relations: names of the relations, in the order of their codes.
        constraint_policy: policy of the rule `argument_types`.
        rules: policies of the other rules.
    """

    def __init__(
        self,
        label_schema: LabelSchema,
        *,
        types: Sequence[str],
        relations: Sequence[str],
        constraint_policy: ConstraintPolicy,
        rules: Rules,
    ):
        self._constraint_policy: ConstraintPolicy = constraint_policy
        self._rules = rules
        self._allowed = allowed_types(label_schema, types, relations)
        codes = {name: code for code, name in enumerate(relations)}
        self._symmetric = np.array(
            [label_schema.relation(name).symmetric for name in relations], dtype=bool
        )
        # The relation that says the same from object to subject; -1 where there is none.
        self._inverse = np.full(len(relations), -1, dtype=np.int64)
        for relation in label_schema.relations:
            if relation.inverse is not None and not relation.symmetric:
                one, other = codes[relation.name], codes[relation.inverse]
                self._inverse[one] = other
                if self._inverse[other] < 0:
                    self._inverse[other] = one
        # Of two that are each other's inverse the first of the schema is the one that stays.
        place = {r.name: number for number, r in enumerate(label_schema.relations)}
        self._stays = np.array(
            [
                other < 0 or place[name] < place[relations[other]]
                for name, other in zip(relations, self._inverse.tolist(), strict=True)
            ],
            dtype=bool,
        )

    def apply(
        self,
        triples: TripleColumns,
        *,
        mentions: Spans,
        entity_ids: Sequence[bytes],
        counts: Counter[str],
    ) -> TripleColumns:
        """Applies the rules: flipping first, then the others in the order of `RULES`.

        Args:
            triples: the triples after resolution.
            mentions: the mentions that the triples point to.
            entity_ids: ids of the entities. With the policy `one` the entity with the lower id
                becomes the subject of a symmetric relation.
            counts: receives the number of violations and changes, by rule.

        Returns:
            Each (subject, relation, object) once, with its best score.
        """
        before = len(triples.subjects)
        if self._rules.direction == "flip":
            triples = self._flip(triples, mentions, counts)
        for name, policy, against in (
            ("argument_types", self._constraint_policy, self._against_types),
            ("self_loop", self._rules.self_loops, _self_loops),
            ("overlapping_arguments", self._rules.overlaps, _overlaps),
        ):
            triples = _decide(
                triples, name, policy=policy, against=against(triples, mentions), counts=counts
            )
        symmetric = self._symmetric[triples.relations]
        triples = self._mirror(
            triples,
            "symmetric",
            policy=self._rules.symmetric,
            concerned=symmetric,
            mentions=mentions,
            entity_ids=entity_ids,
            counts=counts,
        )
        has_inverse = self._inverse[triples.relations] >= 0
        triples = self._mirror(
            triples,
            "inverse",
            policy=self._rules.inverse,
            concerned=has_inverse,
            mentions=mentions,
            entity_ids=entity_ids,
            counts=counts,
        )
        may_repeat = self._rules.direction == "flip" or {"one", "both"} & {
            self._rules.symmetric,
            self._rules.inverse,
        }
        if may_repeat and before:
            triples = distinct(triples, len(mentions.types), len(self._symmetric))
        return triples

    def _against_types(self, triples: TripleColumns, mentions: Spans) -> np.ndarray:
        subject, object_ = mentions.types[triples.subjects], mentions.types[triples.objects]
        return ~self._allowed[triples.relations, subject, object_]

    def _flip(self, triples: TripleColumns, mentions: Spans, counts: Counter[str]) -> TripleColumns:
        subject, object_ = mentions.types[triples.subjects], mentions.types[triples.objects]
        flips = self._allowed[triples.relations, object_, subject]
        flips &= self._against_types(triples, mentions)
        counts["flipped"] = int(flips.sum())
        return _turned(triples, flips, relations=triples.relations, name="flipped")

    def _mirror(
        self,
        triples: TripleColumns,
        name: str,
        *,
        policy: MirrorPolicy,
        concerned: np.ndarray,
        mentions: Spans,
        entity_ids: Sequence[bytes],
        counts: Counter[str],
    ) -> TripleColumns:
        if policy == "keep" or not concerned.any():
            return triples
        inverse = self._inverse[triples.relations]
        relations = np.where(concerned & (inverse >= 0), inverse, triples.relations)
        if policy == "both":
            added = _turned(triples, concerned, relations=relations, name=name).at(concerned)
            counts[f"added.{name}"] = len(added.subjects)
            return TripleColumns(
                *(np.concatenate(pair) for pair in zip(triples, added, strict=True))
            )
        if name == "inverse":
            turns = concerned & ~self._stays[triples.relations]
        else:
            rank = np.empty(len(entity_ids), dtype=np.int64)
            rank[sorted(range(len(entity_ids)), key=entity_ids.__getitem__)] = np.arange(len(rank))
            ranks = rank[mentions.entities]
            turns = concerned & (ranks[triples.subjects] > ranks[triples.objects])
        counts[f"turned.{name}"] = int(turns.sum())
        return _turned(triples, turns, relations=relations, name=name)


def allowed_types(
    label_schema: LabelSchema, types: Sequence[str], relations: Sequence[str]
) -> np.ndarray:
    """Which types a relation holds between: (relations, subject types, object types) of bool."""
    allowed = np.zeros((len(relations), len(types), len(types)), dtype=bool)
    codes = {name: code for code, name in enumerate(types)}
    for code, name in enumerate(relations):
        pairs = label_schema.relation(name).arguments
        if not pairs:
            allowed[code] = True
        for pair in pairs:
            allowed[code, codes[pair.subject], codes[pair.object]] = True
    return allowed


def bit_of(rule: str) -> int:
    """The bit of a rule in the flags of triples."""
    return _BITS[rule]


def flag_lists(flags: np.ndarray) -> pa.Array:
    """The column `flags` for bits of rules."""
    distinct, numbers = np.unique(flags, return_inverse=True)
    lists = [[name for name in RULES if bits & _BITS[name]] for bits in distinct.tolist()]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(numbers))


def _self_loops(triples: TripleColumns, mentions: Spans) -> np.ndarray:
    return mentions.entities[triples.subjects] == mentions.entities[triples.objects]


def _overlaps(triples: TripleColumns, mentions: Spans) -> np.ndarray:
    subjects, objects = triples.subjects, triples.objects
    return (mentions.begins[subjects] < mentions.ends[objects]) & (
        mentions.begins[objects] < mentions.ends[subjects]
    )


def _decide(
    triples: TripleColumns,
    name: str,
    *,
    policy: ConstraintPolicy,
    against: np.ndarray,
    counts: Counter[str],
) -> TripleColumns:
    counts[f"violations.{name}"] = int(against.sum())
    if policy == "drop":
        return triples.at(~against)
    if policy == "flag":
        return triples._replace(flags=triples.flags | np.where(against, _BITS[name], 0))
    return triples


def _turned(
    triples: TripleColumns, turns: np.ndarray, *, relations: np.ndarray, name: str
) -> TripleColumns:
    """Some of the triples from object to subject."""
    return TripleColumns(
        np.where(turns, triples.objects, triples.subjects),
        np.where(turns, relations, triples.relations),
        np.where(turns, triples.subjects, triples.objects),
        triples.scores,
        triples.flags | np.where(turns, _BITS[name], 0),
    )


def distinct(triples: TripleColumns, mentions: int, relations: int) -> TripleColumns:
    """Each triple once: with its best score, and of equals as the text says it."""
    keys = (triples.subjects * relations + triples.relations) * mentions + triples.objects
    order = np.lexsort((triples.flags, -triples.scores, keys))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = keys[order][1:] != keys[order][:-1]
    return triples.at(order[is_first])
