"""A BERT at inference on a CPU, over the word pieces alone.

Padding is never read: the pieces of all sequences lie one after the other, sequences of one length
beside each other, and attention reads such sequences together, without a mask. The last layer
ends early: behind its attention only the pieces that someone will read go on.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from pfn_kg.pfn.model import devices
from pfn_kg.pfn.model.packed_linear import is_packed


def reads_rows(encoder: PreTrainedModel) -> bool:
    """Whether an encoder can be read so, here and now."""
    return (
        encoder.config.model_type == "bert"
        and encoder.config._attn_implementation == "sdpa"
        and not encoder.config.is_decoder
        and not encoder.training
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not devices.runs_ahead(encoder.device)
    )


def read_rows(
    encoder: Any,
    embedded: Tensor,
    attention_mask: Tensor,
    position_index: Tensor,
    position_mask: Tensor,
) -> Tensor:
    """What a BERT makes of the pieces that positions read.

    Args:
        encoder: for which `reads_rows` is true.
        embedded: the pieces' vectors behind the embeddings, (batch, pieces, width).
        attention_mask: 1 at pieces, 0 at padding, (batch, pieces).
        position_index: the piece that each position reads, (batch, length).
        position_mask: true at positions, false at padding, (batch, length).

    Returns:
        (batch, length, width), zero at padding.
    """
    batch, longest, width = embedded.shape
    is_piece = attention_mask.bool()
    lengths = is_piece.sum(1)
    order = lengths.argsort(descending=True, stable=True)
    sequence, place = is_piece[order].nonzero(as_tuple=True)
    places = order[sequence] * longest + place
    row = places.new_empty(batch * longest)
    row[places] = torch.arange(len(places))
    starts = torch.arange(batch).unsqueeze(1) * longest
    wanted = row[(starts + position_index)[position_mask]]
    groups = [(len(list(g)), length) for length, g in groupby(lengths[order].tolist()) if length]
    rows = embedded.reshape(-1, width).index_select(0, places)
    *_, last = encoder.encoder.layer
    for layer in encoder.encoder.layer:
        found = _attention(layer.attention.self, rows, groups)
        if layer is last:
            found, rows = found.index_select(0, wanted), rows.index_select(0, wanted)
        rows = _add(layer.attention.output, found, rows)
        rows = _add(layer.output, layer.intermediate(rows), rows)
    positions = rows.new_zeros(*position_mask.shape, width)
    positions[position_mask] = rows
    return positions


def _add(output: Any, found: Tensor, rows: Tensor) -> Tensor:
    """What ends half a layer: a product, added to what the half has read, and LayerNorm.

    Args:
        output: `BertSelfOutput` or `BertOutput`.
        found: what its product reads.
        rows: what the half has read; overwritten.
    """
    dense = output.dense
    if is_packed(dense) or not found.dtype == rows.dtype == dense.weight.dtype:
        return output(found, rows)
    # A BLAS adds its product to what is there already.
    return output.LayerNorm(rows.add_(dense.bias).addmm_(found, dense.weight.t()))


def _attention(layer: Any, rows: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """What pieces learn of the others of their sequences, (pieces, width).

    Args:
        layer: the layer's self-attention.
        rows: (pieces, width).
        groups: how many sequences there are of each length, and the length, as they lie in `rows`.
    """
    sizes = [count * length for count, length in groups]
    parts = (linear(rows).split(sizes) for linear in (layer.query, layer.key, layer.value))
    found = []
    for (count, length), of_group in zip(groups, zip(*parts, strict=True), strict=True):
        query, key, value = (
            part.view(count, length, -1, layer.attention_head_size).transpose(1, 2)
            for part in of_group
        )
        read = functional.scaled_dot_product_attention(query, key, value, scale=layer.scaling)
        found.append(read.transpose(1, 2).reshape(count * length, -1))
    return found[0] if len(found) == 1 else torch.cat(found)
