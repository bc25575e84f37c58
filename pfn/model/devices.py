"""Which devices run ahead of Python, and must not be asked in between what they found."""

from __future__ import annotations

import torch


def runs_ahead(device: torch.device) -> bool:
    """Whether Python goes on while a device works, as with a GPU.

    Whoever asks it for a number then (`item`, `tolist`, `nonzero`, an index of booleans) waits
    until all is done that it was asked for, and it idles until it is asked for more. All that is
    done differently on such a device for this reason hangs on this answer.

    Args:
        device: of the tensors.
    """
    return device.type != "cpu"
