"""The Partition Filter Network as a `transformers` model (section 4)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from pfn_kg.pfn.model import devices
from pfn_kg.pfn.model.attention_mask import unasked_mask
from pfn_kg.pfn.model.bert_rows import read_rows, reads_rows
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.loss import Labels, table_loss
from pfn_kg.pfn.model.lstm_encoders import LSTMEncoders
from pfn_kg.pfn.model.partition_filter import (
    PartitionFeatures,
    PartitionFilterEncoder,
    Steps,
)
from pfn_kg.pfn.model.process_settings import attention_of_encoder
from pfn_kg.pfn.model.stacked_partition_filter import StackedPartitionFilter
from pfn_kg.pfn.model.task_units import TaskUnit, UnitFeatures, same_sentence, upper_triangle
from pfn_kg.pfn.model.word_shape import WORD_SHAPES


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
        sentence_ids: in windows of several sentences that of each position, (batch, length).
    """

    features: PartitionFeatures
    ner: UnitFeatures
    re: UnitFeatures
    mask: Tensor
    re_tail: UnitFeatures | None = None
    sentence_ids: Tensor | None = None


class PFNModel(PreTrainedModel):
    """Encoder, partition filter encoder, NER unit and RE unit.

    Args:
        config: the configuration.
    """

    config: PFNConfig
    config_class = PFNConfig
    base_model_prefix = "pfn"
    main_input_name = "input_ids"
    #: In training the type of the encoder's products, by autocast; its weights and all that is
    #: above it are as they are.
    encoder_autocast: torch.dtype | None = None
    #: Of L_re in the loss (eq. 12); with 0 it is not computed.
    relation_weight: float = 1.0
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
        # Spans lie in one sentence; triples need not.
        across = units | {"sentence_distance": config.sentence_distance}
        self.re = TaskUnit(config.hidden_size, len(config.relation_types), **across)
        self.re_tail = (
            TaskUnit(config.hidden_size, len(config.relation_types), **across)
            if config.tail_table
            else None
        )
        # What they add is nothing before it is learnt: a trained model may be given them.
        self._added = [
            module
            for module in (
                self.word_shapes,
                self.re.distance,
                self.re_tail and self.re_tail.distance,
            )
            if module is not None
        ]
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # PyTorch's own initialisation, as in the official code; the encoder brings its own.
        if isinstance(module, nn.Embedding) and module in self._added:
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
        sentence_ids: Tensor | None = None,
        lengths: np.ndarray | None = None,
    ) -> PFNProjections:
        """Reads a batch, up to what both task units fill tables from.

        Args:
            input_ids: word pieces, (batch, pieces).
            attention_mask: 1 at pieces, 0 at padding, (batch, pieces).
            position_index: the piece that each position of the tables reads,
                (batch, length).
            position_mask: true at positions, false at padding, (batch, length).
            shape_ids: word shape of each piece, (batch, pieces), if the model uses them.
            sentence_ids: where a window has several sentences: that of each position, from 0,
                (batch, length).
            lengths: how many positions each sequence has, (batch,), where a GPU shall not be
                waited for.
        """
        steps: dict[str, Any] = {}
        if isinstance(self.partition_filter, PartitionFilterEncoder | StackedPartitionFilter):
            steps = {"steps": Steps.of(position_mask, lengths)}
        encoded = self.encode(input_ids, attention_mask, position_index, position_mask, shape_ids)
        features = self.partition_filter(self.dropout(encoded), position_mask, **steps)
        return PFNProjections(
            features,
            self.ner.project(features.entity, features.shared, position_mask),
            self.re.project(features.relation, features.shared, position_mask, sentence_ids),
            position_mask,
            self._project_tails(features, position_mask, sentence_ids),
            sentence_ids,
        )

    def _project_tails(
        self, features: PartitionFeatures, mask: Tensor, sentence_ids: Tensor | None
    ) -> UnitFeatures | None:
        """What the tail table is filled from, if there is one."""
        if self.re_tail is None:
            return None
        if self.config.tail_features == "shared" and features.shared is not None:
            # PFN-nested: the shared partition knows where entities end and how they relate.
            return self.re_tail.project(features.shared, features.relation, mask, sentence_ids)
        return self.re_tail.project(features.relation, features.shared, mask, sentence_ids)

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_index: Tensor,
        position_mask: Tensor,
        shape_ids: Tensor | None = None,
    ) -> Tensor:
        """What the text encoder makes of each position, in the type of the weights above it.

        Returns:
            (batch, length, width), undefined at padding.
        """
        dtype = self.ner.label.weight.dtype
        read = {"input_ids": input_ids}
        if self.word_shapes is not None and shape_ids is not None:
            embeddings = self.encoder.get_input_embeddings()(input_ids)
            shapes = self.word_shapes(shape_ids).to(embeddings.dtype)
            read = {"inputs_embeds": embeddings + shapes}
        if reads_rows(self.encoder):
            places = (attention_mask, position_index, position_mask)
            return read_rows(self.encoder, self.encoder.embeddings(**read), *places).to(dtype)
        cast: Any = contextlib.nullcontext()
        if self.encoder_autocast and self.training:
            cast = torch.autocast(input_ids.device.type, self.encoder_autocast)
        with cast, attention_of_encoder(self.encoder, input_ids.device):
            mask = attention_mask
            if devices.runs_ahead(mask.device) and not self.training:
                mask = unasked_mask(self.encoder.config, mask)
            encoded = self.encoder(attention_mask=mask, **read).last_hidden_state.to(dtype)
        return encoded.gather(1, position_index.unsqueeze(-1).expand(-1, -1, encoded.shape[-1]))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_index: Tensor,
        position_mask: Tensor,
        shape_ids: Tensor | None = None,
        sentence_ids: Tensor | None = None,
        entity_labels: Tensor | None = None,
        relation_labels: Tensor | None = None,
        tail_labels: Tensor | None = None,
        entity_targets: Tensor | None = None,
        relation_targets: Tensor | None = None,
        tail_targets: Tensor | None = None,
        entity_known: Tensor | None = None,
        relation_known: Tensor | None = None,
        return_tables: bool | None = None,
    ) -> PFNOutput:
        """Fills both tables; with labels, the loss as well.

        In windows of several sentences spans are those inside a sentence. The loss is over all
        pairs of positions inside a sentence, as in the paper, and over the pairs of heads of
        different sentences, gold ones and accepted ones: other pairs across sentences are
        too many, and eq. 13 never looks at them.

        Args:
            input_ids: as in `project`.
            attention_mask: as in `project`.
            position_index: as in `project`.
            position_mask: as in `project`.
            shape_ids: as in `project`.
            sentence_ids: as in `project`.
            entity_labels: gold cells as (sentence, first, last, type), (n, 4).
            relation_labels: gold cells as (sentence, subject, object, relation), (n, 4).
            tail_labels: gold cells of the tail table as (sentence, last word of the subject,
                of the object, relation), (n, 4), if the model has one.
            entity_targets: of each cell of `entity_labels` the probability that it is true,
                (n,); 1 by default.
            relation_targets: the same of `relation_labels`.
            tail_targets: the same of `tail_labels`.
            entity_known: which entity types were annotated in each sentence, (batch, types); by
                default all. Of another type only the cells of `entity_labels` count.
            relation_known: the same of relations, (batch, relations).
            return_tables: whether the tables are returned; by default where no labels are.
        """
        read = self.project(
            input_ids, attention_mask, position_index, position_mask, shape_ids, sentence_ids
        )
        loss = None
        if entity_labels is not None and relation_labels is not None:
            related = [Labels.of(relation_labels, relation_targets, relation_known)]
            if self.re_tail is not None:
                if tail_labels is None:
                    raise ValueError("a model with a tail table needs tail_labels")
                related.append(Labels.of(tail_labels, tail_targets, relation_known))
            loss = self._loss(read, Labels.of(entity_labels, entity_targets, entity_known), related)
        if return_tables or (return_tables is None and loss is None):
            return PFNOutput(loss, *self._tables(read))
        return PFNOutput(loss)

    def _relation_units(self, read: PFNProjections) -> list[tuple[TaskUnit, UnitFeatures]]:
        """The RE unit and, if there is one, that of the tail table, with their features."""
        units = [(self.re, read.re)]
        if self.re_tail is not None and read.re_tail is not None:
            units.append((self.re_tail, read.re_tail))
        return units

    def _tables(self, read: PFNProjections) -> list[Tensor]:
        """The logits of all tables, minus infinity where no cell is."""
        pairs = same_sentence(read.mask)
        cells = upper_triangle(read.mask, read.sentence_ids)
        logits = self.ner.cells(read.ner, *cells)
        entity_table = logits.new_full((*pairs.shape, logits.shape[-1]), float("-inf"))
        entity_table[cells] = logits
        outside = ~pairs.unsqueeze(-1)
        return [
            entity_table,
            *(
                unit.table(features).masked_fill(outside, float("-inf"))
                for unit, features in self._relation_units(read)
            ),
        ]

    def _loss(self, read: PFNProjections, entity_labels: Labels, related: list[Labels]) -> Tensor:
        """The loss of a batch (eq. 12).

        Args:
            read: the batch.
            entity_labels: of the NER table.
            related: labels of the RE table and, if there is one, of the tail table.
        """
        mask, sentence_ids = read.mask, read.sentence_ids
        selective = self.config.decoding == "selective"
        weight = self.relation_weight
        units = self._relation_units(read) if weight else []
        related = related if weight else []
        if sentence_ids is None and not selective and _blocks_pay(read.re.task):
            loss = self.ner.table_loss(read.ner, mask, entity_labels, triangle=True)
            for (unit, features), labels in zip(units, related, strict=True):
                loss = loss + weight * unit.table_loss(features, mask, labels, triangle=False)
            return loss / mask.shape[1]
        shape = (*mask.shape, mask.shape[1])
        cells = upper_triangle(mask, sentence_ids)
        logits = self.ner.cells(read.ner, *cells)
        gold = entity_labels.table((*shape, len(self.config.entity_types)))[cells]
        loss = table_loss(logits, gold, entity_labels.counted(gold.shape, cells, mask.shape))
        valid = (logits.detach().sigmoid() >= self.config.entity_threshold).any(-1)
        if sentence_ids is not None:
            valid = valid | (gold >= 0.5).any(-1)
        inside = same_sentence(mask, sentence_ids)
        for end, ((unit, features), labels) in enumerate(zip(units, related, strict=True)):
            pairs = inside
            if selective or sentence_ids is not None:
                of_heads = _valid_pairs(cells, valid, mask, end)
                pairs = of_heads if selective else inside | of_heads
            chosen = pairs.nonzero(as_tuple=True)
            gold = labels.table((*shape, len(self.config.relation_types)))[chosen]
            counts = labels.counted(gold.shape, chosen, mask.shape)
            loss = loss + weight * table_loss(unit.cells(features, *chosen), gold, counts)
        # The padded length; in windows that of the longest sentence.
        return loss / (mask.shape[1] if sentence_ids is None else inside.sum(2).max())


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
) -> Tensor:
    """The pairs of heads that valid spans begin at, (batch, length, length).

    Args:
        cells: sentence, first and last position of the spans.
        valid: whether a span is an entity, (spans,).
        mask: true at positions of the sentence, (batch, length).
        end: 0 for pairs of first positions, 1 for pairs of last ones.
    """
    at = torch.zeros_like(mask)
    at[cells[0][valid], cells[1 + end][valid]] = True
    return at.unsqueeze(2) & at.unsqueeze(1)


def _blocks_pay(features: Tensor) -> bool:
    """Whether the loss is made in blocks that stay in cache: a GPU has no use for them.

    Nor do they know of mixed precision.
    """
    return features.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _parameters(config: PreTrainedConfig | dict | None) -> set[str]:
    models: Any = MODEL_MAPPING
    return set(signature(models[type(config)]).parameters)


AutoConfig.register("pfn", PFNConfig)
AutoModel.register(PFNConfig, PFNModel)
