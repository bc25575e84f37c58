"""The model that a training starts with: untrained above its encoder, or trained before."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pfn.checkpoint import find_model
from pfn_kg.pfn.checksums import check_checksums
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.encoder import find_encoder
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.training.options import ADDED, ARCHITECTURE, FREE, TrainingOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema

_logger = logging.getLogger(__name__)


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
        tail_features="shared",
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
            soups"). A label that some of them lack is the mean of the others.
        schema: the labels. Those that the model lacks get new last layers.
        options: hyper-parameters.

    Raises:
        ConfigurationError: if there is no such model, or it has another architecture.
    """
    models = [_start_model(name, options) for name in names.split(",")]
    labels = [_Labels.of(model) for model in models]
    models = [_with_labels(*item, schema) for item in zip(models, names.split(","), strict=True)]
    model = models[0]
    if len(models) > 1:
        model.load_state_dict(_mean([other.state_dict() for other in models], labels, schema))
    return model, AutoTokenizer.from_pretrained(first_folder(names))


def with_architecture(options: TrainingOptions, names: str) -> TrainingOptions:
    """The options with the architecture of a trained model, where they don't give it.

    Args:
        options: hyper-parameters. Those that a model can change without losing a weight stay.
        names: as in `start_model`.

    Raises:
        ConfigurationError: if there is no such model.
    """
    config = PFNConfig.from_pretrained(first_folder(names))
    return options.changed(
        **{
            name: getattr(config, name)
            for name in ARCHITECTURE
            if name not in FREE and name not in options.model_fields_set
        }
    )


def first_folder(names: str) -> Path:
    """The folder of the first of several models, with commas between their names."""
    return find_model(names.partition(",")[0], field="start_from")


def _start_model(name: str, options: TrainingOptions) -> PFNModel:
    """A trained model with its own labels, and thresholds for scores without calibration."""
    folder = find_model(name, field="start_from")
    check_checksums(folder)
    config = PFNConfig.from_pretrained(folder)
    for option in ARCHITECTURE:
        can_change = option in FREE or (option in ADDED and not getattr(config, option))
        if not can_change and getattr(config, option) != getattr(options, option):
            raise ConfigurationError(
                f"{name} has {option} {getattr(config, option)}, not {getattr(options, option)}",
                field="start_from",
            )
        setattr(config, option, getattr(options, option))
    # Training changes what scores mean. Thresholds are of calibrated ones.
    for table in ("entity", "relation"):
        threshold = f"{table}_threshold"
        calibration = calibration_of(config.calibration, table)
        setattr(config, threshold, round(calibration.score_of(getattr(config, threshold)), 4))
    config.calibration = None
    return PFNModel.from_pretrained(folder, config=config, dtype=torch.float32)


class _Labels(NamedTuple):
    """The labels of a model or a schema, in their order."""

    types: list[str]
    relations: list[str]

    @classmethod
    def of(cls, model: PFNModel) -> _Labels:
        return cls(list(model.config.entity_types), list(model.config.relation_types))

    @classmethod
    def of_schema(cls, schema: LabelSchema) -> _Labels:
        return cls([t.name for t in schema.entity_types], [r.name for r in schema.relations])

    def of_rows(self, weight: str) -> list[str] | None:
        """The labels of a weight's rows; None: its rows are no labels."""
        unit, _, part = weight.partition(".")
        if not part.startswith("label."):
            return None
        return self.types if unit == "ner" else self.relations


def _with_labels(model: PFNModel, name: str, schema: LabelSchema) -> PFNModel:
    """The model for the labels of a schema.

    What it knows of labels that both have stays. The last layers of others are new; the text
    encoder and all that is below those layers stay.
    """
    known, wanted = _Labels.of(model), _Labels.of_schema(schema)
    if known == wanted:
        model.config.label_schema = schema.to_dict()
        return model
    config = copy.deepcopy(model.config)
    config.entity_types, config.relation_types = wanted
    config.label_schema = schema.to_dict()
    config.entity_threshold = config.relation_threshold = 0.5
    new = PFNModel(config)
    state = new.state_dict()
    for key, weight in model.state_dict().items():
        labels = known.of_rows(key)
        if labels is None:
            state[key] = weight
            continue
        for row, label in enumerate(wanted.of_rows(key) or ()):
            if label in labels:
                state[key][row] = weight[labels.index(label)]
    new.load_state_dict(state)
    fresh = [
        label
        for of_wanted, of_known in zip(wanted, known, strict=True)
        for label in of_wanted
        if label not in of_known
    ]
    _logger.warning(
        "%s has other labels: %d of %d types and relations are learnt anew%s",
        name,
        len(fresh),
        len(wanted.types) + len(wanted.relations),
        f", such as {fresh[0]}" if fresh else "",
    )
    return new


def _mean(
    states: Sequence[Mapping[str, torch.Tensor]], labels: Sequence[_Labels], schema: LabelSchema
) -> dict[str, torch.Tensor]:
    """The mean weights of models.

    Args:
        states: weights of models of one architecture, with the labels of the schema.
        labels: those that each model has learnt. The rows of a label are the mean of the models
            that know it.
        schema: the labels.
    """
    wanted = _Labels.of_schema(schema)
    mean = {}
    for key in states[0]:
        stacked = torch.stack([state[key] for state in states])
        rows = wanted.of_rows(key)
        if rows is None:
            mean[key] = stacked.mean(0)
            continue
        known = torch.tensor([[row in (of.of_rows(key) or ()) for row in rows] for of in labels])
        # A label that none knows is new in each; one of them does.
        known[0] |= ~known.any(0)
        shares = (known / known.sum(0)).reshape(*known.shape, *[1] * (stacked.dim() - 2))
        mean[key] = (stacked * shares).sum(0)
    return mean
