"""From head-only triples to full spans: resolution by the NER table (eq. 13).

The RE unit says that a relation holds between the first words of two entities
(`<w_i, l, w_j>`); the NER unit says which spans begin there. Eq. 13 accepts a
triple when its own score and the score of an entity at each head reach their
thresholds. Raising a threshold can only take results away, so scores kept from
a floor can be resolved again at any higher threshold without the model.

`resolve` works on the records of one text; `resolve_columns` does the same for
many documents at once, on arrays. A property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np

from pfn_kg.schemas.choices import HeadPolicy
from pfn_kg.schemas.records import DocumentHeads, HeadExtraction, HeadTriple, Mention, Triple

HEAD_POLICIES: tuple[HeadPolicy, ...] = get_args(HeadPolicy)


def resolve(
    mentions: Sequence[Mention],
    head_triples: Sequence[HeadTriple],
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
    tail_triples: Sequence[HeadTriple] | None = None,
) -> tuple[list[Mention], list[Triple]]:
    """Accepts mentions and expands head triples to pairs of them (eq. 13).

    Offsets may be those of a sentence or of a document; subject and object may
    stand in different sentences.

    Args:
        mentions: candidate mentions of one text, each (begin, end, type) once.
        head_triples: candidate head triples, each (subject, relation, object) once.
        entity_threshold: a mention is accepted if its score is at least this.
        relation_threshold: a head triple is accepted if its score is at least this.
        head_policy: which of several accepted mentions that begin at one head take
            part: all of them, as in the paper; the best scored; or the longest.
        tail_triples: what a tail table says, where the model has one: a pair of mentions
            then needs a relation between its ends too, with a score that reaches
            `relation_threshold`.

    Returns:
        The accepted mentions sorted by (begin, end, type), and the triples sorted
        by (subject, object, relation), whose subject and object are indices into
        that list.

    Raises:
        ValueError: if the head policy is unknown.
    """
    if head_policy not in HEAD_POLICIES:
        raise ValueError(f"head_policy is {head_policy!r}, not one of {', '.join(HEAD_POLICIES)}")
    accepted = [m for m in mentions if m.score >= entity_threshold]
    accepted.sort(key=lambda m: (m.begin, m.end, m.type))
    at_head: dict[int, list[int]] = {}
    for index, mention in enumerate(accepted):
        at_head.setdefault(mention.begin, []).append(index)
    if head_policy == "best":
        # Ties go to the longer span, then to the first type.
        for head, positions in at_head.items():
            at_head[head] = [
                min(positions, key=lambda i: (-accepted[i].score, -accepted[i].end, i))
            ]
    elif head_policy == "longest":
        # Ties go to the better score, then to the first type.
        for head, positions in at_head.items():
            at_head[head] = [
                min(positions, key=lambda i: (-accepted[i].end, -accepted[i].score, i))
            ]
    triples = [
        Triple(subject, head.relation, object_, head.score)
        for head in head_triples
        if head.score >= relation_threshold
        for subject in at_head.get(head.subject, ())
        for object_ in at_head.get(head.object, ())
    ]
    if tail_triples is not None:
        tails = {t[:3] for t in tail_triples if t.score >= relation_threshold}
        triples = [
            t
            for t in triples
            if (accepted[t.subject].end, t.relation, accepted[t.object].end) in tails
        ]
    triples.sort(key=lambda t: (t.subject, t.object, t.relation))
    return accepted, triples


def resolve_heads(
    heads: HeadExtraction | DocumentHeads,
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> tuple[list[Mention], list[Triple]]:
    """As `resolve`, of all that a model said of one text."""
    return resolve(
        heads.mentions,
        heads.head_triples,
        entity_threshold=entity_threshold,
        relation_threshold=relation_threshold,
        head_policy=head_policy,
        tail_triples=heads.tail_triples,
    )


class TailColumns(NamedTuple):
    """What a tail table says of many documents, as `resolve_columns` takes it.

    Attributes:
        subjects: the end of each one's subject, one integer with its document (int64).
        relations: a code for its relation.
        objects: the end of its object, likewise.
        scores: their scores.
    """

    subjects: np.ndarray
    relations: np.ndarray
    objects: np.ndarray
    scores: np.ndarray


class ResolvedColumns(NamedTuple):
    """Resolution of many documents, as indices into the arrays that were given.

    Attributes:
        mentions: indices of the accepted mentions, sorted by (head, end, type).
        subjects: for each triple the position in `mentions` of its subject.
        head_triples: for each triple the index of its head triple.
        objects: for each triple the position in `mentions` of its object.
        unresolved: number of accepted head triples without an entity at a head.
        without_tails: number of triples that a tail table left out.
    """

    mentions: np.ndarray
    subjects: np.ndarray
    head_triples: np.ndarray
    objects: np.ndarray
    unresolved: int
    without_tails: int


def resolve_columns(
    *,
    heads: np.ndarray,
    ends: np.ndarray,
    types: np.ndarray,
    mention_scores: np.ndarray,
    subject_heads: np.ndarray,
    relations: np.ndarray,
    object_heads: np.ndarray,
    triple_scores: np.ndarray,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
    tails: TailColumns | None = None,
) -> ResolvedColumns:
    """Does what `resolve` does for many documents at once.

    A head is one integer that names a document and an offset in it, for example
    `row << 32 | begin`; ends need only be comparable at one head, and with tails of the
    same kind as theirs.

    Args:
        heads: the head of each mention (int64).
        ends: the end of each mention.
        types: a code for each mention's type, ordered like the types' names.
        mention_scores: scores of the mentions.
        subject_heads: the head of each head triple's subject (int64).
        relations: a code for each head triple's relation, ordered like the names.
        object_heads: the head of each head triple's object (int64).
        triple_scores: scores of the head triples.
        entity_threshold: as in `resolve`.
        relation_threshold: as in `resolve`.
        head_policy: as in `resolve`.
        tails: what a tail table says, if the model has one.

    Returns:
        Indices; triples are sorted by (subject, object, relation).

    Raises:
        ValueError: if the head policy is unknown.
    """
    if head_policy not in HEAD_POLICIES:
        raise ValueError(f"head_policy is {head_policy!r}, not one of {', '.join(HEAD_POLICIES)}")
    accepted = np.flatnonzero(mention_scores >= entity_threshold)
    accepted = accepted[np.lexsort((types[accepted], ends[accepted], heads[accepted]))]
    # Positions in `accepted` that may take part in triples, still sorted by head.
    candidates = np.arange(len(accepted))
    if head_policy != "all":
        end, score = ends[accepted], mention_scores[accepted]
        first, second = (-score, -end) if head_policy == "best" else (-end, -score)
        candidates = np.lexsort((candidates, second, first, heads[accepted]))
        sorted_heads = heads[accepted][candidates]
        is_first = np.ones(len(candidates), dtype=bool)
        is_first[1:] = sorted_heads[1:] != sorted_heads[:-1]
        candidates = candidates[is_first]
    candidate_heads = heads[accepted][candidates]
    kept = np.flatnonzero(triple_scores >= relation_threshold)
    subject_from = np.searchsorted(candidate_heads, subject_heads[kept], "left")
    subject_count = np.searchsorted(candidate_heads, subject_heads[kept], "right") - subject_from
    object_from = np.searchsorted(candidate_heads, object_heads[kept], "left")
    object_count = np.searchsorted(candidate_heads, object_heads[kept], "right") - object_from
    counts = subject_count * object_count
    # Each head triple becomes `counts` triples: number them within their head triple
    # and read subject and object off that number.
    source = np.repeat(np.arange(len(kept)), counts)
    number = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = object_count[source]
    subjects = candidates[subject_from[source] + number // np.maximum(width, 1)]
    objects = candidates[object_from[source] + number % np.maximum(width, 1)]
    head_triples = kept[source]
    resolved = len(source)
    if tails is not None:
        ends = ends[accepted]
        fires = _rows_in(
            (ends[subjects], relations[head_triples], ends[objects]),
            [column[tails.scores >= relation_threshold] for column in tails[:3]],
        )
        subjects, head_triples, objects = subjects[fires], head_triples[fires], objects[fires]
    order = np.lexsort((relations[head_triples], objects, subjects))
    return ResolvedColumns(
        accepted,
        subjects[order],
        head_triples[order],
        objects[order],
        int(np.count_nonzero(counts == 0)),
        resolved - len(order),
    )


def _rows_in(columns: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """Which rows of some columns are rows of others too, as a mask."""

    def as_items(of_rows: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.stack([column.astype(np.int64) for column in of_rows], axis=1)
        return np.ascontiguousarray(rows).view([("", np.int64)] * len(of_rows)).ravel()

    return np.isin(as_items(columns), as_items(others))
