"""The memories of a step of the partition filter (eq. 1-5) as one Triton kernel, forward only.

PyTorch's own operations go through the gates of all rows some ten times, from the softmax to the
sum of the partitions; here a program reads those of a row once, and writes its memories once. The
module imports Triton, which PyTorch brings along for GPUs alone; `step_memories` asks for it.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _cummax(logits, inside):
    """cumsum(softmax(logits)) of the lanes inside, of which there are a power of two in all."""
    largest = tl.max(tl.where(inside, logits, float("-inf")), axis=0)
    exponentials = tl.where(inside, tl.exp(logits - largest), 0.0)
    return tl.cumsum(exponentials / tl.sum(exponentials, axis=0), axis=0)


@triton.jit
def _memories(
    gates,
    cells,
    memories,
    hidden: tl.constexpr,
    chunk: tl.constexpr,
    lanes: tl.constexpr,
    mirrored: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    gates += row * (hidden + 4 * chunk)
    cells += row * hidden
    memories += row * 3 * hidden
    lane = tl.arange(0, lanes)
    inside = lane < chunk
    logits = gates + hidden + lane
    # eq. 2, of the previous cell and of the candidate cell.
    cell_entity = _cummax(tl.load(logits, inside, 0.0), inside)
    cell_relation = _cummax(tl.load(logits + chunk, inside, 0.0), inside)
    new_entity = _cummax(tl.load(logits + 2 * chunk, inside, 0.0), inside)
    new_relation = _cummax(tl.load(logits + 3 * chunk, inside, 0.0), inside)
    if mirrored:
        cell_entity, new_entity = 1 - cell_entity, 1 - new_entity
    else:
        cell_relation, new_relation = 1 - cell_relation, 1 - new_relation
    # All chunks of neurons share the gates.
    for begin in tl.static_range(0, hidden, chunk):
        cell = tl.load(cells + begin + lane, inside, 0.0)
        candidate = tl.load(gates + begin + lane, inside, 0.0)
        # eq. 1; tanh of the sigmoid.
        candidate = 2 / (1 + tl.exp(-2 * candidate)) - 1
        # eq. 3-5
        entity = cell_entity * cell + new_entity * candidate
        relation = cell_relation * cell + new_relation * candidate
        shared = cell_entity * cell_relation * cell + new_entity * new_relation * candidate
        tl.store(memories + begin + lane, entity, inside)
        tl.store(memories + hidden + begin + lane, relation, inside)
        tl.store(memories + 2 * hidden + begin + lane, shared, inside)


def fused_memories(
    gates: Tensor, cell: Tensor, memory: Tensor, *, chunk_size: int, mirrored: bool
) -> None:
    """As `step_memories.plain_memories`, of contiguous tensors in single precision."""
    rows, hidden = cell.shape
    lanes = max(32, triton.next_power_of_2(chunk_size))
    # Triton starts kernels on PyTorch's current device, which another GPU may be.
    with torch.cuda.device_of(gates):
        _memories[(rows,)](
            gates,
            cell,
            memory,
            hidden=hidden,
            chunk=chunk_size,
            lanes=lanes,
            mirrored=mirrored,
            num_warps=4 if lanes <= 512 else 8,
        )
