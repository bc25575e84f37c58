"""Which relations of a finished graph are written elsewhere."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema

#: The column of each table that names the relation of the label schema.
RELATION_COLUMN = {"relations": "predicate", "triples": "relation"}


class Filters(NamedTuple):
    """Which relations are written; triples of others are left out too.

    Attributes:
        min_confidence: from this confidence on.
        min_evidence: from this many pieces of evidence on.
        relations: these alone, by their names in the label schema; None is all.
    """

    min_confidence: float = 0.0
    min_evidence: int = 1
    relations: tuple[str, ...] | None = None

    def check(self, label_schema: LabelSchema) -> None:
        """Refuses values out of range and unknown relations.

        Raises:
            ConfigurationError: naming the option.
        """
        if not 0 <= self.min_confidence <= 1:
            raise ConfigurationError(
                f"--min-confidence: {self.min_confidence!r} is not between 0 and 1"
            )
        if self.min_evidence < 1:
            raise ConfigurationError(f"--min-evidence: {self.min_evidence!r} is not 1 or more")
        known = {relation.name for relation in label_schema.relations}
        for name in self.relations or ():
            if name not in known:
                raise ConfigurationError(f"--relations: the label schema has no relation {name!r}")

    @property
    def too_weak(self) -> pc.Expression | None:
        """Holds for the relations that are left out as too weak; None if none are."""
        reasons = []
        if self.min_confidence > 0:
            # Compared as it is stored: 0.7 is below the double 0.7 as a float of 32 bits.
            least = pa.scalar(self.min_confidence, pa.float32())
            reasons.append(pc.field("confidence") < least)
        if self.min_evidence > 1:
            reasons.append(pc.field("evidence_count") < self.min_evidence)
        return reduce(operator.or_, reasons) if reasons else None

    @property
    def not_wanted(self) -> Mapping[str, pc.Expression]:
        """For each table, holds for the rows whose relation is left out."""
        if self.relations is None:
            return {}
        wanted = pa.array(self.relations, pa.string())
        return {table: ~pc.field(name).isin(wanted) for table, name in RELATION_COLUMN.items()}
