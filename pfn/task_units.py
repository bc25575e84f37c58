"""The NER unit and the RE unit: one table a label over all pairs of positions (eq. 9-11)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfn.global_representation import GlobalRepresentation


class PairProjections(NamedTuple):
    """What each position adds to a pair's representation, before LayerNorm and ELU.

    Linear([h_i; h_j; h_g]) = A h_i + B h_j + C h_g: projected once a position, so that
    the concatenation over all pairs is never built.

    Attributes:
        first: A h_i + C h_g + bias, (batch, length, hidden).
        second: B h_j, (batch, length, hidden).
    """

    first: Tensor
    second: Tensor


class TaskUnit(nn.Module):
    """Fills a table for each label: the NER unit (eq. 9-10) or the RE unit (eq. 11).

    In the NER unit a pair is the first and last position of a span, in the RE unit the
    first position of the subject and of the object.

    Args:
        hidden_size: width of the features.
        labels: number of entity types or of relations.
        dropout: rate before ELU.
        layer_norm: whether a pair's representation is normalised before ELU.
    """

    def __init__(self, hidden_size: int, labels: int, dropout: float, layer_norm: bool):
        super().__init__()
        self.global_representation = GlobalRepresentation(hidden_size)
        self.pair = nn.Linear(3 * hidden_size, hidden_size)
        self.layer_norm = nn.LayerNorm(hidden_size) if layer_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.label = nn.Linear(hidden_size, labels)

    def project(self, task: Tensor, shared: Tensor, mask: Tensor) -> PairProjections:
        """Projects each position once.

        Args:
            task: entity or relation features, (batch, length, hidden).
            shared: shared features, (batch, length, hidden).
            mask: true at positions of the sentence, (batch, length).
        """
        sentence = self.global_representation(task, shared, mask)
        first, second, whole = self.pair.weight.chunk(3, 1)
        constant = functional.linear(sentence, whole, self.pair.bias).unsqueeze(1)
        return PairProjections(
            functional.linear(task, first) + constant, functional.linear(task, second)
        )

    def logits(self, pairs: Tensor) -> Tensor:
        """The logits of the labels from sums of projections, (..., hidden) to (..., labels)."""
        return self.label(functional.elu(self.dropout(self.layer_norm(pairs))))

    def table(self, projections: PairProjections) -> Tensor:
        """Logits of all pairs, (batch, length, length, labels)."""
        return self.logits(projections.first.unsqueeze(2) + projections.second.unsqueeze(1))

    def cells(
        self, projections: PairProjections, sentence: Tensor, first: Tensor, second: Tensor
    ) -> Tensor:
        """Logits of given cells only.

        Args:
            projections: of the batch.
            sentence: index of each cell's sentence in the batch, (cells,).
            first: row of each cell, (cells,).
            second: column of each cell, (cells,).

        Returns:
            (cells, labels).
        """
        length = projections.first.shape[1]
        rows = projections.first.flatten(0, 1).index_select(0, sentence * length + first)
        columns = projections.second.flatten(0, 1).index_select(0, sentence * length + second)
        return self.logits(rows + columns)


def upper_triangle(mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cells of the NER table: first position <= last position, both in the sentence.

    Args:
        mask: true at positions of the sentence, (batch, length).

    Returns:
        Sentence, row and column of each cell, sorted, each (cells,).
    """
    length = mask.shape[1]
    triangle = torch.ones(length, length, dtype=torch.bool, device=mask.device).triu()
    cells = mask.unsqueeze(2) & mask.unsqueeze(1) & triangle
    sentence, first, second = cells.nonzero(as_tuple=True)
    return sentence, first, second
