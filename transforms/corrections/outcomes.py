"""What became of each correction in one build, and what it says of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from pfn_kg.schemas.corrections import AnyCorrection
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.plumbing.ids import content_id
from pfn_kg.transforms.plumbing.shards import decode
from pfn_kg.transforms.tables.aggregate import aggregate_relations

#: One row for each correction, in their order.
OUTCOME_SCHEMA = pa.schema(
    {
        "row": pa.int64(),  # of the correction among all, from 1
        "correction_id": pa.string(),
        "kind": pa.string(),
        "is_applied": pa.bool_(),
        "reason": pa.string(),  # why it is not
        "items": pa.int64(),  # mentions or triples that it concerns
        # Of corrections that judge what the model says, and null where it does not say it.
        "relation": pa.string(),
        "is_right": pa.bool_(),
        "confidence": pa.float32(),  # of the fact by what it judges, without corrections
    }
)

_NOTHING = {
    "reject": "no triple says it",
    "split": "the entity has no such mention",
    "keep_apart": "one of the two is not mentioned",
}
_NO_MENTION = "the entity is not mentioned"
_NO_DOCUMENT = "the document is not in the graph"


def judgement_id(row: int) -> bytes:
    """What takes the place of a relation's id where the triples of a judgement are summed up."""
    return content_id("judgement", str(row))


def outcomes(
    corrections: Iterable[AnyCorrection],
    plan: CorrectionPlan,
    applied: Mapping[tuple[int, int], int],
    judged: Iterable[bytes],
) -> pa.Table:
    """What became of corrections, as in OUTCOME_SCHEMA.

    Args:
        corrections: in the order of their rows.
        plan: what they come to.
        applied: by row and side what each concerns, from all chunks.
        judged: support of judgements as Arrow IPC bytes, from all chunks.
    """
    confidences = _confidences(judged)
    holds = {assertion.row: assertion for assertion in plan.facts.assertions}
    rows = []
    for row, correction in enumerate(corrections):
        kind, items = correction.kind, applied.get((row, 0), 0)
        reason = plan.idle.get(row)
        if reason is None and row in holds:
            if holds[row].scope.document_id is not None and not items:
                reason = _NO_DOCUMENT
        elif reason is None:
            if kind == "keep_apart":
                items = min(items, applied.get((row, 1), 0))
            if not items:
                reason = _NOTHING.get(kind, _NO_MENTION)
        judgement = plan.facts.judgements.get(row)
        confidence = confidences.get(judgement_id(row).hex())
        said = judgement is not None and confidence is not None
        rows.append(
            {
                "row": row + 1,
                "correction_id": correction.correction_id,
                "kind": kind,
                "is_applied": reason is None,
                "reason": reason,
                "items": items,
                "relation": judgement.relation if judgement and said else None,
                "is_right": judgement.is_right if judgement and said else None,
                "confidence": confidence if said else None,
            }
        )
    return pa.Table.from_pylist(rows, OUTCOME_SCHEMA)


def _confidences(judged: Iterable[bytes]) -> dict[str, float]:
    """The confidence of what each correction judges, by the id of the judgement."""
    parts = [decode(data) for data in judged]
    if not parts:
        return {}
    summed = aggregate_relations(pa.concat_tables(parts))
    return dict(
        zip(summed["relation_id"].to_pylist(), summed["confidence"].to_pylist(), strict=True)
    )
