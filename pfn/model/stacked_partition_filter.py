"""Partition filter encoders in layers and in both directions (section 5.3, Table 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pfn_kg.pfn.model.partition_filter import PartitionFeatures, PartitionFilterEncoder, Steps


class StackedPartitionFilter(nn.Module):
    """Layers of partition filter encoders, each of one or of two directions.

    The paper stacks them "similar to recurrent neural network": a layer reads the hidden
    states h_t of the layer below (eq. 7), those of both directions side by side. The
    features (eq. 6) are those of the last layer, in which all layers below have their say.

    Args:
        input_size: width of the text encoder's output.
        hidden_size: width of each encoder's cell.
        layers: number of layers.
        bidirectional: whether a second encoder of each layer reads from right to left.
        options: of each `PartitionFilterEncoder`.
    """

    def __init__(
        self, input_size: int, hidden_size: int, layers: int, bidirectional: bool, **options
    ):
        super().__init__()
        directions = (False, True) if bidirectional else (False,)
        sizes = [input_size] + [hidden_size * len(directions)] * (layers - 1)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                PartitionFilterEncoder(size, hidden_size, reverse=reverse, **options)
                for reverse in directions
            )
            for size in sizes
        )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, steps: Steps | None = None
    ) -> PartitionFeatures:
        """Encodes sequences.

        Args:
            x: outputs of the text encoder, (batch, length, input_size).
            mask: true at positions of the sequence, (batch, length).
            steps: those of the mask, if they are known.

        Returns:
            The features, (batch, length, directions * hidden); zero at padding.
        """
        # Lists of modules; their types don't say so.
        layers: Any = self.layers
        *below, last = layers
        for layer in below:
            x = torch.cat([direction.encode(x, mask, steps=steps)[1] for direction in layer], -1)
        both_ways = [direction(x, mask, steps) for direction in last]
        return PartitionFeatures(*(torch.cat(parts, -1) for parts in zip(*both_ways, strict=True)))
