"""The partition filter encoder (section 4.1, eq. 1-7)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class PartitionFeatures(NamedTuple):
    """Task-specific features of every position (eq. 6), each (batch, length, hidden)."""

    entity: Tensor
    relation: Tensor
    shared: Tensor


def cummax(x: Tensor) -> Tensor:
    """The activation cumsum(softmax(x)) over the last axis: a soft (0, .., 0, 1, .., 1)."""
    return x.softmax(-1).cumsum(-1)


class PartitionFilterEncoder(nn.Module):
    """A recurrent encoder that divides its neurons between the tasks at each step.

    At each step the entity gate and the relation gate cut the neurons of the previous
    cell and of the candidate cell into an entity, a relation and a shared partition;
    the filter gives each task its own partition and the shared one.

    Args:
        input_size: width of the encoder's output x_t.
        hidden_size: width of the cell.
        dropconnect: rate of the weights from h_{t-1} to the gates that a training pass
            drops; one mask a pass. In evaluation the weights are scaled by 1 - rate.
        entity_gate: `cummax` (eq. 2), or `mirrored`: the relation gate is cummax and the
            entity gate its complement, as in the official code.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        dropconnect: float = 0.1,
        entity_gate: str = "cummax",
    ):
        super().__init__()
        self.hidden_size = hidden_size
        self.dropconnect = dropconnect
        self.mirrored = entity_gate == "mirrored"
        # Rows: candidate cell; for the previous cell entity gate, relation gate; for the
        # candidate cell entity gate, relation gate.
        self.input_transform = nn.Linear(input_size, 5 * hidden_size)
        self.hidden_transform = nn.Linear(hidden_size, 5 * hidden_size)
        # Columns: entity, relation and shared memory (eq. 7).
        self.cell_transform = nn.Linear(3 * hidden_size, hidden_size)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> PartitionFeatures:
        """Encodes sequences from left to right.

        Args:
            x: outputs of the text encoder, (batch, length, input_size).
            mask: true at positions of the sequence, false at the padding behind it,
                (batch, length); no padding by default.

        Returns:
            The features; zero at padding.
        """
        batch, length, _ = x.shape
        if mask is None:
            mask = torch.ones(batch, length, dtype=torch.bool, device=x.device)
        # Rows of all steps one after the other, longest sequences first: at each step those
        # that have not ended are the first so many, and no step reads padding.
        order = mask.sum(1).argsort(descending=True, stable=True)
        running = mask[order].t()
        step, place = running.nonzero(as_tuple=True)
        rows = order[place] * length + step
        memories = self._memories(
            x.reshape(batch * length, -1).index_select(0, rows), running.sum(1).tolist()
        )
        features = torch.cat((_tanh(memories), memories.new_zeros(1, memories.shape[1])))  # eq. 6
        # Where each position's row is; padding reads the row of zeros behind all others.
        place = rows.new_full((batch * length,), len(rows))
        place[rows] = torch.arange(len(rows), device=rows.device)
        features = features.index_select(0, place).view(batch, length, -1)
        return PartitionFeatures(*features.split(self.hidden_size, -1))

    def _memories(self, x: Tensor, sizes: list[int]) -> Tensor:
        """The entity, relation and shared memory of each row (eq. 1-5, 7).

        Args:
            x: inputs, step after step, (rows, input_size).
            sizes: number of rows of each step, never rising.

        Returns:
            (rows, 3 hidden).
        """
        hidden_size = self.hidden_size
        keep = 1 - self.dropconnect
        weight = self.hidden_transform.weight
        if self.training and self.dropconnect:
            weight = weight * torch.empty_like(weight).bernoulli_(keep)

        def of_hidden(hidden: Tensor) -> Tensor:
            if self.training:
                return functional.linear(hidden, weight, self.hidden_transform.bias)
            # Scaling the state is scaling the weights, at a fraction of the cost.
            return self.hidden_transform(hidden * keep)

        hidden = cell = x.new_zeros(sizes[0] if sizes else 0, hidden_size)
        memories = []
        for projected in self.input_transform(x).split(sizes):
            size = len(projected)
            gates = of_hidden(hidden[:size]) + projected
            candidate = _tanh(gates[:, :hidden_size])  # eq. 1
            # eq. 2, both gates of both cells: (size, cell, gate, hidden)
            gate = cummax(gates[:, hidden_size:].view(size, 2, 2, hidden_size))
            entity_gate, relation_gate = gate[:, :, 0], gate[:, :, 1]
            if self.mirrored:
                entity_gate = 1 - entity_gate
            else:
                relation_gate = 1 - relation_gate
            # eq. 3-5: rho_s = e r; rho_e + rho_s = e; rho_r + rho_s = r
            gate = torch.stack((entity_gate, relation_gate, entity_gate * relation_gate), 2)
            memory = torch.addcmul(
                gate[:, 0] * cell[:size].unsqueeze(1), gate[:, 1], candidate.unsqueeze(1)
            ).view(size, 3 * hidden_size)
            memories.append(memory)
            cell = self.cell_transform(memory)  # eq. 7
            hidden = _tanh(cell)
        return torch.cat(memories)


def _tanh(x: Tensor) -> Tensor:
    """tanh; at inference on a CPU from the sigmoid, which takes a fifth of the time there."""
    # Near zero a half-precision sigmoid has too few digits to take 1 from.
    if torch.is_grad_enabled() or x.device.type != "cpu" or x.dtype.itemsize < 4:
        return x.tanh()
    return (x * 2).sigmoid_().mul_(2).sub_(1)
