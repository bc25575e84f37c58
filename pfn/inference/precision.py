"""How precise the text encoder's products are, where no one says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from pfn_kg.schemas.choices import Precision


def default_precision(device_type: str) -> Precision:
    """The precision that this machine reads well at: fp16 on a GPU, bf16 on a CPU made for it.

    Args:
        device_type: such as `cpu` or `cuda`.
    """
    if device_type == "cpu" and multiplies_bf16():
        return "bf16"
    return common_precision(device_type)


def common_precision(device_type: str) -> Precision:
    """The precision that all machines with such a device read well at.

    What workers find does not depend on their processors then.

    Args:
        device_type: such as `cpu` or `cuda`.
    """
    return "fp32" if device_type == "cpu" else "fp16"


@contextmanager
def tf32_products(allowed: bool) -> Iterator[None]:
    """Inside, a GPU may round the factors of single-precision products to TF32; as before after.

    Args:
        allowed: whether it may; if not, all stays as it is.
    """
    if not allowed:
        yield
        return
    # It imports PyTorch.
    from pfn_kg.pfn.model.process_settings import TF32

    with TF32.held():
        yield


# Instruction sets by oneDNN's names that have no products of bf16 numbers.
_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}


@lru_cache(maxsize=1)
def multiplies_bf16() -> bool:
    """Whether this processor multiplies matrices of bf16 numbers: AVX512-BF16 or AMX.

    Another one emulates it, at less than the speed of fp32; and so does oneDNN where
    `ONEDNN_MAX_CPU_ISA` keeps it to an instruction set without.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BF16:
        return False
    # It takes a second to import, and a launcher may never need it.
    import torch

    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        asked = getattr(torch.cpu, name, None)
        if asked is not None and asked():
            # oneDNN has kernels for it only where PyTorch says so.
            return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False
