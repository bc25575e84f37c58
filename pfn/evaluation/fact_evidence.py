"""Facts that a sentence states by itself, and those that are read across sentences, apart.

A fact counts as inside if one of its triples has both arguments in one sentence. A model that
reads windows of sentences is right less often about the others.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Where the evidence of a fact stands.
PLACES = ("inside", "across")


def by_evidence(inside: Sequence[bool], right: Sequence[bool]) -> dict[str, dict[str, float | int]]:
    """The number of facts by the place of their evidence, and their precision.

    Args:
        inside: whether a sentence states each fact by itself.
        right: whether each fact is right.

    Returns:
        For each of `PLACES` `facts` (how many), `share` (of all facts) and `precision`; the last
        two are 0 where there are no facts.
    """
    groups: dict[str, dict[str, float | int]] = {}
    for place in PLACES:
        judged = [r for i, r in zip(inside, right, strict=True) if i == (place == "inside")]
        groups[place] = {
            "facts": len(judged),
            "share": len(judged) / len(right) if right else 0.0,
            "precision": sum(judged) / len(judged) if judged else 0.0,
        }
    return groups
