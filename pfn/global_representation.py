"""The task-specific global representation of a sentence (section 4.2, eq. 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalRepresentation(nn.Module):
    """Max-pools task and shared features over the sentence, padding left out.

    The encoder reads from left to right only; this is how a position learns of what
    comes after it.

    Args:
        hidden_size: width of the features.
    """

    def __init__(self, hidden_size: int):
        super().__init__()
        self.linear = nn.Linear(2 * hidden_size, hidden_size)

    def forward(self, task: Tensor, shared: Tensor, mask: Tensor) -> Tensor:
        """The global representation h_g.

        Args:
            task: entity or relation features, (batch, length, hidden).
            shared: shared features, (batch, length, hidden).
            mask: true at positions of the sentence, (batch, length).

        Returns:
            (batch, hidden).
        """
        pooled = self.linear(torch.cat((task, shared), -1)).tanh()
        return pooled.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)
