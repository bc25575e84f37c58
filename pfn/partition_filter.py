"""The partition filter encoder (section 4.1, eq. 1-7)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


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

    def forward(self, x: Tensor) -> PartitionFeatures:
        """Encodes sequences from left to right; padding on the right changes nothing.

        Args:
            x: outputs of the text encoder, (batch, length, input_size).
        """
        batch, length, _ = x.shape
        hidden_size = self.hidden_size
        weight = self.hidden_transform.weight
        if self.training:
            if self.dropconnect:
                weight = weight * torch.empty_like(weight).bernoulli_(1 - self.dropconnect)
        else:
            weight = weight * (1 - self.dropconnect)
        projected = (self.input_transform(x) + self.hidden_transform.bias).unbind(1)
        weight = weight.t()
        hidden = cell = x.new_zeros(batch, hidden_size)
        memories = []
        for step in range(length):
            gates = torch.addmm(projected[step], hidden, weight)
            candidate = gates[:, :hidden_size].tanh()  # eq. 1
            # eq. 2, both gates of both cells: (batch, cell, gate, hidden)
            gate = cummax(gates[:, hidden_size:].view(batch, 2, 2, hidden_size))
            entity_gate, relation_gate = gate[:, :, 0], gate[:, :, 1]
            if self.mirrored:
                entity_gate = 1 - entity_gate
            else:
                relation_gate = 1 - relation_gate
            cells = torch.stack((cell, candidate), 1)
            # eq. 3-5: rho_s = e r; rho_e + rho_s = e; rho_r + rho_s = r
            gated = entity_gate * cells
            entity = gated.sum(1)
            relation = (relation_gate * cells).sum(1)
            shared = (gated * relation_gate).sum(1)
            memory = torch.cat((entity, relation, shared), -1)
            memories.append(memory)
            cell = self.cell_transform(memory)  # eq. 7
            hidden = cell.tanh()
        features = torch.stack(memories, 1).tanh()  # eq. 6
        return PartitionFeatures(*features.split(hidden_size, -1))
