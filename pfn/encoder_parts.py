"""What of a batch the encoder reads at a time.

At inference on a CPU the encoder is fastest with so few word pieces that its activations stay in
a core's cache. The recurrence of the partition filter wants many sequences side by side, since
its weights are read anew at each step.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Word pieces that the encoder reads at a time on a CPU, padding included.
PIECES = 512


def encoder_parts(attention_mask: Tensor, pieces: int | None = None) -> list[tuple[slice, slice]]:
    """Cuts a batch into parts for the encoder; elsewhere than said above into one.

    Args:
        attention_mask: 1 at pieces, 0 at the padding behind them, (batch, pieces).
        pieces: most of a part, padding included, save that a sequence stays whole; `PIECES`
            if None.

    Returns:
        Of each part its sequences, one after the other, and its columns: all pieces of those.
    """
    count, width = attention_mask.shape
    most = PIECES if pieces is None else pieces
    if torch.is_grad_enabled() or attention_mask.device.type != "cpu" or count * width <= most:
        return [(slice(0, count), slice(0, width))]
    lengths = attention_mask.sum(1).tolist()
    found, begin = [], 0
    while begin < count:
        end, longest = begin + 1, lengths[begin]
        while end < count and max(longest, lengths[end]) * (end + 1 - begin) <= most:
            longest = max(longest, lengths[end])
            end += 1
        found.append((slice(begin, end), slice(0, longest)))
        begin = end
    return found
