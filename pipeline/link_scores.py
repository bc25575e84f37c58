"""How well entities are merged across documents, against ids from a catalogue.

Two mentions in different documents are a pair. A pair is gold if both mentions have one id, and
the graph states it if both are of one entity. Pairs inside a document are the subject of
`pfn_kg.pipeline.graph_scores`. Mentions without an id are left out, since nobody knows which
others they are one with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations
from math import fsum
from typing import Any, NamedTuple

from pfn_kg.pfn.evaluation.scores import f1_of
from pfn_kg.pipeline.name_kinds import KINDS, Named

#: The kind of missed pairs that lack a mention.
NOT_FOUND = "mention_missed"


class LinkedMention(NamedTuple):
    """A gold mention with an id, and the entity that the graph gives it.

    Attributes:
        document: id of its document.
        identity: id of the thing in the catalogue.
        entity: id of the graph's entity; None if the graph lacks the mention.
        named: its name and type in the graph; those of gold if the graph lacks it.
    """

    document: str
    identity: str
    entity: str | None
    named: Named


#: For each document the number of its mentions.
_Counts = Counter[str]


def score_links(
    mentions: Sequence[LinkedMention], kind_of: Callable[[Named, Named], str]
) -> dict[str, Any]:
    """Scores entities across documents.

    Args:
        mentions: in any order.
        kind_of: why two names may be one or not, one of `pfn_kg.pipeline.name_kinds.KINDS`.

    Returns:
        `mentions` and `found` (their numbers), `pairwise` and `b_cubed` (precision, recall, f1 and
        support), and `missed` and `false`: for each kind, `pairs` of mentions and `names`, the
        distinct pairs of names that they come to. Precision is over mentions that the graph has.
        B-cubed (Bagga and Baldwin, 1998) is over all documents as one, pairs inside a document
        included.
    """
    found = [mention for mention in mentions if mention.entity is not None]
    gold = _pairs(mentions, lambda m: m.identity)
    said = _pairs(found, lambda m: m.entity)
    right = _pairs(found, lambda m: (m.identity, m.entity))
    return {
        "mentions": len(mentions),
        "found": len(found),
        "pairwise": _figures(_ratio(right, said), _ratio(right, gold), gold),
        "b_cubed": _b_cubed(mentions, found),
        "missed": _by_kind(mentions, kind_of, _missed),
        "false": _by_kind(found, kind_of, _false),
    }


def _pairs(mentions: Iterable[LinkedMention], group_of: Callable[[LinkedMention], Hashable]) -> int:
    """The pairs of different documents inside groups."""
    groups: dict[Hashable, _Counts] = defaultdict(Counter)
    for mention in mentions:
        groups[group_of(mention)][mention.document] += 1
    return sum((c.total() ** 2 - sum(n * n for n in c.values())) // 2 for c in groups.values())


def _b_cubed(
    mentions: Sequence[LinkedMention], found: Sequence[LinkedMention]
) -> dict[str, float | int]:
    identities = Counter(m.identity for m in mentions)
    entities = Counter(m.entity for m in found)
    both = Counter((m.identity, m.entity) for m in found)
    precision = fsum(n * n / entities[entity] for (_, entity), n in both.items())
    recall = fsum(n * n / identities[identity] for (identity, _), n in both.items())
    return _figures(
        _ratio(precision, len(found)), _ratio(recall, len(mentions)), support=len(mentions)
    )


def _by_kind(
    mentions: Iterable[LinkedMention],
    kind_of: Callable[[Named, Named], str],
    groups: Callable[[LinkedMention], tuple[Hashable, Hashable]],
) -> dict[str, dict[str, int]]:
    """The pairs of a group whose mentions differ in the other respect, by kind."""
    cells: dict[Hashable, dict[tuple[Hashable, Named], _Counts]] = {}
    for mention in mentions:
        group, part = groups(mention)
        of_part = cells.setdefault(group, {}).setdefault((part, mention.named), Counter())
        of_part[mention.document] += 1
    pairs: Counter[str] = Counter()
    names: dict[str, set[frozenset[Named]]] = defaultdict(set)
    for of_group in cells.values():
        for (one, one_counts), (other, other_counts) in combinations(of_group.items(), 2):
            if one[0] == other[0] and one[0] is not None:
                continue
            number = _across(one_counts, other_counts)
            if not number:
                continue
            missing = one[0] is None or other[0] is None
            kind = NOT_FOUND if missing else kind_of(one[1], other[1])
            pairs[kind] += number
            names[kind].add(frozenset((one[1], other[1])))
        # Mentions of one name that the graph lacks are pairs with each other, too.
        for (part, named), counts in of_group.items():
            if part is None and (number := _within(counts)):
                pairs[NOT_FOUND] += number
                names[NOT_FOUND].add(frozenset((named,)))
    return {
        kind: {"pairs": pairs[kind], "names": len(names[kind])}
        for kind in (*KINDS, NOT_FOUND)
        if pairs[kind]
    }


def _missed(mention: LinkedMention) -> tuple[Hashable, Hashable]:
    return mention.identity, mention.entity


def _false(mention: LinkedMention) -> tuple[Hashable, Hashable]:
    return mention.entity, mention.identity


def _across(one: _Counts, other: _Counts) -> int:
    together = sum(n * other[document] for document, n in one.items() if document in other)
    return one.total() * other.total() - together


def _within(counts: _Counts) -> int:
    return (counts.total() ** 2 - sum(n * n for n in counts.values())) // 2


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else 0.0


def _figures(precision: float, recall: float, support: int) -> dict[str, float | int]:
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1_of(precision, recall),
        "support": support,
    }
