"""The task-specific global representation of a sentence (section 4.2, eq. 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalRepresentation(nn.Module):
    """Max-pools task and shared features over the sentence, padding left out.

    The encoder reads from left to right only; this is how a position learns of what
    comes after it.

    Args:
        hidden_size: width of the representation.
        feature_size: width of the features; `hidden_size` by default.
        shared: whether there are shared features; without them the task's stand alone.
    """

    def __init__(self, hidden_size: int, feature_size: int | None = None, shared: bool = True):
        super().__init__()
        self.linear = nn.Linear((1 + shared) * (feature_size or hidden_size), hidden_size)

    def forward(self, task: Tensor, shared: Tensor | None, mask: Tensor) -> Tensor:
        """The global representation h_g.

        Args:
            task: entity or relation features, (batch, length, features).
            shared: shared features, (batch, length, features), where there are any.
            mask: true at positions of the sentence, (batch, length).

        Returns:
            (batch, hidden).
        """
        read = task if shared is None else torch.cat((task, shared), -1)
        projected = self.linear(read)
        # Adding the numbers of a mask is quicker than filling by it.
        outside = torch.zeros_like(mask, dtype=projected.dtype).masked_fill(~mask, float("-inf"))
        # tanh rises, so the tanh of the maximum is the maximum of all tanhs.
        return (projected + outside.unsqueeze(-1)).amax(1).tanh()
