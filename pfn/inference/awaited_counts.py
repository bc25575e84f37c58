"""Index arithmetic on a device whose results have sizes that only the device knows.

PyTorch's `nonzero` and its like wait until a GPU has done all that it was asked for. Here they are
generators that yield the counts as tensors of the device and are sent them on the CPU. Who runs
them asks the device for something else before the counts are there.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import torch
from torch import Tensor

from pfn_kg.pfn.model import devices

Result = TypeVar("Result")
#: Yields tensors of a device, is sent the same on the CPU, and returns a result.
Awaiting = Generator[Tensor, Tensor, Result]


def finished(awaiting: Awaiting[Result]) -> Result:
    """The result, for which each tensor is waited for at once."""
    try:
        wanted = next(awaiting)
        while True:
            wanted = awaiting.send(wanted.cpu())
    except StopIteration as done:
        result: Result = done.value
        return result


def places_of(mask: Tensor, count: int | None = None) -> Awaiting[Tensor]:
    """The places of the true elements of a mask, in order.

    Args:
        mask: (elements,), less than 2^31 of them.
        count: how many are true, where it is known.

    Yields:
        The count, if it isn't known.
    """
    if not devices.runs_ahead(mask.device):
        return mask.nonzero().squeeze(1)
    # Of the elements up to each one how many are true: it is the first of those with its number.
    rank = mask.cumsum(0, dtype=torch.int32)
    if count is None:
        counted = yield rank[-1:] if len(rank) else rank.new_zeros(1)
        (count,) = counted.tolist()
    return torch.searchsorted(
        rank, torch.arange(1, count + 1, dtype=torch.int32, device=mask.device)
    )


def spans_of(widths: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The cells of the NER table, as `task_units.upper_triangle` finds them.

    Args:
        widths: how many spans begin at each position, (batch, length).
        count: the sum of them.

    Returns:
        Sentence, row and column of each cell, sorted, each (cells,).
    """
    length, flat = widths.shape[1], widths.flatten()
    places = torch.arange(len(flat), device=flat.device)
    first = torch.repeat_interleave(places, flat, output_size=count)
    number = torch.arange(count, device=flat.device) - (flat.cumsum(0) - flat)[first]
    sentence, row = first // length, first % length
    return sentence, row, row + number
