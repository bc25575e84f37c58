"""The training objective (eq. 12)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def table_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the binary cross-entropy over cells and labels (eq. 12).

    Args:
        logits: of cells of a table, (cells, labels).
        labels: 1 where the label holds, same shape.

    Returns:
        A scalar.
    """
    return functional.binary_cross_entropy_with_logits(
        logits.float(), labels.float(), reduction="sum"
    )
