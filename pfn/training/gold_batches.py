"""Gold sentences as encoded cells, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.training.gold_cells import GoldCells, gold_cells


def training_cells(gold: Sequence[GoldSentence], encoder: InputEncoder) -> list[GoldCells]:
    """Encodes gold sentences; sentences without a word are left out."""
    encoded = encoder.encode([g.text for g in gold])
    return [
        cells
        for sentence, windows in zip(gold, encoded, strict=True)
        for cells in gold_cells(sentence, windows, encoder)
    ]


def collate_gold(
    batch: Sequence[GoldCells], encoder: InputEncoder, word_dropout: float = 0.0
) -> dict[str, torch.Tensor]:
    """A batch with its gold cells, as `PFNModel.forward` takes it.

    Args:
        batch: at least one window.
        encoder: of the model.
        word_dropout: rate of the words that are hidden.
    """
    windows = [cells.window for cells in batch]
    if word_dropout:
        windows = [encoder.hide_words(window, word_dropout) for window in windows]
    tensors = encoder.collate(windows)
    tables = {"entity": "entities", "relation": "relations"}
    if encoder.config.tail_table:
        tables["tail"] = "tails"
    for name, of in tables.items():
        targets = {
            (place, *cell): target
            for place, cells in enumerate(batch)
            for cell, target in getattr(cells, of).items()
        }
        tensors[f"{name}_labels"] = torch.tensor(list(targets), dtype=torch.long).reshape(-1, 4)
        tensors[f"{name}_targets"] = torch.tensor(list(targets.values()), dtype=torch.float)
    config = encoder.config
    for name, labels, known in (
        ("entity", config.entity_types, [cells.known.entity_types for cells in batch]),
        ("relation", config.relation_types, [cells.known.relations for cells in batch]),
    ):
        if any(of_window is not None for of_window in known):
            tensors[f"{name}_known"] = torch.tensor(
                [[k is None or n in k for n in range(len(labels))] for k in known]
            )
    return tensors
