"""The text encoder at half precision: all of it, or its products alone."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel


def lower_precision(encoder: PreTrainedModel, dtype: torch.dtype, device: torch.device) -> None:
    """Makes an encoder read at a precision, for inference.

    On a CPU, only the linear layers of a BERT take bf16. Embeddings, residual sums and LayerNorm
    stay at single precision, which takes up to a tenth longer there and keeps more of the triples
    (docs/notes/speed.md). Other encoders may multiply numbers of both kinds, so they change as a
    whole, as all do on a GPU.

    Args:
        encoder: whose weights are at single precision; its linear layers are or become packed
            ones, which round what they are given (`pfn_kg.pfn.model.packed_linear`).
        dtype: of the products.
        device: that the encoder will be on.
    """
    if device.type != "cpu" or dtype != torch.bfloat16 or encoder.config.model_type != "bert":
        nn.Module.to(encoder, dtype)
        return
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            module.to(dtype)


def products_dtype(encoder: nn.Module) -> torch.dtype:
    """The type of the numbers that an encoder multiplies."""
    return next(
        (m.weight.dtype for m in encoder.modules() if isinstance(m, nn.Linear)),
        next(encoder.parameters()).dtype,
    )
