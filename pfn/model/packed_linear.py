"""Linear layers whose weights lie in memory as oneDNN reads them best, for inference on a CPU.

PyTorch hands single-precision products to a BLAS that arranges the weights anew at each
call. oneDNN arranges them once; the products are the same up to rounding, and with AVX-512 they
come sooner, the more so the fewer rows there are. Where the processor has no AVX-512, where oneDNN
is missing, in training, on other devices and at other precisions these are PyTorch's own linear
layers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class PackedLinear(nn.Linear):
    """An `nn.Linear` that packs its weight at first use, and again when it was changed.

    It keeps the weight itself too, so that it can be saved, moved and trained. Where the weight is
    bf16, what it is given is rounded to bf16 too (`pfn_kg.pfn.model.encoder_precision`).

    Args:
        linear: the layer whose parameters it shares.
    """

    def __init__(self, linear: nn.Linear):
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._packed: tuple[tuple[int, int], Tensor] | None = None
        self.train(linear.training)

    def __getstate__(self) -> dict[str, Any]:
        # A packed weight can't be copied or pickled.
        return {**self.__dict__, "_packed": None}

    def train(self, mode: bool = True) -> PackedLinear:
        """As in `nn.Module`; forgets the packed weight where training begins.

        A fused optimizer changes weights without a trace in their version.
        """
        if mode:
            self._packed = None
        super().train(mode)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """As in `nn.Linear`."""
        if not _packs(self.weight) or x.dtype != torch.float32:
            rounds = x.dtype == torch.float32 and self.weight.dtype == torch.bfloat16
            return super().forward(x.to(torch.bfloat16) if rounds else x)
        # Tensors made in inference mode count no versions; they hardly ever change.
        version = 0 if self.weight.is_inference() else self.weight._version
        state = (self.weight.data_ptr(), version)
        if self._packed is None or self._packed[0] != state:
            self._packed = (state, _pack(self.weight.detach()))
        return _apply(x, self._packed[1], self.bias)


def pack_linears(module: nn.Module) -> None:
    """Puts a `PackedLinear` in the place of each linear layer inside a module.

    Names and values of the parameters stay as they are.
    """
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, PackedLinear(child))
        else:
            pack_linears(child)


def is_packed(linear: nn.Linear) -> bool:
    """Whether a layer's products are those of a packed weight, here and now."""
    return isinstance(linear, PackedLinear) and _packs(linear.weight)


def _packs(weight: Tensor) -> bool:
    return (
        not torch.is_grad_enabled()
        and weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and _pays()
        and _works()
    )


@lru_cache(maxsize=1)
def _pays() -> bool:
    """Whether products of packed weights are the faster ones.

    With AVX2 the BLAS is: an extractor reads a tenth more with it.
    """
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


@lru_cache(maxsize=1)
def _works() -> bool:
    """Whether oneDNN's packed product is there and gives what PyTorch's gives."""
    weight = torch.arange(32.0).reshape(4, 8) / 7
    x, bias = torch.arange(24.0).reshape(3, 8) / 5 - 2, torch.arange(4.0)
    try:
        with torch.no_grad():
            packed = _apply(x, _pack(weight), bias)
    except (RuntimeError, AttributeError, TypeError):
        # The operators are those that PyTorch's compiler uses, and no promise of PyTorch.
        return False
    return torch.allclose(packed, functional.linear(x, weight, bias), rtol=1e-5, atol=1e-4)


def _pack(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())


def _apply(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
