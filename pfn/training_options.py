"""The hyper-parameters of a training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainingOptions(BaseModel):
    """Hyper-parameters, each described by its field; the defaults made the shipped model."""

    model_config = ConfigDict(extra="forbid")

    hidden_size: int = Field(300, gt=0, description="width of the partition filter encoder")
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
    layer_norm: bool = Field(True, description="whether the task units normalise before ELU")
    reflexive: bool = Field(
        True, description="whether both heads of a triple may be the same position"
    )
    window_pieces: int = Field(
        96, gt=0, description="word pieces read at once; more than training shows do harm"
    )
    window_overlap: int = Field(32, ge=0, description="word pieces that windows share")
    epochs: int = Field(10, gt=0, description="most passes over the training data")
    batch_size: int = Field(16, gt=0, description="sentences a step")
    encoder_learning_rate: float = Field(1e-4, ge=0, description="peak rate of the encoder")
    head_learning_rate: float = Field(1e-3, gt=0, description="peak rate of all other weights")
    warmup: float = Field(
        0.1, ge=0, lt=1, description="part of the steps in which the rates rise; then they fall"
    )
    weight_decay: float = Field(0.0, ge=0, description="of weights, not of biases")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(5, gt=0, description="epochs without a better dev score before it stops")
    seed: int = Field(13, description="of initialisation, order and dropout")
    threads: int | None = Field(None, gt=0, description="CPU threads")
    limit: int | None = Field(None, gt=0, description="train on the first N sentences only")
    tune_thresholds: bool = Field(True, description="whether thresholds are chosen on dev")
