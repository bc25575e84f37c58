"""The model that a training starts with: untrained above its encoder, or trained before."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from pfn_kg.pfn.checkpoint import find_model
from pfn_kg.pfn.checksums import check_checksums
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.encoder import find_encoder
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.training.options import ADDED, ARCHITECTURE, FREE, TrainingOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema


def build_model(
    encoder: str, schema: LabelSchema, options: TrainingOptions
) -> tuple[PFNModel, PreTrainedTokenizerBase]:
    """A model over a pretrained encoder, everything above it untrained.

    Args:
        encoder: a folder, an installed package or a name on the hub.
        schema: the labels.
        options: the architecture.

    Raises:
        ConfigurationError: if there is no such encoder, or it has no fast tokenizer.
    """
    source = find_encoder(encoder)
    try:
        encoder_config = AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source, add_prefix_space=True)
        pretrained = AutoModel.from_pretrained(source, dtype=torch.float32)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise ConfigurationError(f"{encoder} can't be loaded: {reason}", field="encoder") from error
    if not tokenizer.is_fast:
        raise ConfigurationError(f"{encoder} has no fast tokenizer", field="encoder")
    config = PFNConfig(
        encoder=encoder_config,
        entity_types=[t.name for t in schema.entity_types],
        relation_types=[r.name for r in schema.relations],
        label_schema=schema.to_dict(),
        **{name: getattr(options, name) for name in ARCHITECTURE},
    )
    model = PFNModel(config)
    missing, _ = model.encoder.load_state_dict(pretrained.state_dict(), strict=False)
    if missing:
        raise ConfigurationError(f"{encoder} lacks the weight {missing[0]}", field="encoder")
    return model, tokenizer


def start_model(
    names: str, schema: LabelSchema, options: TrainingOptions
) -> tuple[PFNModel, PreTrainedTokenizerBase]:
    """A trained model to go on from; its windows, dropout and decoding are those of the options.

    Args:
        names: a checkpoint folder or the name of a shipped model; of several, with commas
            between, the mean of their weights. Where those come from one model and were trained
            apart, it is mostly better than any of them (Wortsman et al., ICML 2022, "Model
            soups").
        schema: the labels; must be those of the model.
        options: hyper-parameters.

    Raises:
        ConfigurationError: if there is no such model, or it has other labels or another
            architecture.
    """
    models = [_start_model(name, schema, options) for name in names.split(",")]
    model = models[0]
    if len(models) > 1:
        states = [other.state_dict() for other in models]
        mean = {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}
        model.load_state_dict(mean)
    return model, AutoTokenizer.from_pretrained(first_folder(names))


def first_folder(names: str) -> Path:
    """The folder of the first of several models, with commas between their names."""
    return find_model(names.partition(",")[0], field="start_from")


def _start_model(name: str, schema: LabelSchema, options: TrainingOptions) -> PFNModel:
    folder = find_model(name, field="start_from")
    check_checksums(folder)
    config = PFNConfig.from_pretrained(folder)
    labels = [t.name for t in schema.entity_types], [r.name for r in schema.relations]
    if labels != (list(config.entity_types), list(config.relation_types)):
        raise ConfigurationError(
            f"{name} has other types or relations than `train`", field="start_from"
        )
    for option in ARCHITECTURE:
        can_change = option in FREE or (option in ADDED and not getattr(config, option))
        if not can_change and getattr(config, option) != getattr(options, option):
            raise ConfigurationError(
                f"{name} has {option} {getattr(config, option)}, not {getattr(options, option)}",
                field="start_from",
            )
        setattr(config, option, getattr(options, option))
    config.label_schema = schema.to_dict()
    config.calibration = None
    return PFNModel.from_pretrained(folder, config=config, dtype=torch.float32)
