"""The triples of a chunk, once people have corrected the facts that they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pfn_kg.transforms.corrections.fact_verdicts import Fact, Offsets, Scope, Verdict
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.facts.chunk_mentions import ChunkMentions
from pfn_kg.transforms.facts.document_rules import TripleColumns, bit_of, distinct

_CORRECTED = bit_of("corrected")


class _Triple(NamedTuple):
    """A triple between positions among the mentions, with the code of its relation."""

    subject: int
    relation: int
    object: int


class Lesson(NamedTuple):
    """What one correction says of the triples of a chunk.

    Attributes:
        row: of the correction, from 0.
        triples: those that it judges.
        is_right: whether the texts say them.
    """

    row: int
    triples: TripleColumns
    is_right: bool


class TripleCorrections:
    """The corrections of facts, as they are applied to the triples of one chunk.

    Args:
        plan: what the corrections come to.
        mentions: of the chunk, with their corrected entities.
        document_ids: of the chunk's documents.
        relation_names: names of the relations, in the order of their codes.
    """

    def __init__(
        self,
        plan: CorrectionPlan,
        mentions: ChunkMentions,
        *,
        document_ids: Sequence[str],
        relation_names: Sequence[str],
    ):
        self._plan = plan
        self._mentions = mentions
        self._document_ids = document_ids
        self._relations = relation_names
        self._codes = {name: code for code, name in enumerate(relation_names)}
        self._numbers = {entity.id: number for number, entity in enumerate(mentions.entities)}

    def protected(self, triples: TripleColumns) -> np.ndarray:
        """Which triples say facts that hold by a correction, as a mask."""
        return self._says(triples, self._plan.facts.protected)

    def judged(self, triples: TripleColumns) -> Iterator[Lesson]:
        """For each correction that judges the model, the triples, and whether they are right."""
        judgements = self._plan.facts.judgements
        chosen: dict[int, list[int]] = {}
        for position, triple in self._spoken_of(triples):
            scope = self._scope(triple)
            for verdict in self._plan.facts.verdicts[self._fact(triple)]:
                if verdict.row in judgements and verdict.scope.covers(scope):
                    chosen.setdefault(verdict.row, []).append(position)
        for row, positions in sorted(chosen.items()):
            of_row = triples.at(np.array(positions, dtype=np.int64))
            yield Lesson(row, of_row, judgements[row].is_right)

    def added(self, triples: TripleColumns) -> Iterator[Lesson]:
        """For each correction that names mentions, the triple between them, which is right.

        A correction that changes a fact says so of all its triples.

        Args:
            triples: gives the types of the columns.
        """
        known = set(zip(*(c.tolist() for c in triples[:3]), strict=True))
        for row, triple in self._named_mentions():
            if triple not in known:
                yield Lesson(row, self._as_columns([triple], triples), True)
        changed: dict[int, list[_Triple]] = {}
        for _, triple in self._spoken_of(triples):
            after, holds, rows = self._follow(triple)
            if holds and after != triple:
                changed.setdefault(rows[-1], []).append(after)
        for row, of_row in sorted(changed.items()):
            yield Lesson(row, self._as_columns(of_row, triples), True)

    def apply(self, triples: TripleColumns, applied: Counter[tuple[int, int]]) -> TripleColumns:
        """Drops, changes and marks triples, and adds evidence that people name.

        Args:
            triples: after all rules.
            applied: receives, for each row of a correction, the triples that it concerns, and one
                more for a fact that holds because its document is there.
        """
        stays = np.ones(len(triples.subjects), dtype=bool)
        columns = TripleColumns(*(column.copy() for column in triples))
        for position, triple in self._spoken_of(triples):
            changed, holds, rows = self._follow(triple)
            if not rows:
                continue  # said of another document
            applied.update((row, 0) for row in rows)
            stays[position] = holds
            columns.subjects[position], columns.relations[position] = changed[:2]
            columns.objects[position] = changed.object
            columns.flags[position] |= _CORRECTED
        columns = self._with_evidence(columns.at(stays), applied)
        return distinct(columns, max(len(self._mentions.names.of_mention), 1), len(self._relations))

    def _follow(self, triple: _Triple) -> tuple[_Triple, bool, list[int]]:
        """What becomes of a triple, correction after correction."""
        holds, rows, last = True, [], -1
        while (verdict := self._next(triple, last)) is not None:
            last, holds = verdict.row, verdict.holds
            rows.append(last)
            relation = triple.relation
            if verdict.relation is not None:
                relation = self._codes[verdict.relation]
            ends = triple.subject, triple.object
            if verdict.turns:
                ends = ends[::-1]
            triple = _Triple(ends[0], relation, ends[1])
        return triple, holds, rows

    def _next(self, triple: _Triple, after: int) -> Verdict | None:
        scope = self._scope(triple)
        for verdict in self._plan.facts.verdicts.get(self._fact(triple), ()):
            if verdict.row > after and verdict.scope.covers(scope):
                return verdict
        return None

    def _with_evidence(
        self, triples: TripleColumns, applied: Counter[tuple[int, int]]
    ) -> TripleColumns:
        """Adds triples between the mentions that people name for facts that hold."""
        live = set(self._document_ids)
        for row, _, scope in self._plan.facts.assertions:
            if scope.document_id in live:
                applied[row, 0] += 1
        known = set(zip(*(c.tolist() for c in triples[:3]), strict=True))
        named = dict.fromkeys(triple for _, triple in self._named_mentions())
        added = [triple for triple in named if triple not in known]
        if not added:
            return triples
        more = self._as_columns(added, triples)
        return TripleColumns(*(np.concatenate(pair) for pair in zip(triples, more, strict=True)))

    def _named_mentions(self) -> Iterator[tuple[int, _Triple]]:
        """By row, the triples between mentions that people name for facts that hold."""
        rows = {id_: row for row, id_ in enumerate(self._document_ids)}
        for row, fact, scope in self._plan.facts.assertions:
            if scope.document_id in rows:
                ends = self._mentions_at(rows[scope.document_id], scope.offsets, fact)
                if ends is not None:
                    yield row, _Triple(ends[0], self._codes[fact[1]], ends[1])

    def _as_columns(self, triples: Sequence[_Triple], like: TripleColumns) -> TripleColumns:
        """Triples of which a person is sure."""
        new = np.array(triples, dtype=np.int64).reshape(-1, 3)
        return TripleColumns(
            new[:, 0],
            new[:, 1],
            new[:, 2],
            np.ones(len(new), dtype=like.scores.dtype),
            np.full(len(new), _CORRECTED, dtype=like.flags.dtype),
        )

    def _mentions_at(self, row: int, offsets: Offsets | None, fact: Fact) -> tuple[int, int] | None:
        """The mentions of a fact's ends at a place; None where the model has none there."""
        if offsets is None:
            return None
        columns = self._mentions.columns
        ends = []
        for begin, end, id_ in ((*offsets[:2], fact[0]), (*offsets[2:], fact[2])):
            number = self._numbers.get(id_, -1)
            found = np.flatnonzero(
                (columns.rows == row)
                & (columns.begins == begin)
                & (columns.ends == end)
                & (self._mentions.entity_numbers == number)
            )
            if not len(found):
                return None
            ends.append(int(found[0]))
        return ends[0], ends[1]

    def _spoken_of(self, triples: TripleColumns) -> Iterator[tuple[int, _Triple]]:
        """The triples whose facts corrections speak of, with their positions."""
        for position in np.flatnonzero(self._says(triples, self._plan.facts.verdicts)).tolist():
            yield (
                position,
                _Triple(
                    int(triples.subjects[position]),
                    int(triples.relations[position]),
                    int(triples.objects[position]),
                ),
            )

    def _says(self, triples: TripleColumns, facts: Collection[Fact]) -> np.ndarray:
        """Which triples say one of some facts, as a mask."""
        numbers, codes = self._numbers, self._codes
        relations, entities = max(len(codes), 1), max(len(numbers), 1)
        wanted = [
            (numbers[subject] * relations + codes[relation]) * entities + numbers[object_]
            for subject, relation, object_ in facts
            if subject in numbers and object_ in numbers
        ]
        of_mention = self._mentions.entity_numbers
        said = of_mention[triples.subjects] * relations + triples.relations
        said = said * entities + of_mention[triples.objects]
        return np.isin(said, np.array(sorted(wanted), dtype=np.int64))

    def _fact(self, triple: _Triple) -> Fact:
        numbers, entities = self._mentions.entity_numbers, self._mentions.entities
        return (
            entities[numbers[triple.subject]].id,
            self._relations[triple.relation],
            entities[numbers[triple.object]].id,
        )

    def _scope(self, triple: _Triple) -> Scope:
        columns = self._mentions.columns
        offsets = (
            int(columns.begins[triple.subject]),
            int(columns.ends[triple.subject]),
            int(columns.begins[triple.object]),
            int(columns.ends[triple.object]),
        )
        return Scope(self._document_ids[int(columns.rows[triple.subject])], offsets)
