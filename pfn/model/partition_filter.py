"""The partition filter encoder (section 4.1, eq. 1-7)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from pfn_kg.pfn.model.cpu_steps import features_of_steps, runs_here
from pfn_kg.pfn.model.step_blocks import StepBlocks, StepLayers, step_blocks


class PartitionFeatures(NamedTuple):
    """Task-specific features of every position (eq. 6), each (batch, length, hidden).

    Encoders without a shared partition have no shared features.
    """

    entity: Tensor
    relation: Tensor
    shared: Tensor | None


class Steps(NamedTuple):
    """The steps of a recurrence over a batch, longest sequences first.

    At each step the sequences that have not ended are the first so many, and no step reads
    padding.

    Attributes:
        lengths: of each sequence, (batch,).
        order: the sequences by length, (batch,).
        sizes: how many sequences have not ended at each step, (length,), never rising.
    """

    lengths: Tensor
    order: Tensor
    sizes: list[int]

    @classmethod
    def of(cls, mask: Tensor, lengths: np.ndarray | None = None) -> Steps:
        """The steps of sequences.

        Args:
            mask: true at positions of the sequence, false at the padding behind it,
                (batch, length).
            lengths: of each sequence, (batch,), where they are known: to get them from a GPU one
                waits for all that it was asked for.
        """
        of_sequences = mask.sum(1)
        known = of_sequences.cpu().numpy() if lengths is None else lengths
        ended = np.cumsum(np.bincount(known, minlength=mask.shape[1] + 1))[: mask.shape[1]]
        order = of_sequences.argsort(descending=True, stable=True)
        return cls(of_sequences, order, (len(known) - ended).tolist())

    def rows(self) -> tuple[Tensor, Tensor]:
        """Sequence and step of each row, step after step, (rows,)."""
        steps = torch.arange(len(self.sizes), device=self.order.device)
        running = (self.lengths > steps.unsqueeze(1)).sum(1)
        rows = sum(self.sizes)
        step = torch.repeat_interleave(steps, running, output_size=rows)
        place = torch.arange(rows, device=step.device) - (running.cumsum(0) - running)[step]
        return self.order[place], step


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
        chunk_size: width of the gates; the neurons are cut into chunks of so many, which
            share them (section 5.3). One chunk by default; less than two neurons leave a
            gate nothing to divide, since cummax of one value is 1.
        reverse: whether it reads from right to left.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        dropconnect: float = 0.1,
        entity_gate: str = "cummax",
        chunk_size: int | None = None,
        reverse: bool = False,
    ):
        super().__init__()
        self.hidden_size = hidden_size
        self.dropconnect = dropconnect
        self.mirrored = entity_gate == "mirrored"
        self.chunk_size = chunk_size or hidden_size
        self.reverse = reverse
        if hidden_size % self.chunk_size:
            raise ValueError(f"chunk_size {chunk_size} does not divide hidden_size {hidden_size}")
        width = hidden_size + 4 * self.chunk_size
        # Rows: candidate cell; for the previous cell entity gate, relation gate; for the
        # candidate cell entity gate, relation gate.
        self.input_transform = nn.Linear(input_size, width)
        self.hidden_transform = nn.Linear(hidden_size, width)
        # Columns: entity, relation and shared memory (eq. 7).
        self.cell_transform = nn.Linear(3 * hidden_size, hidden_size)
        self._blocks: StepBlocks | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Graphs can't be copied or pickled.
        return {**self.__dict__, "_blocks": None}

    def forward(
        self, x: Tensor, mask: Tensor | None = None, steps: Steps | None = None
    ) -> PartitionFeatures:
        """Encodes sequences from left to right, or from right to left.

        Args:
            x: outputs of the text encoder, (batch, length, input_size).
            mask: true at positions of the sequence, false at the padding behind it,
                (batch, length); no padding by default.
            steps: those of the mask, if they are known.

        Returns:
            The features; zero at padding.
        """
        return self.encode(x, mask, hidden_states=False, steps=steps)[0]

    def encode(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        hidden_states: bool = True,
        steps: Steps | None = None,
    ) -> tuple[PartitionFeatures, Tensor]:
        """As a call; also gives the hidden states h_t (eq. 7), what a layer above reads.

        Args:
            x: as in a call.
            mask: as in a call.
            hidden_states: whether they are wanted.
            steps: as in a call.

        Returns:
            The features, and the hidden states, (batch, length, hidden), zero at padding;
            none of them, (batch, length, 0), where they are not wanted.
        """
        batch, length, _ = x.shape
        if mask is None:
            mask = torch.ones(batch, length, dtype=torch.bool, device=x.device)
        if steps is None:
            steps = Steps.of(mask)
        blocks = self._step_blocks(x)
        if blocks is not None:
            return self._split(self._in_blocks(blocks, x, mask, steps, hidden_states))
        lengths, _, sizes = steps
        sequence, step = steps.rows()
        rows = sequence * length + (lengths[sequence] - 1 - step if self.reverse else step)
        read = x.reshape(batch * length, -1).index_select(0, rows)
        layers = self.layers()
        if not self.training and runs_here(layers, read):
            outputs = features_of_steps(layers, read, sizes, hidden_states)
        else:
            memories, hidden = self._memories(read, sizes)
            outputs = memories.tanh()  # eq. 6
            if hidden_states:
                outputs = torch.cat((outputs, torch.cat(hidden)), 1)
            outputs = torch.cat((outputs, outputs.new_zeros(1, outputs.shape[1])))
        # Where each position's row is; padding reads the row of zeros behind all others.
        place = rows.new_full((batch * length,), len(rows))
        place[rows] = torch.arange(len(rows), device=rows.device)
        return self._split(outputs.index_select(0, place).view(batch, length, -1))

    def _split(self, outputs: Tensor) -> tuple[PartitionFeatures, Tensor]:
        """Features and hidden states that lie side by side."""
        size = self.hidden_size
        entity, relation, shared, states = outputs.split(
            (size, size, size, outputs.shape[-1] - 3 * size), -1
        )
        return PartitionFeatures(entity, relation, shared), states

    def _step_blocks(self, x: Tensor) -> StepBlocks | None:
        """What runs the steps of these inputs on a GPU, or None."""
        if self.training or torch.is_grad_enabled() or torch.is_autocast_enabled():
            return None
        if self._blocks is None or not self._blocks.is_current:
            self._blocks = step_blocks(self.layers(), x)
        return self._blocks

    def layers(self) -> StepLayers:
        """The layers, as blocks of steps read them at inference."""
        return StepLayers(
            self.input_transform,
            self.hidden_transform,
            self.cell_transform,
            1 - self.dropconnect,
            self.chunk_size,
            self.mirrored,
        )

    def _in_blocks(
        self, blocks: StepBlocks, x: Tensor, mask: Tensor, steps: Steps, hidden_states: bool
    ) -> Tensor:
        """Features, and hidden states if they are wanted, (batch, length, 3 or 4 hidden)."""
        batch, length, _ = x.shape
        lengths, order, sizes = steps
        step = torch.arange(length, device=x.device).unsqueeze(1)
        # Behind a sequence's end any position will do.
        read = (lengths[order] - 1 - step).clamp_min(0) if self.reverse else step
        outputs = blocks.run(
            x.reshape(batch * length, -1), order * length + read, sizes, hidden_states
        )
        step = step.t()
        if self.reverse:
            step = lengths.unsqueeze(1) - 1 - step
        # Padding reads the row of zeros behind all others.
        row = torch.where(mask, step * batch + order.argsort().unsqueeze(1), len(outputs) - 1)
        return outputs.index_select(0, row.flatten()).view(batch, length, -1)

    def _memories(self, x: Tensor, sizes: list[int]) -> tuple[Tensor, list[Tensor]]:
        """The memories of each row (eq. 1-5), and the hidden states of each step (eq. 7).

        Args:
            x: inputs, step after step, (rows, input_size).
            sizes: number of rows of each step, never rising.

        Returns:
            Entity, relation and shared memory, (rows, 3 hidden); for each step (rows, hidden).
        """
        hidden_size, chunk_size = self.hidden_size, self.chunk_size
        keep = 1 - self.dropconnect
        weight = self.hidden_transform.weight
        if self.training and self.dropconnect:
            weight = weight * torch.empty_like(weight).bernoulli_(keep)

        of_gates = _StepLinear(self.hidden_transform, weight, sizes)
        of_cell = _StepLinear(self.cell_transform, self.cell_transform.weight, sizes)
        hidden = cell = x.new_zeros(sizes[0] if sizes else 0, hidden_size)
        memories, states = [], []
        for step, projected in enumerate(self.input_transform(x).split(sizes)):
            size = len(projected)
            # Scaling the state is scaling the weights, at a fraction of the cost.
            read = hidden[:size] if self.training else hidden[:size] * keep
            gates = of_gates(step, read) + projected
            candidate = gates[:, :hidden_size].tanh()  # eq. 1
            # eq. 2, both gates of both cells: (size, cell, gate, chunk)
            gate = cummax(gates[:, hidden_size:].view(size, 2, 2, chunk_size))
            if chunk_size < hidden_size:
                gate = gate.repeat(1, 1, 1, hidden_size // chunk_size)
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
            cell = of_cell(step, memory)  # eq. 7
            hidden = cell.tanh()
            states.append(hidden)
        return torch.cat(memories), states


class _StepLinear:
    """A Linear that the steps of a recurrence call one after the other.

    Its weight's gradient is one product over all steps, once they are through. Automatic
    differentiation adds up a product for each step, of few rows and as large as the weight:
    on a CPU half of the backward pass.

    Args:
        linear: the layer.
        weight: its weight in this pass, (outputs, inputs).
        sizes: number of rows of each step.
    """

    def __init__(self, linear: nn.Linear, weight: Tensor, sizes: list[int]):
        self._linear, self._weight = linear, weight
        self._inputs: list[Tensor] = []
        self._steps: tuple[Tensor, ...] | None = None
        if torch.is_grad_enabled() and weight.requires_grad:
            rows = linear.bias.expand(sum(sizes), -1)
            self._steps = _WeightGradient.apply(rows, weight, self._inputs).split(sizes)

    def __call__(self, step: int, x: Tensor) -> Tensor:
        """The outputs of a step, (rows, outputs)."""
        if self._steps is not None:
            self._inputs.append(x.detach())
            return torch.addmm(self._steps[step], x, self._weight.detach().t())
        if self._weight is self._linear.weight:
            return self._linear(x)
        return functional.linear(x, self._weight, self._linear.bias)


class _WeightGradient(torch.autograd.Function):
    """Passes on what is added to all outputs; its gradient, theirs, makes the weight's.

    `inputs` may be filled until the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, inputs: list[Tensor]) -> Tensor:
        ctx.inputs = inputs
        return rows.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        return gradient, gradient.t() @ torch.cat(ctx.inputs), None
