"""What the partition filter does at each word of a sentence: gates and partitions (Figure 1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder, cummax
from pfn_kg.pfn.model.stacked_partition_filter import StackedPartitionFilter
from pfn_kg.schemas.errors import ConfigurationError

#: The partitions of a cell (eq. 3).
PARTITIONS = ("entity", "shared", "relation")
#: The cells that are cut at each step: c_{t-1}, and the candidate of this word.
CELLS = ("previous", "candidate")


class Partitions(NamedTuple):
    """The gates at each word.

    Attributes:
        words: of the sentence; word pieces where the model's tables have a row a piece.
        entity_gates: of each cell, word and neuron, (2, words, hidden).
        relation_gates: likewise.
    """

    words: list[str]
    entity_gates: np.ndarray
    relation_gates: np.ndarray

    def sizes(self) -> dict[str, np.ndarray]:
        """The part of the neurons in each partition, (2, words): soft gates count in part.

        What is left to 1 are neurons that the filter takes from both tasks.
        """
        shared = self.entity_gates * self.relation_gates
        of = (self.entity_gates - shared, shared, self.relation_gates - shared)
        return {name: part.mean(-1) for name, part in zip(PARTITIONS, of, strict=True)}


def read_partitions(extractor: Extractor, sentence: str) -> Partitions:
    """Reads a text as one sentence and keeps the gates.

    Of several layers those of the last are kept, and of two directions those from left to right.

    Args:
        extractor: a model with the joint encoding.
        sentence: not longer than the model reads at once.

    Raises:
        ConfigurationError: if the model has no partition filter, or the text does not fit.
    """
    encoder = _last_encoder(extractor)
    (windows,) = extractor.inputs.encode([sentence])
    if not windows:
        raise ConfigurationError("the text has no word", field="text")
    if len(windows) > 1:
        raise ConfigurationError(
            f"the text is longer than the {extractor.config.window_pieces} word pieces that the "
            "model reads at once; give one sentence",
            field="text",
        )
    window = windows[0]
    given: list[Tensor] = []
    hook = encoder.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    try:
        with torch.inference_mode():
            batch = extractor.inputs.collate([window], extractor.model.device)
            extractor.model.project(**batch)
            gates = partition_gates(encoder, given[0][0])[0]
    finally:
        hook.remove()
    found = gates.float().cpu().numpy()
    if extractor.config.positions == "words":
        words = [sentence[begin:end] for begin, end in window.words]
    else:
        words = list(extractor.tokenizer.convert_ids_to_tokens(window.pieces))
    return Partitions(words, found[:, :, 0].swapaxes(0, 1), found[:, :, 1].swapaxes(0, 1))


def partition_gates(encoder: PartitionFilterEncoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """The gates and the features of one sequence, step by step as eq. 1 to 7 say.

    Args:
        encoder: reads the sequence, in evaluation.
        x: outputs of the text encoder, (length, input_size).

    Returns:
        The gates, (length, cell, gate, hidden), entity before relation; and the entity, relation
        and shared features, (length, 3 hidden).
    """
    size, chunk = encoder.hidden_size, encoder.chunk_size
    hidden = cell = x.new_zeros(1, size)
    gates: list[Tensor] = []
    features: list[Tensor] = []
    for row in x.flip(0) if encoder.reverse else x:
        scaled = hidden * (1 - encoder.dropconnect)
        projected = encoder.input_transform(row[None]) + encoder.hidden_transform(scaled)
        candidate = projected[:, :size].tanh()  # eq. 1
        gate = cummax(projected[:, size:].view(2, 2, chunk))  # eq. 2
        entity, relation = gate.repeat(1, 1, size // chunk).unbind(1)
        entity, relation = (1 - entity, relation) if encoder.mirrored else (entity, 1 - relation)
        shared = entity * relation  # eq. 3
        # eq. 4 and 5: each task's memory of both cells is its own partition and the shared one.
        cells = torch.cat((cell, candidate))
        memory = torch.cat([(of * cells).sum(0) for of in (entity, relation, shared)])[None]
        cell = encoder.cell_transform(memory)  # eq. 7
        hidden = cell.tanh()
        gates.append(torch.stack((entity, relation), 1))
        features.append(memory[0].tanh())  # eq. 6
    if encoder.reverse:
        gates, features = gates[::-1], features[::-1]
    return torch.stack(gates), torch.stack(features)


def _last_encoder(extractor: Extractor) -> PartitionFilterEncoder:
    encoder: Any = extractor.model.partition_filter
    if isinstance(encoder, StackedPartitionFilter):
        layers: Any = encoder.layers
        encoder = layers[-1][0]
    if not isinstance(encoder, PartitionFilterEncoder):
        raise ConfigurationError(
            f"the model's encoding is {extractor.config.encoding}, which has no gates",
            field="model",
        )
    return encoder
