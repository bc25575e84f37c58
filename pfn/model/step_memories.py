"""The memories of a step of the partition filter (eq. 1-5) at inference on a GPU."""

from __future__ import annotations

import importlib
import logging
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

_LOG = logging.getLogger(__name__)
# Rows of the trial of a kernel.
_ROWS = 5
# Sums over a thousand neurons may differ by a tenth of it.
_TOLERANCE = 5e-5


class StepMemories(Protocol):
    """Writes entity, relation and shared memory of each row of a step."""

    def __call__(
        self, gates: Tensor, cell: Tensor, memory: Tensor, *, chunk_size: int, mirrored: bool
    ) -> None:
        """Writes the memories.

        Args:
            gates: candidate cell and the four gates before their activations,
                (rows, hidden + 4 chunk_size).
            cell: of the step before, (rows, hidden).
            memory: what is written, (rows, 3 hidden).
            chunk_size: width of the gates.
            mirrored: as in `PartitionFilterEncoder`.
        """


def plain_memories(
    gates: Tensor, cell: Tensor, memory: Tensor, *, chunk_size: int, mirrored: bool
) -> None:
    """As `StepMemories`, by operations of PyTorch."""
    rows, hidden = cell.shape
    candidate = gates[:, :hidden].tanh()  # eq. 1
    # eq. 2: (rows, cell, gate, chunk)
    gate = gates[:, hidden:].reshape(rows, 2, 2, chunk_size).softmax(-1).cumsum(-1)
    gate = gate.repeat(1, 1, 1, hidden // chunk_size)
    entity, relation = gate[:, :, 0], gate[:, :, 1]
    if mirrored:
        entity = 1 - entity
    else:
        relation = 1 - relation
    # eq. 3-5
    gate = torch.stack((entity, relation, entity * relation), 2)
    torch.addcmul(
        gate[:, 0] * cell.unsqueeze(1),
        gate[:, 1],
        candidate.unsqueeze(1),
        out=memory.view(rows, 3, hidden),
    )


@lru_cache
def fused_memories(
    device: torch.device, hidden_size: int, chunk_size: int, mirrored: bool
) -> StepMemories | None:
    """The Triton kernel, where it is there and right on a device.

    Triton needs a compiler for C and has an opinion about the GPU's age, so the kernel is tried
    once and its numbers are compared; where that fails a line of the log says why. Triton makes
    another program for each width, so it is tried as it will be used.

    Args:
        device: whose tensors it shall read.
        hidden_size: neurons of the cell.
        chunk_size: width of the gates.
        mirrored: as in `PartitionFilterEncoder`.
    """
    try:
        # Only PyTorch's builds for GPUs bring Triton along.
        module = importlib.import_module("pfn_kg.pfn.model.memories_kernel")
        fused: StepMemories = module.fused_memories
        error = _difference(fused, device, hidden_size, chunk_size, mirrored)
    except Exception as reason:
        _LOG.warning("the fused kernel of the recurrence is not used: %s", one_line(reason))
        return None
    # Not a number is no agreement either.
    if not error <= _TOLERANCE:
        _LOG.warning("the fused kernel of the recurrence is not used: it differs by %.1e", error)
        return None
    return fused


def _difference(
    fused: StepMemories, device: torch.device, hidden_size: int, chunk_size: int, mirrored: bool
) -> float:
    """The largest difference between a kernel's memories and PyTorch's."""
    width = hidden_size + 4 * chunk_size
    # Neighbours differ by up to 3, whatever the width.
    gates = torch.arange(_ROWS * width, device=device).float().sin().mul(3).view(_ROWS, width)
    cell = torch.linspace(-2, 2, _ROWS * hidden_size, device=device).view(_ROWS, hidden_size)
    found, expected = torch.zeros(2, _ROWS, 3 * hidden_size, device=device)
    for memories, memory in ((fused, found), (plain_memories, expected)):
        memories(gates, cell, memory, chunk_size=chunk_size, mirrored=mirrored)
    return float((found - expected).abs().max())


def one_line(reason: BaseException) -> str:
    """The beginning of what an exception says, on one line."""
    return " ".join(str(reason).split())[:300] or type(reason).__name__
