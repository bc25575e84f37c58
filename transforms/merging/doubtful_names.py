"""Pairs of names that may be of one thing, as a file of corrections for people to decide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.transforms.merging.similar_names import Described, Evidence
from pfn_kg.transforms.plumbing.files import join, replace

#: The file of a snapshot.
DOUBTFUL_FILE = "doubtful_names.jsonl"

#: So many are in the file, the likeliest first.
MOST_DOUBTFUL = 10_000

#: The kind of correction in a row that nobody has decided yet.
UNDECIDED = "undecided"


class DoubtfulName(NamedTuple):
    """Two names that may be of one thing. Larger ones are likelier.

    Attributes:
        score: in thousandths.
        name: that is less frequent.
        type: its type.
        other_name: that it may be of.
        other_type: its type.
        note: what speaks for it.
    """

    score: int
    name: str
    type: str
    other_name: str
    other_type: str
    note: str

    @classmethod
    def of(cls, score: float, one: Described, other: Described, said: Evidence) -> DoubtfulName:
        """The pair of two entities."""
        other, one = sorted((one, other), key=lambda e: (-e.count, -len(e.name), e.name, e.type))
        told = ", ".join(
            f"{name.replace('_', ' ')} {value:.2f}"
            for name, value in said._asdict().items()
            if name != "same_type"
        )
        note = f"score {score:.3f}: {told}"
        return cls(round(1000 * score), one.name, one.type, other.name, other.type, note)


def write_doubtful(pairs: Sequence[DoubtfulName], folder: str) -> dict[str, int]:
    """Writes DOUBTFUL_FILE: rows whose `kind` a person sets to `merge` or `keep_apart`.

    Args:
        pairs: in any order.
        folder: of the graph.

    Returns:
        Counts, of which there are none.
    """
    lines = [
        json.dumps(
            {"kind": UNDECIDED} | {k: v for k, v in pair._asdict().items() if k != "score"},
            ensure_ascii=False,
        )
        + "\n"
        for pair in sorted(pairs, reverse=True)
    ]
    replace(join(folder, DOUBTFUL_FILE), "".join(lines).encode())
    return {}
