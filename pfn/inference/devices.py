"""Devices by name."""

from __future__ import annotations

import torch

from pfn_kg.schemas.errors import ConfigurationError


def find_device(device: str) -> torch.device:
    """The device of a name; never another one than was asked for.

    Args:
        device: `auto` or a device of PyTorch.

    Raises:
        ConfigurationError: if it is unknown or not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"{device!r} can't be used: {reason}", field="device") from None
    return place
