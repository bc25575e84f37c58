"""What a check of a graph finds: for each kind of failure, how often, and one example."""

from __future__ import annotations

from collections import Counter


class Findings:
    """Failures by kind, in the order in which the kinds were found first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Records failures of a kind.

        Args:
            kind: what is wrong, the same text for each failure of the kind.
            example: one of them.
            count: how many there are; nothing is recorded for none.
        """
        if count > 0:
            self._counts[kind] += count
            self._examples.setdefault(kind, example)

    @property
    def lines(self) -> list[str]:
        """One line for each kind."""
        return [
            f"{kind}: {count}, such as {self._examples[kind]}"
            for kind, count in self._counts.items()
        ]
