"""The loss of a whole table (eq. 9-12) without the table: cells in blocks that stay in cache.

A training step's time in the task units goes into moving pair representations, of all cells and
of hidden width, through memory: a dozen times, from the sum of projections to the loss and back.
Here a block of cells is taken through all of them at once. The loss is a sum over cells, and all
that it needs of the gradient from above is one factor; so a block's gradients are made as soon as
its logits are, and nothing is kept or computed again for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from pfn_kg.pfn.model.loss import Labels

# Cells of a block: a few tensors of so many rows of hidden width fit a core's cache.
_CELLS = 256


class Cells(NamedTuple):
    """Which cells of a batch's tables count, and their labels.

    Attributes:
        lengths: positions of each sentence; its table has as many rows and columns.
        labels: of the tables.
        triangle: whether cells below the diagonal are left out (the NER table).
    """

    lengths: Sequence[int]
    labels: Labels
    triangle: bool


def blocked_table_loss(
    rows: Tensor,
    columns: Tensor,
    label_weight: Tensor,
    label_bias: Tensor,
    cells: Cells,
    norm_weight: Tensor | None = None,
    norm_bias: Tensor | None = None,
    norm_epsilon: float = 1e-5,
    dropout: float = 0.0,
) -> Tensor:
    """Sum of the binary cross-entropy over the cells of a batch's tables.

    A cell's logits are `label(elu(dropout(layer_norm(rows[i] + columns[j]))))`.

    Args:
        rows: A h_i + C h_g + bias, (batch, length, hidden).
        columns: B h_j, (batch, length, hidden).
        label_weight: (labels, hidden).
        label_bias: (labels,).
        cells: which count, and their labels.
        norm_weight: of the layer normalisation, (hidden,); without it there is none.
        norm_bias: of the layer normalisation, (hidden,).
        norm_epsilon: of the layer normalisation.
        dropout: rate before ELU.

    Returns:
        A scalar. It can be differentiated once.
    """
    loss: Tensor = _BlockedTableLoss.apply(
        rows,
        columns,
        label_weight,
        label_bias,
        norm_weight,
        norm_bias,
        cells,
        norm_epsilon,
        dropout,
    )
    return loss


class _BlockedTableLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        rows: Tensor,
        columns: Tensor,
        label_weight: Tensor,
        label_bias: Tensor,
        norm_weight: Tensor | None,
        norm_bias: Tensor | None,
        cells: Cells,
        epsilon: float,
        dropout: float,
    ) -> Tensor:
        aten = torch.ops.aten
        hidden = rows.shape[-1]
        loss = 0.0
        d_rows, d_columns = torch.zeros_like(rows), torch.zeros_like(columns)
        d_weight, d_bias = torch.zeros_like(label_weight), torch.zeros_like(label_bias)
        # Without normalisation of no use.
        d_norm_weight, d_norm_bias = rows.new_zeros(2, hidden)
        for block in _blocks(cells, len(label_weight)):
            of_rows = (block.sentence, slice(block.first, block.last))
            of_columns = (block.sentence, slice(block.left, block.right))
            sums = (rows[of_rows].unsqueeze(1) + columns[of_columns]).view(-1, hidden)
            normalised = sums
            if norm_weight is not None:
                normalised, mean, deviation = torch.native_layer_norm(
                    sums, [hidden], norm_weight, norm_bias, epsilon
                )
            if dropout:
                mask = _dropout_mask(normalised, dropout)
                normalised = normalised * mask
            # ELU, in a third less time than PyTorch's.
            units = normalised.clamp_max(0).exp_().sub_(1).add_(normalised.clamp_min_(0))
            logits = torch.addmm(label_bias, units, label_weight.t())
            # BCE is softplus(logit), less the logit times the target.
            each = functional.softplus(logits)
            d_logits = logits.sigmoid()
            if cells.triangle and block.last - block.first > 1:
                outside = _below_diagonal(
                    block.last - block.first, block.right - block.left, rows.device
                )
                each[outside] = 0
                d_logits[outside] = 0
            if block.unknown is not None:
                counts = (~block.unknown).repeat(len(each), 1)
                counts.view(-1)[block.labelled] = True
                each *= counts
                d_logits *= counts
            loss += float(each.sum())
            if len(block.labelled):
                loss -= float(logits.view(-1)[block.labelled] @ block.targets)
                d_logits.view(-1)[block.labelled] -= block.targets
            d_weight.addmm_(d_logits.t(), units)
            d_bias += d_logits.sum(0)
            d_sums = aten.elu_backward(d_logits @ label_weight, 1, 1, 1, True, units)
            if dropout:
                d_sums.mul_(mask)
            if norm_weight is not None:
                d_sums, of_weight, of_bias = aten.native_layer_norm_backward(
                    d_sums, sums, [hidden], mean, deviation, norm_weight, norm_bias, [True] * 3
                )
                d_norm_weight += of_weight
                d_norm_bias += of_bias
            d_sums = d_sums.view(block.last - block.first, block.right - block.left, hidden)
            d_rows[of_rows] += d_sums.sum(1)
            d_columns[of_columns] += d_sums.sum(0)
        ctx.save_for_backward(d_rows, d_columns, d_weight, d_bias, d_norm_weight, d_norm_bias)
        return rows.new_tensor(loss)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradients: list[Tensor | None] = [of * gradient for of in ctx.saved_tensors]
        if not any(ctx.needs_input_grad[4:6]):
            gradients[4:6] = [None, None]
        return (*gradients, None, None, None)


class _Block(NamedTuple):
    """Rows `first` to `last` and columns `left` to `right` of a sentence's table.

    Attributes:
        labelled: where the labelled cells are among the block's logits, (n,).
        targets: of these, (n,).
        unknown: which labels were not annotated in the sentence, (labels,); None if all were.
    """

    sentence: int
    first: int
    last: int
    left: int
    right: int
    labelled: Tensor
    targets: Tensor
    unknown: Tensor | None


def _blocks(cells: Cells, labels: int) -> Iterator[_Block]:
    labelled: dict[int, dict[tuple[int, int, int], float]] = {}
    of_cells, targets, known = cells.labels
    for (sentence, *place), target in zip(of_cells.tolist(), targets.tolist(), strict=True):
        labelled.setdefault(sentence, {})[*place] = target
    for sentence, length in enumerate(cells.lengths):
        unknown = None if known is None or bool(known[sentence].all()) else ~known[sentence]
        first = 0
        while first < length:
            left = first if cells.triangle else 0
            width = length - left
            last = min(length, first + max(1, _CELLS // width))
            places = {
                ((row - first) * width + column - left) * labels + label: target
                for (row, column, label), target in labelled.get(sentence, {}).items()
                if first <= row < last
            }
            yield _Block(
                sentence,
                first,
                last,
                left,
                length,
                of_cells.new_tensor(list(places)),
                targets.new_tensor(list(places.values())),
                unknown,
            )
            first = last


@lru_cache(maxsize=4096)
def _below_diagonal(height: int, width: int, device: torch.device) -> Tensor:
    """Which cells of a block that begins on the diagonal lie below it, (height * width,)."""
    return torch.ones(height, width, dtype=torch.bool, device=device).tril(-1).flatten()


def _dropout_mask(like: Tensor, rate: float) -> Tensor:
    """0 at this rate, to 1/65536, else what keeps the mean; a fifth of `bernoulli_`'s time.

    PyTorch draws 64 bits for each number; here they serve four.
    """
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    numbers = bits.random_(-(1 << 63), None).view(torch.int16)[: like.numel()].view(like.shape)
    dropped = round(rate * (1 << 16))
    mask = torch.ge(numbers, dropped - (1 << 15), out=torch.empty_like(like))
    return mask.mul_((1 << 16) / ((1 << 16) - dropped))
