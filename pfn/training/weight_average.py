"""An exponential moving average of the weights of a training, which is evaluated and kept.

Late steps of a training on little data still swing; their average (Polyak and Juditsky,
1992) lies between them, and mostly does better than any of them. Weights of k steps ago count
decay^k: the first ones, of a model that knows nothing, no more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

_FILE = "average.safetensors"


class WeightAverage(TrainerCallback):
    """Averages a model's weights after each step, and keeps the average beside each checkpoint.

    Args:
        model: the model that is trained.
        decay: what is left of the average at each step, in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float):
        self._model = model
        self._average = AveragedModel(model, multi_avg_fn=_unbiased(decay))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Goes on with the average of the checkpoint that a training is resumed from."""
        if state.global_step:
            self._load(_checkpoint(args, state))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Adds the weights after an optimizer's step."""
        self._average.update_parameters(self._model)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes the average beside the weights."""
        save_file(self._average.state_dict(), _checkpoint(args, state) / _FILE)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside, and its own again after."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def apply(self, checkpoint: Path) -> None:
        """Gives the model the average of a checkpoint for good."""
        self._load(checkpoint)
        self._swap()

    def _load(self, checkpoint: Path) -> None:
        self._average.load_state_dict(load_file(checkpoint / _FILE))

    def _swap(self) -> None:
        # Whole storages, so that weights which are packed for inference are packed anew.
        averaged = self._average.module.parameters()
        for own, other in zip(self._model.parameters(), averaged, strict=True):
            own.data, other.data = other.data, own.data


def _unbiased(decay: float) -> Callable[[Any, Any, Any], None]:
    """What adds weights to an average so that those of k steps ago count decay^k.

    PyTorch's own has the first weights count for all that were before them.
    """

    def update(averages: Any, weights: Any, number: Any) -> None:
        count = int(number)
        kept = decay * (1 - decay**count) / (1 - decay ** (count + 1))
        get_ema_multi_avg_fn(kept)(averages, weights, number)

    return update


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
