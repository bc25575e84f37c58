"""The options by which extractions become mentions, entities and triples of a graph."""

from __future__ import annotations

from typing import NamedTuple

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.resolution import HeadPolicy
from pfn_kg.schemas.choices import ConstraintPolicy
from pfn_kg.schemas.rules import NameRules, Rules


class FactOptions(NamedTuple):
    """Thresholds, policies and rules.

    Attributes:
        entity_threshold: lowest score of an accepted mention, in [0, 1].
        relation_threshold: lowest score of an accepted head triple, in [0, 1].
        across_threshold: the same for pairs across sentences; None is `relation_threshold`.
        head_policy: which of the mentions that begin at one head take part, as in
            `pfn_kg.pfn.resolution.resolve`.
        constraint_policy: the treatment of triples between types that the label schema does not
            allow for their relation.
        sentences: whether there are rows of the table `sentences`.
        rules: the treatment of triples that break the other rules of the label schema.
        names: which names count as one name.
        released: ids of names that stay what they are, whatever is known of them.
        fact_calibration: maps the score of a document's best triple for a relation to the
            relation's score in that document.
    """

    entity_threshold: float
    relation_threshold: float
    across_threshold: float | None = None
    head_policy: HeadPolicy = "all"
    constraint_policy: ConstraintPolicy = "flag"
    sentences: bool = False
    rules: Rules = Rules()
    names: NameRules = NameRules()
    released: frozenset[bytes] = frozenset()
    fact_calibration: Calibration = Calibration()

    @property
    def without_drops(self) -> FactOptions:
        """The same, with rules that flag what they would drop."""
        rules = self.rules
        drops = [name for name in ("self_loops", "overlaps") if getattr(rules, name) == "drop"]
        policy: ConstraintPolicy = self.constraint_policy
        return self._replace(
            constraint_policy="flag" if policy == "drop" else policy,
            rules=rules.changed(**dict.fromkeys(drops, "flag")),
        )
