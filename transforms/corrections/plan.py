"""What the corrections of a file come to in one build: names resolved, contradictions decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pfn_kg.schemas.corrections import (
    AddFact,
    AnyCorrection,
    ChangeFact,
    ConfirmFact,
    KeepApart,
    MergeEntity,
    RejectFact,
    RenameEntity,
    RetypeEntity,
    SplitEntity,
)
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules, Rules
from pfn_kg.schemas.shuffled_rows import Move
from pfn_kg.transforms.corrections.entity_classes import EntityClasses, Target, entity_classes
from pfn_kg.transforms.corrections.fact_verdicts import (
    Assertion,
    FactVerdicts,
    ResolvedFact,
    Scope,
    Spellings,
    fact_verdicts,
)
from pfn_kg.transforms.corrections.references import References
from pfn_kg.transforms.names.canonical_names import CanonicalEntity
from pfn_kg.transforms.plumbing.ids import content_id

_VALUES_HAVE_NO_NAMES = "values are never merged or renamed"


class CorrectionOptions(NamedTuple):
    """How corrections are read in one build.

    Attributes:
        corrections: in the order of their rows.
        label_schema: of the graph.
        names: which names count as one name.
        rules: in which of two directions facts are said.
        released: ids of names that stay what they are, whatever is known of them.
    """

    corrections: tuple[AnyCorrection, ...]
    label_schema: LabelSchema
    names: NameRules
    rules: Rules
    released: frozenset[bytes] = frozenset()


class SplitPlace(NamedTuple):
    """Mentions that are of another entity.

    Attributes:
        row: of the correction, from 0.
        begin: offset of the mention; None is all of the entity in the document.
        end: one past its last character.
        source: id of the entity that the mentions are of without the correction.
        target: what they are of.
    """

    row: int
    begin: int | None
    end: int | None
    source: bytes
    target: Target


class Signature(NamedTuple):
    """Who corrected something: the columns that a corrected row has.

    Attributes:
        kind: of the correction.
        author: who.
        time: when, in UTC (ISO 8601).
        note: why.
    """

    kind: str
    author: str | None
    time: str | None
    note: str | None


class CorrectionPlan(NamedTuple):
    """What the corrections of a file come to.

    Attributes:
        classes: entities that are one.
        splits: by document, mentions that are of another entity, in the order of the rows.
        facts: what is said of facts.
        named: for the id of each entity that has a name by a correction, the entity and its name.
        ends: for the id of each end of a fact that holds, the entity or value and its name.
        signatures: of each row.
        idle: for rows that say nothing in this build, why: `unknown` names, or a later row.
    """

    classes: EntityClasses
    splits: dict[str, tuple[SplitPlace, ...]]
    facts: FactVerdicts
    named: dict[bytes, Target]
    ends: dict[bytes, tuple[CanonicalEntity, str]]
    signatures: tuple[Signature, ...]
    idle: dict[int, str]

    def asserted(self, live: frozenset[int]) -> dict[bytes, Assertion]:
        """The facts that hold by corrections, by the id of their relation.

        Args:
            live: rows whose document is there.
        """
        holding: dict[bytes, Assertion] = {}
        for assertion in self.facts.assertions:  # the last one signs
            if assertion.scope.document_id is None or assertion.row in live:
                holding[relation_id(*assertion.fact)] = assertion
        return holding


def relation_id(subject: bytes, relation: str, object_: bytes) -> bytes:
    """The id of a relation of the graph, as `pfn_kg.transforms.facts.triple_rows` spells it."""
    return content_id("relation", subject.hex(), relation, object_.hex())


def referenced_names(corrections: Sequence[AnyCorrection]) -> list[tuple[str, str]]:
    """The names with their types that corrections speak of, each once."""
    names: dict[tuple[str, str], None] = {}
    for correction in corrections:
        for name in _names_of(correction):
            names[name] = None
    return list(names)


def _names_of(correction: AnyCorrection) -> list[tuple[str, str]]:
    if isinstance(correction, RejectFact | ConfirmFact | AddFact | ChangeFact):
        return [
            (correction.subject, correction.subject_type),
            (correction.object, correction.object_type),
        ]
    names = [(correction.name, correction.type)]
    if isinstance(correction, MergeEntity | KeepApart):
        names.append((correction.other_name, correction.other_type))
    elif isinstance(correction, RenameEntity):
        names.append((correction.new_name, correction.type))
    elif isinstance(correction, RetypeEntity):
        names.append((correction.name, correction.new_type))
    else:
        names.append((correction.new_name, correction.new_type or correction.type))
    return names


def plan_corrections(
    options: CorrectionOptions, moves: Mapping[bytes, Move] | None = None
) -> CorrectionPlan:
    """Resolves the names of corrections, and decides between those that contradict each other.

    Args:
        options: the corrections, and how they are read.
        moves: for the id that a name gives by itself, where its mentions go by other documents,
            alias table or near names.
    """
    references = References(options.label_schema, options.names, moves, options.released)
    idle: dict[int, str] = {}
    known: dict[int, AnyCorrection] = {}
    relations = {relation.name for relation in options.label_schema.relations}
    for row, correction in enumerate(options.corrections):
        reason = _unknown(correction, references, relations)
        if reason is None:
            known[row] = correction
        else:
            idle[row] = reason
    classes = entity_classes(known, references)
    named = {target.entity.id: target for target in classes.targets.values()}
    splits, split_named = _splits(known, references, classes, idle)
    for id_, target in split_named.items():
        named.setdefault(id_, target)
    resolved, ends = _resolved(known, references, classes)
    facts = fact_verdicts(resolved, Spellings(options.label_schema, options.rules))
    idle |= classes.overruled | facts.overruled
    signatures = tuple(
        Signature(
            c.kind,
            c.author,
            None if c.time is None else c.time.isoformat().replace("+00:00", "Z"),
            c.note,
        )
        for c in options.corrections
    )
    return CorrectionPlan(classes, splits, facts, named, ends, signatures, idle)


def _unknown(correction: AnyCorrection, references: References, relations: set[str]) -> str | None:
    """Why a correction says nothing under this label schema; None if it does."""
    for _, type_ in _names_of(correction):
        if not references.knows(type_):
            return f"the label schema has no type {type_!r}"
    if isinstance(correction, RejectFact | ConfirmFact | AddFact | ChangeFact):
        named = [correction.relation]
        if isinstance(correction, ChangeFact) and correction.new_relation is not None:
            named.append(correction.new_relation)
        missing = [name for name in named if name not in relations]
        return f"the label schema has no relation {missing[0]!r}" if missing else None
    if not isinstance(correction, RetypeEntity) and any(
        references.is_value(type_) for _, type_ in _names_of(correction)
    ):
        return _VALUES_HAVE_NO_NAMES
    return None


def _splits(
    corrections: Mapping[int, AnyCorrection],
    references: References,
    classes: EntityClasses,
    idle: dict[int, str],
) -> tuple[dict[str, tuple[SplitPlace, ...]], dict[bytes, Target]]:
    places: dict[str, list[SplitPlace]] = {}
    named: dict[bytes, Target] = {}
    for row, correction in corrections.items():
        if not isinstance(correction, SplitEntity):
            continue
        type_ = correction.new_type or correction.type
        source = classes.final(references.place(correction.name, correction.type))
        place = references.place(correction.new_name, type_)
        target = classes.targets.get(place)
        if target is None:
            entity = references.settled(correction.new_name, type_)
            target = Target(entity, correction.new_name, row)
        if target.entity.id == source:
            idle[row] = "the new name is one of the entity itself by its key"
            continue
        named[target.entity.id] = target
        for mention in correction.mentions:
            places.setdefault(mention.document_id, []).append(
                SplitPlace(row, mention.begin, mention.end, source, target)
            )
    return {document: tuple(of) for document, of in places.items()}, named


def _resolved(
    corrections: Mapping[int, AnyCorrection], references: References, classes: EntityClasses
) -> tuple[list[ResolvedFact], dict[bytes, tuple[CanonicalEntity, str]]]:
    """Corrections of facts with ids in place of names, and the entities at their ends."""
    ends: dict[bytes, tuple[CanonicalEntity, str]] = {}
    resolved = []

    def end(name: str, type_: str) -> bytes:
        place = references.place(name, type_)
        target = classes.targets.get(place)
        if target is not None:
            entity, name = target.entity, target.name
        else:
            entity = references.settled(name, type_)
        ends.setdefault(entity.id, (entity, name))
        return entity.id

    for row, c in corrections.items():
        if not isinstance(c, RejectFact | ConfirmFact | AddFact | ChangeFact):
            continue
        subject, object_ = end(c.subject, c.subject_type), end(c.object, c.object_type)
        begin, subject_end, object_begin, object_end = c.offsets_or_none
        offsets = None
        if None not in (begin, subject_end, object_begin, object_end):
            offsets = (begin, subject_end, object_begin, object_end)
        scope = Scope(c.document_id, offsets)  # type: ignore[arg-type]
        resolved.append(ResolvedFact(row, c, (subject, c.relation, object_), scope))
    return resolved, ends
