"""The Partition Filter Network as a `transformers` model (section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from pfn.configuration import PFNConfig
from pfn.loss import table_loss
from pfn.lstm_encoders import LSTMEncoders
from pfn.partition_filter import PartitionFeatures, PartitionFilterEncoder
from pfn.stacked_partition_filter import StackedPartitionFilter
from pfn.task_units import TaskUnit, UnitFeatures, upper_triangle
from pfn.word_shape import WORD_SHAPES


@dataclass
class PFNOutput(ModelOutput):
    """What a forward pass gives.

    Attributes:
        loss: L_ner + L_re over the padded length, if labels were given (eq. 12); the loss of
            the tail table, if there is one, is a third part.
        entity_table: logits of the NER table, (batch, length, length, entity types);
            minus infinity below the diagonal and at padding.
        relation_table: logits of the RE table, (batch, length, length, relations); minus
            infinity at padding.
        tail_table: logits of the tail table, if the model has one, like the RE table.
    """

    loss: Tensor | None = None
    entity_table: Tensor | None = None
    relation_table: Tensor | None = None
    tail_table: Tensor | None = None


@dataclass
class PFNProjections:
    """A batch read by the encoders, ready to fill tables with.

    Attributes:
        features: entity, relation and shared features (eq. 6).
        ner: what the NER unit fills its table from.
        re: what the RE unit fills its table from.
        mask: true at positions of the sentence, (batch, length).
        re_tail: what the tail table is filled from, if the model has one.
    """

    features: PartitionFeatures
    ner: UnitFeatures
    re: UnitFeatures
    mask: Tensor
    re_tail: UnitFeatures | None = None


class PFNModel(PreTrainedModel):
    """Encoder, partition filter encoder, NER unit and RE unit.

    Args:
        config: the configuration.
    """

    config: PFNConfig
    config_class = PFNConfig
    base_model_prefix = "pfn"
    main_input_name = "input_ids"
    _supports_sdpa = True
    _supports_flash_attn = True
    supports_gradient_checkpointing = True

    def __init__(self, config: PFNConfig):
        super().__init__(config)
        options = {}
        if "add_pooling_layer" in _parameters(config.encoder):
            options["add_pooling_layer"] = False
        self.encoder = AutoModel.from_config(config.encoder, **options)
        width = self.encoder.get_input_embeddings().embedding_dim
        self.word_shapes = nn.Embedding(len(WORD_SHAPES), width) if config.word_shapes else None
        self.dropout = nn.Dropout(config.dropout)
        self.partition_filter = _task_encoder(config)
        units: dict[str, Any] = {
            "dropout": config.dropout,
            "layer_norm": config.layer_norm,
            "feature_size": config.hidden_size * (2 if config.bidirectional else 1),
            "shared": config.encoding == "joint",
            "global_representation": config.global_representation,
        }
        self.ner = TaskUnit(config.hidden_size, len(config.entity_types), **units)
        self.re = TaskUnit(config.hidden_size, len(config.relation_types), **units)
        self.re_tail = (
            TaskUnit(config.hidden_size, len(config.relation_types), **units)
            if config.tail_table
            else None
        )
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # PyTorch's own initialisation, as in the official code; the encoder brings its own.
        if module is self.word_shapes:
            nn.init.zeros_(module.weight)
        elif isinstance(module, nn.Linear | nn.LayerNorm | nn.LSTM):
            module.reset_parameters()

    def project(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_index: Tensor,
        position_mask: Tensor,
        shape_ids: Tensor | None = None,
    ) -> PFNProjections:
        """Reads a batch, up to what both task units fill tables from.

        Args:
            input_ids: word pieces, (batch, pieces).
            attention_mask: 1 at pieces, 0 at padding, (batch, pieces).
            position_index: the piece that each position of the tables reads,
                (batch, length).
            position_mask: true at positions, false at padding, (batch, length).
            shape_ids: word shape of each piece, (batch, pieces), if the model uses them.
        """
        if self.word_shapes is not None and shape_ids is not None:
            embeddings = self.encoder.get_input_embeddings()(input_ids)
            read = {"inputs_embeds": embeddings + self.word_shapes(shape_ids)}
        else:
            read = {"input_ids": input_ids}
        encoded = self.encoder(attention_mask=attention_mask, **read).last_hidden_state
        index = position_index.unsqueeze(-1).expand(-1, -1, encoded.shape[-1])
        features = self.partition_filter(self.dropout(encoded.gather(1, index)), position_mask)
        return PFNProjections(
            features,
            self.ner.project(features.entity, features.shared, position_mask),
            self.re.project(features.relation, features.shared, position_mask),
            position_mask,
            None
            if self.re_tail is None
            else self.re_tail.project(features.relation, features.shared, position_mask),
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_index: Tensor,
        position_mask: Tensor,
        shape_ids: Tensor | None = None,
        entity_labels: Tensor | None = None,
        relation_labels: Tensor | None = None,
        tail_labels: Tensor | None = None,
        return_tables: bool | None = None,
    ) -> PFNOutput:
        """Fills both tables; with labels, the loss as well.

        Args:
            input_ids: as in `project`.
            attention_mask: as in `project`.
            position_index: as in `project`.
            position_mask: as in `project`.
            shape_ids: as in `project`.
            entity_labels: gold cells as (sentence, first, last, type), (n, 4).
            relation_labels: gold cells as (sentence, subject, object, relation), (n, 4).
            tail_labels: gold cells of the tail table as (sentence, last word of the subject,
                of the object, relation), (n, 4), if the model has one.
            return_tables: whether the tables are returned; by default where no labels are.
        """
        read = self.project(input_ids, attention_mask, position_index, position_mask, shape_ids)
        has_labels = entity_labels is not None and relation_labels is not None
        with_tables = return_tables or (return_tables is None and not has_labels)
        units = [(self.re, read.re, relation_labels)]
        if self.re_tail is not None and read.re_tail is not None:
            units.append((self.re_tail, read.re_tail, tail_labels))
        selective = has_labels and self.config.decoding == "selective"
        blocked = not with_tables and not selective and _blocks_pay(read.re.task)
        if blocked and entity_labels is not None and relation_labels is not None:
            loss = self.ner.table_loss(read.ner, position_mask, entity_labels, triangle=True)
            for unit, features, labels in units:
                loss = loss + unit.table_loss(
                    features, position_mask, _needed(labels), triangle=False
                )
            return PFNOutput(loss / position_mask.shape[1])
        cells = upper_triangle(position_mask)
        entity_logits = self.ner.cells(read.ner, *cells)
        pairs = position_mask.unsqueeze(2) & position_mask.unsqueeze(1)
        tables = []
        if with_tables or not selective:
            tables = [unit.table(features) for unit, features, _ in units]
        total = None
        if entity_labels is not None and relation_labels is not None:
            batch, length = position_mask.shape
            shape = (batch, length, length)
            entity_gold = _gold(entity_labels, (*shape, len(self.config.entity_types)))[cells]
            loss = table_loss(entity_logits, entity_gold)
            for number, (unit, features, labels) in enumerate(units):
                gold = _gold(_needed(labels), (*shape, len(self.config.relation_types)))
                if selective:
                    accepted = entity_logits.detach().sigmoid() >= self.config.entity_threshold
                    chosen = _valid_pairs(cells, accepted.any(-1), position_mask, number)
                    loss = loss + table_loss(unit.cells(features, *chosen), gold[chosen])
                elif bool(pairs.all()):
                    loss = loss + table_loss(tables[number], gold)
                else:
                    loss = loss + table_loss(tables[number][pairs], gold[pairs])
            total = loss / length
        if not with_tables:
            return PFNOutput(total)
        entity_table = entity_logits.new_full(
            (*pairs.shape, entity_logits.shape[-1]), float("-inf")
        )
        entity_table[cells] = entity_logits
        return PFNOutput(
            total,
            entity_table,
            *(table.masked_fill(~pairs.unsqueeze(-1), float("-inf")) for table in tables),
        )


def _task_encoder(config: PFNConfig) -> nn.Module:
    """What makes task features of the text encoder's output: the partition filter of a model.

    One of one layer and one direction stands by itself, as checkpoints know it.
    """
    encoder: Any = config.encoder
    if config.encoding != "joint":
        return LSTMEncoders(
            encoder.hidden_size,
            config.hidden_size,
            config.encoding == "sequential",
            config.layers,
            config.bidirectional,
        )
    options: dict[str, Any] = {
        "dropconnect": config.dropconnect,
        "entity_gate": config.entity_gate,
        "chunk_size": config.chunk_size,
    }
    if config.layers == 1 and not config.bidirectional:
        return PartitionFilterEncoder(encoder.hidden_size, config.hidden_size, **options)
    return StackedPartitionFilter(
        encoder.hidden_size, config.hidden_size, config.layers, config.bidirectional, **options
    )


def _valid_pairs(
    cells: tuple[Tensor, Tensor, Tensor], valid: Tensor, mask: Tensor, end: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs that selective decoding looks at: those of entities the NER unit accepts.

    Args:
        cells: sentence, first and last position of the spans.
        valid: whether a span is accepted, (spans,).
        mask: true at positions of the sentence, (batch, length).
        end: 0 for pairs of first positions, 1 for pairs of last ones.
    """
    at = torch.zeros_like(mask)
    at[cells[0][valid], cells[1 + end][valid]] = True
    sentence, first, second = (at.unsqueeze(2) & at.unsqueeze(1)).nonzero(as_tuple=True)
    return sentence, first, second


def _blocks_pay(features: Tensor) -> bool:
    """Whether the loss is made in blocks that stay in cache: a GPU has no use for them.

    Nor do they know of mixed precision.
    """
    return features.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _needed(labels: Tensor | None) -> Tensor:
    if labels is None:
        raise ValueError("a model with a tail table needs tail_labels")
    return labels


def _gold(labels: Tensor, shape: tuple[int, ...]) -> Tensor:
    gold = torch.zeros(shape, device=labels.device)
    gold[labels.unbind(-1)] = 1
    return gold


def _parameters(config: PreTrainedConfig | dict | None) -> set[str]:
    models: Any = MODEL_MAPPING
    return set(signature(models[type(config)]).parameters)


AutoConfig.register("pfn", PFNConfig)
AutoModel.register(PFNConfig, PFNModel)
