"""Checkpoints of the official PFN code (github.com/Coopercoppers/PFN) become ours, nested ones too.

Ours follows the paper's order of names in every concatenation, the official code
another one, so columns of weights move. Nothing else changes, and neither do scores.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig

from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema

# Of each unit its name there, that of its pooling layer and that of its last layer.
_UNITS = {"ner": ("ner", "n", "hid2tag"), "re": ("re", "r", "hid2rel")}
_NESTED_UNITS = _UNITS | {"re": ("re_head", "r", "hid2rel"), "re_tail": ("re_tail", "r", "hid2rel")}


def convert_state_dict(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names and orders the weights of an official checkpoint as `PFNModel` does.

    Args:
        official: names as in the official code: `bert.*`, `feature_extractor.unit.*`,
            `ner.*`, `re.*`; in place of the last, PFN-nested has `re_head.*` and `re_tail.*`.

    Raises:
        KeyError: if a weight is missing.
    """
    converted = {}
    for name, weight in official.items():
        if name.startswith("bert.") and not name.startswith("bert.pooler."):
            converted["encoder." + name.removeprefix("bert.")] = weight
    cell = "feature_extractor.unit."
    for name in ("input_transform", "hidden_transform"):
        for kind in ("weight", "bias"):
            converted[f"partition_filter.{name}.{kind}"] = official[f"{cell}{name}.{kind}"]
    relation, entity, shared = official[cell + "transform.weight"].chunk(3, 1)
    converted["partition_filter.cell_transform.weight"] = torch.cat((entity, relation, shared), 1)
    converted["partition_filter.cell_transform.bias"] = official[cell + "transform.bias"]
    for unit, (name, pool, label) in (_NESTED_UNITS if _is_nested(official) else _UNITS).items():
        # The tail unit takes shared features for the task's, there as here.
        shared, task = official[f"{name}.{pool}.weight"].chunk(2, 1)
        converted[f"{unit}.global_representation.linear.weight"] = torch.cat((task, shared), 1)
        converted[f"{unit}.global_representation.linear.bias"] = official[f"{name}.{pool}.bias"]
        for ours, theirs in (("pair", "hid2hid"), ("layer_norm", "ln"), ("label", label)):
            for kind in ("weight", "bias"):
                converted[f"{unit}.{ours}.{kind}"] = official[f"{name}.{theirs}.{kind}"]
    return converted


def _is_nested(official: Mapping[str, Tensor]) -> bool:
    return any(name.startswith("re_tail.") for name in official)


def read_labels(path: Path, field: str) -> list[str]:
    """Reads `ner2idx.json` or `rel2idx.json`: names in the order of their indices.

    Args:
        path: the file.
        field: the option that names it, for messages.

    Raises:
        ConfigurationError: if it is no mapping from names to 0, 1, 2, ...
    """
    try:
        indices = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}", field=field) from None
    if not isinstance(indices, dict) or sorted(
        i for i in indices.values() if isinstance(i, int)
    ) != list(range(len(indices))):
        raise ConfigurationError(f"{path}: not a mapping from names to 0, 1, 2, ...", field=field)
    return sorted(indices, key=indices.__getitem__)


def import_checkpoint(
    checkpoint: Path, encoder: Path, *, entity_types: list[str], relation_types: list[str]
) -> PFNModel:
    """Reads an official checkpoint.

    Args:
        checkpoint: the state dict that the official code saved.
        encoder: folder of the encoder it was trained over (its configuration is read).
        entity_types: in the order of the NER table.
        relation_types: in the order of the RE table.

    Raises:
        ConfigurationError: if the file is no such checkpoint or does not fit.
    """
    try:
        official = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise ConfigurationError(f"{checkpoint}: not a PyTorch state dict: {reason}") from None
    try:
        weights = convert_state_dict(official)
    except (KeyError, AttributeError) as error:
        raise ConfigurationError(f"{checkpoint}: no official PFN checkpoint: {error}") from None
    for field, labels, unit in (
        ("entity_types", entity_types, "ner"),
        ("relation_types", relation_types, "re"),
    ):
        rows = weights[f"{unit}.label.weight"].shape[0]
        if rows != len(labels):
            raise ConfigurationError(
                f"{len(labels)} labels, but the checkpoint has {rows}", field=field
            )
    schema = LabelSchema.from_dict(
        {
            "entity_types": [{"name": name} for name in entity_types],
            "relations": [{"name": name} for name in relation_types],
        }
    )
    config = PFNConfig(
        encoder=AutoConfig.from_pretrained(encoder, local_files_only=True),
        entity_types=entity_types,
        relation_types=relation_types,
        label_schema=schema.to_dict(),
        hidden_size=weights["partition_filter.cell_transform.bias"].shape[0],
        positions="pieces",
        entity_gate="mirrored",
        word_shapes=False,
        tail_table="re_tail.label.weight" in weights,
        tail_features="shared",
        # The official code cuts a sentence after 128 words; ours reads on in windows.
        window_pieces=128,
        window_overlap=32,
    )
    model = PFNModel(config)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise ConfigurationError(
            f"{encoder} does not fit {checkpoint}: {lines[1].strip()}", field="encoder"
        ) from None
    return model.eval()
