"""`transformers.Trainer` with the optimiser, the batches and the evaluation of PFN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import (
    Trainer,
)

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.training.length_sampler import LengthSampler
from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pfn.training.windows import WindowBatches, WindowDataset


class PFNTrainer(Trainer):
    """Trains a PFN model; evaluates by `evaluate_model` after each epoch.

    Args:
        evaluate_model: gives entity F1, and that of triples or facts.
        extractor: around the model that is trained.
        options: hyper-parameters.
        kwargs: of `Trainer`.
    """

    def __init__(
        self,
        evaluate_model: Callable[[], tuple[float, float]],
        extractor: Extractor,
        options: TrainingOptions,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._evaluate_model = evaluate_model
        self._extractor = extractor
        self._options = options
        self._data: Any = kwargs["train_dataset"]

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with a rate for the encoder and one for the heads."""
        options = self._options
        groups: dict[tuple[bool, bool], list] = {}
        for name, parameter in self._extractor.model.named_parameters():
            key = (name.startswith("encoder."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": options.encoder_learning_rate
                    if in_encoder
                    else options.head_learning_rate,
                    "weight_decay": options.weight_decay if decays else 0.0,
                }
                for (in_encoder, decays), parameters in groups.items()
            ],
            # One pass over the weights in place of a dozen; on a CPU a tenth of the time.
            fused=True,
        )
        return self.optimizer

    def get_train_dataloader(self) -> DataLoader:
        """Windows come in batches of about one size, sentences in batches of one number."""
        if not isinstance(self._data, WindowDataset):
            return super().get_train_dataloader()
        batches = WindowBatches(
            self._data,
            window_tokens=self._options.window_tokens,
            batch_size=self._options.batch_size,
            seed=self._options.seed,
            epoch=lambda: round(self.state.epoch or 0),
            sentence_pieces=self._options.window_pieces,
            # Only there is a row of the tables a word.
            fragments=self._options.positions == "words",
        )
        return DataLoader(self._data, batch_sampler=batches, collate_fn=self.data_collator)

    def _get_train_sampler(self, train_dataset=None) -> LengthSampler:
        return LengthSampler(
            self.args.train_batch_size,
            [len(cells.window.pieces) for cells in self._data],
            self.args.seed + int(self.state.epoch or 0),
        )

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """Entity F1 and triple or fact F1 on dev, and their sum, by which models are selected."""
        self._extractor.model.eval()
        entity, other = self._evaluate_model()
        name = "fact" if isinstance(self._data, WindowDataset) else "triple"
        metrics = {
            "eval_entity_f1": round(entity, 4),
            f"eval_{name}_f1": round(other, 4),
            "eval_score": entity + other,
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
