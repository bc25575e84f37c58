"""The recurrence of the partition filter (eq. 1-7) at inference on a CPU.

A step has few rows, so what each operation costs by itself counts beside its arithmetic. The
operations are few here, and write into memory that is there already.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pfn_kg.pfn.model import devices
from pfn_kg.pfn.model.packed_linear import is_packed
from pfn_kg.pfn.model.step_blocks import StepLayers

# Numbers of a cache line, at single precision.
_LINE = 16


def runs_here(layers: StepLayers, x: Tensor) -> bool:
    """Whether these inputs are read so, in evaluation."""
    # Near zero a half-precision sigmoid has too few digits to take 1 from.
    return (
        not devices.runs_ahead(x.device)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and x.dtype == layers.of_cell.weight.dtype
        and x.dtype.itemsize >= 4
    )


def features_of_steps(
    layers: StepLayers, x: Tensor, sizes: list[int], hidden_states: bool
) -> Tensor:
    """The features of each row (eq. 6).

    Args:
        layers: of the encoder.
        x: inputs, step after step, (rows, input_size).
        sizes: number of rows of each step, never rising.
        hidden_states: whether they are wanted too.

    Returns:
        tanh of entity, relation and shared memory, and the hidden state if it is wanted; and a row
        of zeros behind all others, (rows + 1, 3 or 4 hidden).
    """
    size, first = layers.of_cell.out_features, sizes[0] if sizes else 0
    tanh = _Tanh(x)
    packed = is_packed(layers.of_hidden)
    if packed:
        projected = layers.of_input(x)
    else:
        bias = layers.of_input.bias + layers.of_hidden.bias
        width = layers.of_input.out_features
        # A BLAS is slower by a fifth where rows of its output begin anywhere in a cache line.
        projected = x.new_empty(len(x), -(-width // _LINE) * _LINE)[:, :width]
        torch.addmm(bias, x, layers.of_input.weight.t(), out=projected)
    of_hidden, of_cell = layers.of_hidden.weight.t(), layers.of_cell.weight.t()
    keep, one = x.new_full((), layers.keep), x.new_ones(())
    memories = x.new_empty(len(x) + 1, 3 * size)
    memories[-1] = 0
    # The cell of the step before, and the candidate cell.
    cells = x.new_zeros(first, 2, size)
    hidden = x.new_zeros(first, size)
    parts = x.new_empty(first, 2, 2, size)
    states = []
    steps = zip(sizes, projected.split(sizes), memories[:-1].split(sizes), strict=True)
    for rows, gates, flat in steps:
        if packed:
            gates = layers.of_hidden(hidden[:rows] * keep).add_(gates)
        else:
            gates.addmm_(hidden[:rows], of_hidden, alpha=layers.keep)
        both, part, memory = cells[:rows], parts[:rows], flat.view(rows, 3, size)
        tanh(gates[:, :size], out=both[:, 1])  # eq. 1
        # eq. 2, both gates of both cells: (rows, cell, gate, chunk)
        gate = gates[:, size:].view(rows, 2, 2, layers.chunk_size).softmax(-1).cumsum_(-1)
        falling = gate[:, :, 0 if layers.mirrored else 1]
        torch.sub(one, falling, out=falling)
        if layers.chunk_size < size:
            gate = gate.repeat(1, 1, 1, size // layers.chunk_size)
        # eq. 3-5: rho_s = e r; rho_e + rho_s = e; rho_r + rho_s = r
        torch.mul(gate, both.unsqueeze(2), out=part)
        torch.add(part[:, 0], part[:, 1], out=memory[:, :2])
        shared = memory[:, 2]
        torch.mul(gate[:, 0, 0], part[:, 0, 1], out=shared)
        shared.addcmul_(gate[:, 1, 0], part[:, 1, 1])
        cell = both[:, 0]
        if packed:
            cell.copy_(layers.of_cell(flat))
        else:
            torch.addmm(layers.of_cell.bias, flat, of_cell, out=cell)  # eq. 7
        hidden = tanh(cell, out=hidden[:rows])
        if hidden_states:
            states.append(hidden.clone())
    outputs = tanh(memories, out=memories)
    if not hidden_states:
        return outputs
    return torch.cat((outputs, torch.cat((*states, x.new_zeros(1, size)))), 1)


class _Tanh:
    """tanh from the sigmoid, which takes a fifth of the time on a CPU.

    Args:
        like: a tensor of the type that it is of.
    """

    def __init__(self, like: Tensor):
        # PyTorch makes a tensor of a number at each call, and casts it.
        self._two, self._minus_one = like.new_full((), 2.0), like.new_full((), -1.0)

    def __call__(self, x: Tensor, *, out: Tensor) -> Any:
        """Writes tanh of numbers, which may be the numbers themselves."""
        torch.mul(x, self._two, out=out).sigmoid_()
        return torch.add(self._minus_one, out, alpha=2, out=out)
