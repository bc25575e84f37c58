"""The training objective (eq. 12)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Labels(NamedTuple):
    """The labels of a batch's tables (eq. 12).

    Attributes:
        cells: (sentence, row, column, label), (n, 4); in all others it is 0.
        targets: 1 where the label holds, or the probability that it does, (n,).
    """

    cells: Tensor
    targets: Tensor

    @classmethod
    def of(cls, cells: Tensor, targets: Tensor | None = None) -> Labels:
        """Labels with these targets; all of them hold where there are none."""
        if targets is None:
            targets = torch.ones(len(cells), device=cells.device)
        return cls(cells, targets)


def table_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the binary cross-entropy over cells and labels (eq. 12).

    Args:
        logits: of cells of a table, (cells, labels).
        labels: 1 where the label holds, or the probability that it does, same shape.

    Returns:
        A scalar.
    """
    return functional.binary_cross_entropy_with_logits(
        logits.float(), labels.float(), reduction="sum"
    )
