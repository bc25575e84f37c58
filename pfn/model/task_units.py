"""The NER unit and the RE unit: one table a label over all pairs of positions (eq. 9-11)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfn_kg.pfn.model import devices
from pfn_kg.pfn.model.blocked_table_loss import Cells, blocked_table_loss
from pfn_kg.pfn.model.global_representation import GlobalRepresentation
from pfn_kg.pfn.model.loss import Labels

# Cells whose pair representations are in memory at once, to bound it; on a CPU so few that
# they stay in a core's cache from one operation to the next.
_BLOCK = 1 << 16
_CPU_BLOCK = 512

_LOG2_E = 1 / math.log(2)

# Sentences between two positions, beyond which all distances are one.
_FAR = 3


class UnitFeatures(NamedTuple):
    """What a unit fills its table from.

    Attributes:
        task: features h of each position, (batch, length, features).
        constant: C h_g + bias of each sentence, (batch, hidden).
        sentence_ids: in windows of several sentences that of each position, (batch, length).
    """

    task: Tensor
    constant: Tensor
    sentence_ids: Tensor | None = None


class TaskUnit(nn.Module):
    """Fills a table for each label: the NER unit (eq. 9-10) or the RE unit (eq. 11).

    In the NER unit a pair is the first and last position of a span, in the RE unit the
    first position of the subject and of the object.

    Linear([h_i; h_j; h_g]) = A h_i + B h_j + C h_g: each part is projected once, so that the
    concatenation over all pairs is never built.

    Args:
        hidden_size: width of the sentence's and of a pair's representation.
        labels: number of entity types or of relations.
        dropout: rate before ELU.
        layer_norm: whether a pair's representation is normalised before ELU.
        feature_size: width of the features h; `hidden_size` by default.
        shared: whether eq. 8 reads shared features beside the task's.
        global_representation: whether a pair sees h_g at all.
        sentence_distance: whether a pair sees how many sentences are between its positions, and
            which comes first: a learnt vector is added to its representation, none inside a
            sentence. The paper reads single sentences and needs none.
    """

    def __init__(
        self,
        hidden_size: int,
        labels: int,
        dropout: float,
        layer_norm: bool,
        feature_size: int | None = None,
        shared: bool = True,
        global_representation: bool = True,
        sentence_distance: bool = False,
    ):
        super().__init__()
        self.feature_size = feature_size or hidden_size
        self.global_representation = (
            GlobalRepresentation(hidden_size, self.feature_size, shared)
            if global_representation
            else None
        )
        width = hidden_size if global_representation else 0
        self.pair = nn.Linear(2 * self.feature_size + width, hidden_size)
        self.layer_norm = nn.LayerNorm(hidden_size) if layer_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.label = nn.Linear(hidden_size, labels)
        # The first vector is that of one sentence, and stays zero.
        self.distance = (
            nn.Embedding(2 * _FAR + 1, hidden_size, padding_idx=0) if sentence_distance else None
        )

    def project(
        self,
        task: Tensor,
        shared: Tensor | None,
        mask: Tensor,
        sentence_ids: Tensor | None = None,
    ) -> UnitFeatures:
        """Reads the sentences, up to what pairs of positions are made from.

        Args:
            task: entity or relation features, (batch, length, features).
            shared: shared features, (batch, length, features), where there are any.
            mask: true at positions of the sentence, (batch, length).
            sentence_ids: in windows of several sentences that of each position, (batch, length).
        """
        if self.global_representation is None:
            return UnitFeatures(task, self.pair.bias.expand(len(task), -1), sentence_ids)
        sentence = self.global_representation(task, shared, mask)
        whole = self.pair.weight[:, 2 * self.feature_size :]
        constant = functional.linear(sentence, whole, self.pair.bias)
        return UnitFeatures(task, constant, sentence_ids)

    def logits(self, pairs: Tensor) -> Tensor:
        """The logits of the labels from sums of projections, (..., hidden) to (..., labels).

        Without gradients the sums may be overwritten.
        """
        normalised = self.dropout(self.layer_norm(pairs))
        if torch.is_grad_enabled():
            return self.label(functional.elu(normalised))
        return self.label(_elu_(normalised))

    def table(self, features: UnitFeatures) -> Tensor:
        """Logits of all pairs, (batch, length, length, labels)."""
        first, second = self._weights()
        rows = functional.linear(features.task, first) + features.constant.unsqueeze(1)
        pairs = rows.unsqueeze(2) + functional.linear(features.task, second).unsqueeze(1)
        if (ids := features.sentence_ids) is not None and self.distance is not None:
            pairs = pairs + self.distance(_places(ids.unsqueeze(1) - ids.unsqueeze(2)))
        return self.logits(pairs)

    def table_loss(
        self, features: UnitFeatures, mask: Tensor, labels: Labels, triangle: bool
    ) -> Tensor:
        """Sum of the binary cross-entropy over all cells (eq. 12), without their logits.

        For training on a CPU: it works through the cells in blocks that stay in cache.

        Args:
            features: of the batch.
            mask: true at positions of the sentence, padding behind them, (batch, length).
            labels: of the table.
            triangle: whether cells below the diagonal are left out.
        """
        first, second = self._weights()
        norm = self.layer_norm if isinstance(self.layer_norm, nn.LayerNorm) else None
        return blocked_table_loss(
            functional.linear(features.task, first) + features.constant.unsqueeze(1),
            functional.linear(features.task, second),
            self.label.weight,
            self.label.bias,
            Cells(mask.sum(1).tolist(), labels, triangle),
            norm.weight if norm else None,
            norm.bias if norm else None,
            norm.eps if norm else 0,
            self.dropout.p if self.training else 0,
        )

    def _weights(self) -> tuple[Tensor, Tensor]:
        """A and B, each (hidden, features)."""
        size = self.feature_size
        return self.pair.weight[:, :size], self.pair.weight[:, size : 2 * size]

    def cells(
        self, features: UnitFeatures, sentence: Tensor, first: Tensor, second: Tensor
    ) -> Tensor:
        """Logits of given cells only.

        Args:
            features: of the batch.
            sentence: index of each cell's sentence in the batch, (cells,).
            first: row of each cell, (cells,).
            second: column of each cell, (cells,).

        Returns:
            (cells, labels).
        """
        length = features.task.shape[1]
        weights = self._weights()
        task = features.task.flatten(0, 1)
        row, column = sentence * length + first, sentence * length + second
        if not devices.runs_ahead(task.device):
            rows, row = _needed(row, len(task))
            columns, column = _needed(column, len(task))
            of_rows = functional.linear(task[rows], weights[0]) + features.constant[rows // length]
            of_columns = functional.linear(task[columns], weights[1])
        else:
            # A GPU projects all positions sooner than it says which are needed.
            by_sentence = functional.linear(features.task, weights[0])
            of_rows = (by_sentence + features.constant.unsqueeze(1)).flatten(0, 1)
            of_columns = functional.linear(task, weights[1])
        between = None
        if (ids := features.sentence_ids) is not None and self.distance is not None:
            between = _places(ids[sentence, second] - ids[sentence, first])
        if torch.is_grad_enabled():
            pairs = of_rows.index_select(0, row) + of_columns.index_select(0, column)
            if between is not None and self.distance is not None:
                pairs = pairs + self.distance(between)
            return self.logits(pairs)
        size = _CPU_BLOCK if task.device.type == "cpu" else _BLOCK
        logits = task.new_empty(len(row), self.label.out_features)
        for begin in range(0, len(row), size):
            pairs = of_rows.index_select(0, row[begin : begin + size])
            pairs += of_columns.index_select(0, column[begin : begin + size])
            if between is not None and self.distance is not None:
                pairs += self.distance(between[begin : begin + size])
            logits[begin : begin + size] = self.logits(pairs)
        return logits


def _elu_(x: Tensor) -> Tensor:
    """ELU in the place of its input.

    At single precision on a CPU from a power of 2: PyTorch's own takes twice as long there, in a
    function for e^x - 1 that keeps more digits near zero than the sums have that it is given.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return functional.elu_(x)
    below = x.clamp(max=0).mul_(_LOG2_E).exp2_().sub_(1)
    return torch.maximum(x, below, out=x)


def _needed(places: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which of `count` places occur, sorted, and where among these each of `places` is."""
    occurs = torch.zeros(count, dtype=torch.bool, device=places.device)
    occurs[places] = True
    return occurs.nonzero().squeeze(1), (occurs.cumsum(0) - 1)[places]


def _places(sentences: Tensor) -> Tensor:
    """The places of distances in sentences among the vectors of `TaskUnit.distance`."""
    return sentences.clamp(-_FAR, _FAR) % (2 * _FAR + 1)


def upper_triangle(
    mask: Tensor, sentence_ids: Tensor | None = None, max_span: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The cells of the NER table: first position <= last position, both in the sentence.

    Args:
        mask: true at positions of the sentence, (batch, length).
        sentence_ids: where a window has several sentences: that of each position,
            (batch, length).
        max_span: most positions of a span, if there is a bound.

    Returns:
        Sentence, row and column of each cell, sorted, each (cells,).
    """
    length = mask.shape[1]
    triangle = torch.ones(length, length, dtype=torch.bool, device=mask.device).triu()
    if max_span is not None:
        triangle = triangle.tril(max_span - 1)
    cells = same_sentence(mask, sentence_ids) & triangle
    sentence, first, second = cells.nonzero(as_tuple=True)
    return sentence, first, second


def same_sentence(mask: Tensor, sentence_ids: Tensor | None = None) -> Tensor:
    """The pairs of positions in one sentence, (batch, length, length); as `upper_triangle`."""
    pairs = mask.unsqueeze(2) & mask.unsqueeze(1)
    if sentence_ids is None:
        return pairs
    return pairs & (sentence_ids.unsqueeze(2) == sentence_ids.unsqueeze(1))
