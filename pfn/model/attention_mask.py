"""Attention masks of the text encoder that a GPU is not asked about."""

from __future__ import annotations

from torch import Tensor
from transformers import PreTrainedConfig


def unasked_mask(config: PreTrainedConfig, attention_mask: Tensor) -> Tensor:
    """An attention mask that `transformers` does not look into.

    It looks whether anything is padded, and a GPU says so when all is done that it was asked for.
    A mask for each head and pair of pieces is taken as it is.

    Args:
        config: of the text encoder.
        attention_mask: 1 at pieces, 0 at padding, (batch, pieces).

    Returns:
        True at pairs whose second piece is one, (batch, 1, pieces, pieces), for BERT and its
        attention by PyTorch; the mask itself for another encoder.
    """
    if config.model_type != "bert" or config._attn_implementation != "sdpa":
        return attention_mask
    pieces = attention_mask.shape[1]
    return attention_mask.bool()[:, None, None, :].expand(-1, 1, pieces, -1)
