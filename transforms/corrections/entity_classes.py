"""Which entities are one by corrections, under which name and type.

Each correction of an entity says that what one name denotes is what another name and type denote:
`merge` another entity, `rename` the entity of the new name, `retype` that of the new type. Entities
that are so linked are a class. The class has the id, the name and the type of the last one said.

Of two corrections that contradict each other the later one holds: a merge of entities that are kept
apart further down, or a name of an entity that gets another one further down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pfn_kg.schemas.corrections import (
    AnyCorrection,
    KeepApart,
    MergeEntity,
    RenameEntity,
    RetypeEntity,
)
from pfn_kg.transforms.corrections.references import References
from pfn_kg.transforms.names.canonical_names import CanonicalEntity


class Target(NamedTuple):
    """The entity that corrections make of others.

    Attributes:
        entity: its id, kind and type.
        name: what it is called.
        row: of the last correction that speaks of it, from 0.
    """

    entity: CanonicalEntity
    name: str
    row: int


class EntityClasses(NamedTuple):
    """What the corrections of entities come to.

    Attributes:
        targets: for the id that mentions of an entity have before corrections, what they go to.
        rows: for such an id, the corrections that begin with it; each applies if there are
            mentions of it.
        apart: for each correction that keeps two entities apart, their ids before corrections.
        overruled: for corrections that do not hold, why.
    """

    targets: dict[bytes, Target]
    rows: dict[bytes, tuple[int, ...]]
    apart: dict[int, tuple[bytes, bytes]]
    overruled: dict[int, str]

    def final(self, place: bytes) -> bytes:
        """The id of the entity that has the mentions of an id before corrections."""
        target = self.targets.get(place)
        return place if target is None else target.entity.id


class _Step(NamedTuple):
    """A correction that makes one of two entities."""

    row: int
    correction: MergeEntity | RenameEntity | RetypeEntity
    source: bytes
    other: bytes


class _Classes:
    """Classes of ids that grow together."""

    def __init__(self) -> None:
        self._parents: dict[bytes, bytes] = {}

    def root(self, id_: bytes) -> bytes:
        parents = self._parents
        parents.setdefault(id_, id_)
        while parents[id_] != id_:
            parents[id_] = parents[parents[id_]]
            id_ = parents[id_]
        return id_

    def join(self, one: bytes, other: bytes) -> bytes:
        """Makes one class of two; its root is the lower one."""
        roots = sorted((self.root(one), self.root(other)))
        self._parents[roots[1]] = roots[0]
        return roots[0]

    def members(self) -> Iterable[tuple[bytes, bytes]]:
        """All ids, each with the root of its class."""
        return [(id_, self.root(id_)) for id_ in sorted(self._parents)]


def entity_classes(
    corrections: Mapping[int, AnyCorrection], references: References
) -> EntityClasses:
    """The classes of entities that corrections make.

    Args:
        corrections: those that can be meant, by their rows; others than those of entities are
            passed over.
        references: what their names denote.
    """
    overruled: dict[int, str] = {}
    steps = _accepted(corrections, references, overruled)
    targets, rows = _targets(steps, references)
    apart = {
        row: (
            references.place(c.name, c.type),
            references.place(c.other_name, c.other_type),
        )
        for row, c in corrections.items()
        if isinstance(c, KeepApart) and row not in overruled
    }
    return EntityClasses(targets, rows, apart, overruled)


def _accepted(
    corrections: Mapping[int, AnyCorrection], references: References, overruled: dict[int, str]
) -> list[_Step]:
    """The corrections that hold, in their order; the last word is heard first."""
    classes = _Classes()
    apart: list[tuple[bytes, bytes, int]] = []
    said: dict[tuple[str, bytes], int] = {}
    steps: list[_Step] = []
    for row in sorted(corrections, reverse=True):
        correction = corrections[row]
        if isinstance(correction, KeepApart):
            one = references.place(correction.name, correction.type)
            other = references.place(correction.other_name, correction.other_type)
            if one == other:
                overruled[row] = "both names are of one entity by their keys; split it by mentions"
            elif classes.root(one) == classes.root(other):
                overruled[row] = "a later row makes the two one entity"
            else:
                apart.append((one, other, row))
            continue
        step = _step(row, correction, references)
        if step is None:
            continue
        key = (step.correction.kind, step.source)
        if not isinstance(correction, MergeEntity):
            if key in said:
                overruled[row] = f"row {said[key] + 1} says it otherwise"
                continue
            said[key] = row
        ends = {classes.root(step.source), classes.root(step.other)}
        against = [
            other_row
            for one, other, other_row in apart
            if len(ends) == 2 and {classes.root(one), classes.root(other)} == ends
        ]
        if against:
            overruled[row] = f"row {against[0] + 1} keeps the two apart"
            continue
        classes.join(step.source, step.other)
        steps.append(step)
    return steps[::-1]


def _step(row: int, correction: AnyCorrection, references: References) -> _Step | None:
    if not isinstance(correction, MergeEntity | RenameEntity | RetypeEntity):
        return None
    source = references.place(correction.name, correction.type)
    name, type_ = correction.name, correction.type
    if isinstance(correction, MergeEntity):
        name, type_ = correction.other_name, correction.other_type
    elif isinstance(correction, RenameEntity):
        name = correction.new_name
    else:
        type_ = correction.new_type
    return _Step(row, correction, source, references.place(name, type_))


def _targets(
    steps: Sequence[_Step], references: References
) -> tuple[dict[bytes, Target], dict[bytes, tuple[int, ...]]]:
    classes = _Classes()
    called: dict[bytes, Target] = {}
    rows: dict[bytes, tuple[int, ...]] = {}
    for step in steps:
        correction = step.correction
        before = called.get(classes.root(step.source))
        name = correction.name if before is None else before.name
        type_ = correction.type if before is None else before.entity.type
        if isinstance(correction, MergeEntity):
            other = called.get(classes.root(step.other))
            name = correction.other_name if other is None else other.name
            type_ = correction.other_type if other is None else other.entity.type
        elif isinstance(correction, RenameEntity):
            name = correction.new_name
        else:
            type_ = correction.new_type
        entity = references.entity(name, type_)
        classes.join(step.source, step.other)
        # Who has that name already is the same entity.
        root = classes.join(step.source, references.place(name, type_))
        called[root] = Target(entity, name, step.row)
        rows[step.source] = (*rows.get(step.source, ()), step.row)
    return {id_: called[root] for id_, root in classes.members() if root in called}, rows
