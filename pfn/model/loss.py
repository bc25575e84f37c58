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
        known: which labels were annotated in each sentence, (sentences, labels); None: all. Of
            another label only the named cells count.
    """

    cells: Tensor
    targets: Tensor
    known: Tensor | None = None

    @classmethod
    def of(
        cls, cells: Tensor, targets: Tensor | None = None, known: Tensor | None = None
    ) -> Labels:
        """Labels with these targets; all of them hold where there are none."""
        if targets is None:
            targets = torch.ones(len(cells), device=cells.device)
        return cls(cells, targets, known)


def table_loss(logits: Tensor, labels: Tensor, counts: Tensor | None = None) -> Tensor:
    """Sum of the binary cross-entropy over cells and labels (eq. 12).

    Args:
        logits: of cells of a table, (cells, labels).
        labels: 1 where the label holds, or the probability that it does, same shape.
        counts: which of them count, same shape; all of them by default.

    Returns:
        A scalar.
    """
    return functional.binary_cross_entropy_with_logits(
        logits.float(),
        labels.float(),
        weight=None if counts is None else counts.float(),
        reduction="sum",
    )
