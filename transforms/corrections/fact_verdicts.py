"""What corrections say of facts: which triples go, which become others, and which facts hold.

A fact is (id of the subject, relation, id of the object). Where the label schema says that a
relation is symmetric or has an inverse, the fact from object to subject is the same one: who
rejects the one rejects the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from pfn_kg.schemas.corrections import AddFact, ChangeFact, ConfirmFact, RejectFact
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import Rules

#: Id of the subject, name of the relation, id of the object.
Fact: TypeAlias = tuple[bytes, str, bytes]

#: Begin and end of the subject's mention, then of the object's.
Offsets: TypeAlias = tuple[int, int, int, int]


class Scope(NamedTuple):
    """The part of the corpus that a correction of a fact speaks of.

    Attributes:
        document_id: None is all documents.
        offsets: None is the whole document.
    """

    document_id: str | None = None
    offsets: Offsets | None = None

    def covers(self, other: Scope) -> bool:
        """Whether it holds all that another one holds."""
        if self.document_id is None:
            return True
        if self.document_id != other.document_id:
            return False
        return self.offsets is None or self.offsets == other.offsets

    @property
    def turned(self) -> Scope:
        """The same of the fact from object to subject."""
        if self.offsets is None:
            return self
        return self._replace(offsets=(*self.offsets[2:], *self.offsets[:2]))


class Verdict(NamedTuple):
    """What one correction says of the triples of a fact.

    Attributes:
        row: of the correction, from 0.
        scope: which triples.
        holds: whether the triple stays; one that is changed stays as another.
        relation: the relation that it has then; None keeps it.
        turns: whether its ends change places.
    """

    row: int
    scope: Scope
    holds: bool
    relation: str | None = None
    turns: bool = False


class Assertion(NamedTuple):
    """A fact that holds by a correction.

    Attributes:
        row: of the correction, from 0.
        fact: as the graph spells it.
        scope: a fact of a document holds as long as the document is there.
    """

    row: int
    fact: Fact
    scope: Scope


class Judgement(NamedTuple):
    """What a correction says of the model, for an estimate of its precision.

    Attributes:
        row: of the correction, from 0.
        relation: that the model said.
        is_right: whether the fact holds.
    """

    row: int
    relation: str
    is_right: bool


class FactVerdicts(NamedTuple):
    """What the corrections of facts come to.

    Attributes:
        verdicts: by fact, in both spellings where it has two, in the order of the rows.
        assertions: facts that hold, each once a scope.
        judgements: by row.
        protected: facts that hold, in both spellings: no rule drops what says them.
        overruled: for corrections that do not hold, why.
    """

    verdicts: dict[Fact, tuple[Verdict, ...]]
    assertions: tuple[Assertion, ...]
    judgements: dict[int, Judgement]
    protected: frozenset[Fact]
    overruled: dict[int, str]


class Spellings:
    """How facts are spelt from object to subject.

    Args:
        label_schema: says which relations are symmetric or have an inverse.
        rules: in which of two directions the graph says a fact.
    """

    def __init__(self, label_schema: LabelSchema, rules: Rules):
        self._rules = rules
        self._place = {r.name: number for number, r in enumerate(label_schema.relations)}
        self._symmetric = {r.name for r in label_schema.relations if r.symmetric}
        self._inverse: dict[str, str] = {}
        for relation in label_schema.relations:
            if relation.inverse is not None and not relation.symmetric:
                self._inverse[relation.name] = relation.inverse
                self._inverse.setdefault(relation.inverse, relation.name)

    def turned(self, fact: Fact) -> Fact | None:
        """The same fact from object to subject; None where there is none."""
        subject, relation, object_ = fact
        if relation in self._symmetric:
            return object_, relation, subject
        inverse = self._inverse.get(relation)
        return None if inverse is None else (object_, inverse, subject)

    def both(self, fact: Fact) -> list[Fact]:
        """The fact, and the same from object to subject if there is one."""
        turned = self.turned(fact)
        return [fact] if turned is None else [fact, turned]

    def key(self, fact: Fact) -> Fact:
        """One of the spellings, the same for both."""
        return min(self.both(fact))

    def of_graph(self, fact: Fact) -> list[Fact]:
        """How the graph says the fact, as the rules have it."""
        turned = self.turned(fact)
        if turned is None:
            return [fact]
        is_symmetric = fact[1] in self._symmetric
        policy = self._rules.symmetric if is_symmetric else self._rules.inverse
        if policy == "both":
            return list(dict.fromkeys([fact, turned]))
        if policy == "one":
            if is_symmetric:
                return [min(fact, turned)]
            return [min(fact, turned, key=lambda f: self._place[f[1]])]
        return [fact]


class ResolvedFact(NamedTuple):
    """A correction of a fact whose names are resolved."""

    row: int
    correction: RejectFact | ConfirmFact | AddFact | ChangeFact
    fact: Fact
    scope: Scope


def changed_fact(correction: ChangeFact, fact: Fact) -> Fact:
    """The fact that holds instead."""
    subject, relation, object_ = fact
    relation = correction.new_relation or relation
    return (object_, relation, subject) if correction.reverse else (subject, relation, object_)


def fact_verdicts(facts: Iterable[ResolvedFact], spellings: Spellings) -> FactVerdicts:
    """What corrections of facts come to.

    Args:
        facts: in the order of their rows.
        spellings: of facts.
    """
    verdicts: dict[Fact, list[Verdict]] = {}
    said: dict[Fact, list[tuple[int, Scope]]] = {}
    asserted: dict[Fact, dict[Scope, tuple[int, Fact]]] = {}
    judgements: dict[int, Judgement] = {}
    for row, correction, fact, scope in facts:
        key = spellings.key(fact)
        scope_of_key = scope if key == fact else scope.turned
        said.setdefault(key, []).append((row, scope_of_key))
        relation, turns = None, False
        held = fact
        if isinstance(correction, RejectFact | ChangeFact):
            _take_back(asserted, key, scope_of_key)
        if isinstance(correction, ChangeFact):
            held = changed_fact(correction, fact)
            relation, turns = held[1], correction.reverse
        if not isinstance(correction, RejectFact):
            held_scope = scope.turned if turns else scope
            held_key = spellings.key(held)
            held_scope = held_scope if held_key == held else held_scope.turned
            of_fact = asserted.setdefault(held_key, {})
            of_fact.pop(held_scope, None)  # the later one signs
            of_fact[held_scope] = row, held
        if not isinstance(correction, AddFact):
            judgements[row] = Judgement(row, fact[1], isinstance(correction, ConfirmFact))
        verdict = Verdict(row, scope, not isinstance(correction, RejectFact), relation, turns)
        verdicts.setdefault(fact, []).append(verdict)
        turned = spellings.turned(fact)
        if turned is not None and turned != fact:
            verdict = verdict._replace(scope=scope.turned, turns=relation is not None and not turns)
            verdicts.setdefault(turned, []).append(verdict)
    overruled = _overruled(said)
    assertions = [
        Assertion(row, spelt, scope if spelt == key else scope.turned)
        for key, of_fact in asserted.items()
        for scope, (row, held) in of_fact.items()
        for spelt in spellings.of_graph(held)
    ]
    judgements = {row: judged for row, judged in judgements.items() if row not in overruled}
    by_fact = {fact: tuple(of_fact) for fact, of_fact in verdicts.items()}
    protected = {fact for held in asserted if asserted[held] for fact in spellings.both(held)}
    return FactVerdicts(
        by_fact, tuple(sorted(assertions)), judgements, frozenset(protected), overruled
    )


def _take_back(
    asserted: dict[Fact, dict[Scope, tuple[int, Fact]]], key: Fact, scope: Scope
) -> None:
    of_fact = asserted.get(key, {})
    for other in [other for other in of_fact if scope.covers(other)]:
        del of_fact[other]


def _overruled(said: Mapping[Fact, list[tuple[int, Scope]]]) -> dict[int, str]:
    reasons = {}
    for rows in said.values():
        for number, (row, scope) in enumerate(rows):
            later = [other for other, covers in rows[number + 1 :] if covers.covers(scope)]
            if later:
                reasons[row] = f"row {later[-1] + 1} speaks of the same"
    return reasons
