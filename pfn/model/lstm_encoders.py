"""Sequential and parallel encoding: LSTMs in place of the partition filter (Table 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pfn_kg.pfn.model.partition_filter import PartitionFeatures


class LSTMEncoders(nn.Module):
    """An LSTM for entity features and one for relation features.

    In parallel encoding both read the text encoder's output; in sequential encoding the
    second reads the first one's features, so that interaction goes one way. There is no
    shared partition.

    Args:
        input_size: width of the text encoder's output.
        hidden_size: width of each cell.
        sequential: whether relation features are made from entity features.
        layers: number of layers of each LSTM.
        bidirectional: whether each layer reads in both directions.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        sequential: bool,
        layers: int = 1,
        bidirectional: bool = False,
    ):
        super().__init__()
        self.sequential = sequential
        options: dict[str, Any] = {
            "num_layers": layers,
            "bidirectional": bidirectional,
            "batch_first": True,
        }
        features = hidden_size * (2 if bidirectional else 1)
        self.entity = nn.LSTM(input_size, hidden_size, **options)
        self.relation = nn.LSTM(features if sequential else input_size, hidden_size, **options)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> PartitionFeatures:
        """Encodes sequences.

        Args:
            x: outputs of the text encoder, (batch, length, input_size).
            mask: true at positions of the sequence, false at the padding behind it,
                (batch, length); no padding by default.

        Returns:
            Entity and relation features, (batch, length, directions * hidden), zero at
            padding; no shared ones.
        """
        if mask is None:
            mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        entity = _read(self.entity, x, mask)
        relation = _read(self.relation, entity if self.sequential else x, mask)
        return PartitionFeatures(entity, relation, None)


def _read(lstm: nn.LSTM, x: Tensor, mask: Tensor) -> Tensor:
    # A packed sequence has at least one step; that of an empty one is masked.
    lengths = mask.sum(1).clamp(min=1).cpu()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    output, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=x.shape[1])
    return output * mask.unsqueeze(-1)
