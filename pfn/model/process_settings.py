"""Settings of PyTorch that are those of the whole process, while a model reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Generic, TypeVar

import torch

Value = TypeVar("Value")


class ProcessSetting(Generic[Value]):
    """Holds a setting at a value while any thread wants it so; then it is as it was before.

    Models in several threads may read at once. If each put back what it found, the last one would
    put back the value of another.

    Args:
        read: the setting as it is.
        write: changes it.
        value: that it is held at.
    """

    def __init__(self, read: Callable[[], Value], write: Callable[[Value], None], value: Value):
        self._read, self._write, self._value = read, write, value
        self._lock = threading.Lock()
        self._holders = 0
        self._before = value

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, the setting has the value."""
        with self._lock:
            if not self._holders:
                self._before = self._read()
                self._write(self._value)
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._write(self._before)


# Single-precision products of factors that are rounded to TF32.
TF32 = ProcessSetting(
    torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "high"
)
# PyTorch prefers cuDNN's attention on Hopper and Blackwell. cuDNN makes a plan for each shape of a
# batch, in each thread: tens to hundreds of milliseconds, which a batch itself takes. Batches of
# text hardly ever have the shape of another one.
_CUDNN_ATTENTION = ProcessSetting(
    torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp, False
)


def attention_of_any_shape(device: torch.device) -> AbstractContextManager[None]:
    """Inside, attention on a GPU runs by kernels that need no plan for the shape of a batch.

    Args:
        device: where the text encoder is.
    """
    return _CUDNN_ATTENTION.held() if device.type == "cuda" else nullcontext()


def attention_of_encoder(
    encoder: torch.nn.Module, device: torch.device
) -> AbstractContextManager[None]:
    """As `attention_of_any_shape`, unless the backward pass computes attention once more.

    It does so outside of this, and needs the same kernel.

    Args:
        encoder: the text encoder.
        device: where it is.
    """
    if encoder.training and any(
        getattr(module, "gradient_checkpointing", False) for module in encoder.modules()
    ):
        return nullcontext()
    return attention_of_any_shape(device)
