"""The hyper-parameters of a training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

#: What a trained model can change without losing a weight.
FREE = (
    "decoding",
    "dropout",
    "dropconnect",
    "reflexive",
    "max_span",
    "flat_entities",
    "window_pieces",
    "window_overlap",
    "window_tokens",
    "shared_sentences",
)

#: The options that say what model is trained, as they are called in `PFNConfig` too.
ARCHITECTURE = (
    "hidden_size",
    "encoding",
    "layers",
    "bidirectional",
    "global_representation",
    "chunk_size",
    "tail_table",
    "positions",
    "word_shapes",
    "layer_norm",
    *FREE,
)


class TrainingOptions(BaseModel):
    """Hyper-parameters, each described by its field; the defaults made the shipped model."""

    model_config = ConfigDict(extra="forbid")

    hidden_size: int = Field(300, gt=0, description="width of the partition filter encoder")
    encoding: Literal["joint", "sequential", "parallel"] = Field(
        "joint", description="joint (the partition filter), or sequential or parallel LSTMs"
    )
    layers: int = Field(1, gt=0, description="encoders on top of each other")
    bidirectional: bool = Field(False, description="whether a second encoder reads backwards")
    global_representation: bool = Field(
        True, description="whether the tables read the sentence as a whole (eq. 8)"
    )
    chunk_size: int | None = Field(
        None, gt=1, description="neurons of a chunk; chunks share their gates; default: one chunk"
    )
    decoding: Literal["universal", "selective"] = Field(
        "universal",
        description="whether relations are trained on all word pairs or on accepted entities only",
    )
    tail_table: bool = Field(
        False, description="whether a third table relates last words, for entities with one head"
    )
    positions: Literal["words", "pieces"] = Field(
        "words", description="what the tables' rows are: words, or word pieces as in the paper"
    )
    word_shapes: bool = Field(True, description="whether the model sees the shape of each word")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="rate on the encoder's output and in the task units"
    )
    dropconnect: float = Field(
        0.1, ge=0, lt=1, description="rate of the recurrent weights that a pass drops"
    )
    word_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="rate of the words that the encoder reads as its mask token in training",
    )
    mention_replacement: float = Field(
        0.0,
        ge=0,
        le=1,
        description="with windows: rate of the entities that take the names of another in training",
    )
    unrelated_parts: float = Field(
        0.0,
        ge=0,
        description="with windows: sentences in documents of unrelated parts, drawn anew, per "
        "sentence of the training data",
    )
    partial_share: float = Field(
        1.0,
        ge=0,
        description="with windows: sentences of partially annotated documents, which each epoch "
        "draws, per sentence of the others",
    )
    layer_norm: bool = Field(True, description="whether the task units normalise before ELU")
    reflexive: bool = Field(
        True, description="whether both heads of a triple may be the same position"
    )
    max_span: int | None = Field(
        None, gt=0, description="most positions of an entity that is found; default: no bound"
    )
    flat_entities: bool = Field(
        False, description="whether of entities that overlap only the best one is found"
    )
    window_pieces: int = Field(
        96, gt=0, description="word pieces read at once; more than training shows do harm"
    )
    window_overlap: int = Field(32, ge=0, description="word pieces that windows share")
    window_tokens: int = Field(
        0, ge=0, description="word pieces of windows of sentences; 0: a sentence at a time"
    )
    shared_sentences: int = Field(
        1, ge=0, description="sentences that such windows share when they are read"
    )
    epochs: int = Field(
        10, ge=0, description="most passes over the training data; 0 only chooses thresholds on dev"
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="of the encoder's products in training, and of teachers' encoders; bf16 is "
        "faster where the processor has it",
    )
    batch_size: int = Field(16, gt=0, description="sentences a step")
    encoder_learning_rate: float = Field(1e-4, ge=0, description="peak rate of the encoder")
    head_learning_rate: float = Field(1e-3, gt=0, description="peak rate of all other weights")
    warmup: float = Field(
        0.1, ge=0, lt=1, description="part of the steps in which the rates rise; then they fall"
    )
    schedule: Literal["linear", "constant"] = Field(
        "linear", description="how rates go: up and down, or constant as in the paper"
    )
    weight_decay: float = Field(0.0, ge=0, description="of weights, not of biases")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay a step of the weights' moving average that is evaluated and kept; "
        "0: the weights themselves",
    )
    patience: int = Field(5, gt=0, description="epochs without a better dev score before it stops")
    seed: int = Field(13, description="of initialisation, order and dropout")
    threads: int | None = Field(None, gt=0, description="CPU threads")
    limit: int | None = Field(None, gt=0, description="train on the first N sentences only")
    tune_thresholds: bool = Field(True, description="whether thresholds are chosen on dev")
    calibrate: bool = Field(
        True, description="whether scores are turned into probabilities, fitted on dev"
    )

    @field_validator("chunk_size")
    @classmethod
    def _fits(cls, chunk_size: int | None, info: ValidationInfo) -> int | None:
        if chunk_size is None:
            return None
        if info.data.get("encoding", "joint") != "joint":
            raise ValueError("only the joint encoding has gates")
        hidden_size = info.data.get("hidden_size", chunk_size)
        if hidden_size % chunk_size:
            raise ValueError(f"{chunk_size} does not divide the hidden size {hidden_size}")
        return chunk_size
