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

    def table(self, shape: tuple[int, ...]) -> Tensor:
        """The targets of all cells.

        Args:
            shape: (batch, length, length, labels).
        """
        table = torch.zeros(shape, device=self.cells.device)
        table[self.cells.unbind(-1)] = self.targets
        return table

    def counted(
        self, shape: torch.Size, cells: tuple[Tensor, ...], batch: torch.Size
    ) -> Tensor | None:
        """Which labels of chosen cells count; None if all do.

        Args:
            shape: (cells, labels).
            cells: sentence, row and column of each cell.
            batch: number of sentences, and positions of the longest.
        """
        if self.known is None:
            return None
        device = self.cells.device
        named = torch.zeros(*batch, batch[1], shape[1], dtype=torch.bool, device=device)
        named[self.cells.unbind(-1)] = True
        return named[cells] | self.known[cells[0]]


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
