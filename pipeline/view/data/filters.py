"""Which facts are shown: by relation, confidence, document and date of the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FactFilter:
    """What a fact must be like to be shown; all of it holds together.

    Attributes:
        relations: its predicate is one of these; none of them means any.
        min_confidence: its confidence is at least this.
        document: this document states it.
        since: a document that states it is of this date or later; a year, month or day.
        until: likewise of this date or earlier, so that `until` 2004 includes all of that year.
    """

    relations: tuple[str, ...] = ()
    min_confidence: float = 0.0
    document: str | None = None
    since: str | None = None
    until: str | None = None

    def condition(self, edge: str = "e") -> tuple[str, list[Any]]:
        """The filter as SQL about a row of `edges`, with the values of its question marks.

        Args:
            edge: what the query calls the row.
        """
        parts: list[str] = []
        values: list[Any] = []
        if self.relations:
            parts.append(f"{edge}.predicate IN ({', '.join('?' * len(self.relations))})")
            values += self.relations
        if self.min_confidence > 0:
            # Confidences are 32-bit numbers: 0.9 as one is below 0.9.
            parts.append(f"{edge}.confidence >= ?::FLOAT")
            values.append(self.min_confidence)
        places: list[str] = []
        if self.document is not None:
            places.append("d.document_id = ?")
            values.append(self.document)
        # Dates of different precision are compared as far as both go.
        if self.since is not None:
            places.append("d.date >= ?[:length(d.date)]")
            values.append(self.since)
        if self.until is not None:
            places.append("d.date[:length(?)] <= ?")
            values += [self.until, self.until]
        if self.document is not None and len(places) == 1:
            parts.append(
                f"{edge}.relation_id IN (SELECT relation_id FROM document_facts WHERE document = "
                f"(SELECT number FROM papers d WHERE {places[0]}))"
            )
        elif places:
            parts.append(
                f"{edge}.relation_id IN (SELECT p.relation_id FROM places p JOIN papers d "
                f"ON p.document = d.number WHERE {' AND '.join(places)})"
            )
        return " AND ".join(parts) or "true", values
