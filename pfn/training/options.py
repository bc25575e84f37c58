"""The hyper-parameters of a training."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from pfn_kg.schemas.options import Options, option

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

#: What a trained model can be given, and not lose.
ADDED = ("sentence_distance",)

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
    *ADDED,
    *FREE,
)


class TrainingOptions(Options):
    """Hyper-parameters, each described by its field; the defaults made the shipped model."""

    hidden_size: int = option(
        300,
        "width of the partition filter encoder",
        group="Architecture",
        metavar="N",
        gt=0,
    )
    encoding: Literal["joint", "sequential", "parallel"] = option(
        "joint",
        "joint (the partition filter), or sequential or parallel LSTMs",
        group="Architecture",
    )
    layers: int = option(
        1,
        "encoders on top of each other",
        group="Architecture",
        metavar="N",
        gt=0,
    )
    bidirectional: bool = option(
        False,
        "whether a second encoder reads backwards",
        group="Architecture",
        negatable=True,
    )
    global_representation: bool = option(
        True,
        "whether the tables read the sentence as a whole (eq. 8)",
        group="Architecture",
        negatable=True,
    )
    chunk_size: int | None = option(
        None,
        "neurons of a chunk; chunks share their gates",
        group="Architecture",
        metavar="N",
        default_text="one chunk",
        gt=1,
    )
    decoding: Literal["universal", "selective"] = option(
        "universal",
        "whether relations are trained on all word pairs or on accepted entities only",
        group="Architecture",
    )
    tail_table: bool = option(
        False,
        "whether a third table relates last words, for entities with one head",
        group="Architecture",
        negatable=True,
    )
    positions: Literal["words", "pieces"] = option(
        "words",
        "what the tables' rows are: words, or word pieces as in the paper",
        group="Architecture",
    )
    word_shapes: bool = option(
        True,
        "whether the model sees the shape of each word",
        group="Architecture",
        negatable=True,
    )
    relation_weight: float = option(
        1.0,
        "weight of the loss of relations; 0: entities alone are learnt",
        group="Optimisation",
        metavar="X",
        ge=0,
    )
    sentence_distance: bool = option(
        False,
        "whether the relation unit sees how many sentences are between subject and object; needs"
        " `window_tokens`",
        group="Architecture",
        negatable=True,
    )
    dropout: float = option(
        0.1,
        "rate on the encoder's output and in the task units",
        group="Regularisation",
        metavar="X",
        ge=0,
        lt=1,
    )
    dropconnect: float = option(
        0.1,
        "rate of the recurrent weights that a pass drops",
        group="Regularisation",
        metavar="X",
        ge=0,
        lt=1,
    )
    word_dropout: float = option(
        0.0,
        "rate of the words that the encoder reads as its mask token in training",
        group="Regularisation",
        metavar="X",
        ge=0,
        lt=1,
    )
    mention_replacement: float = option(
        0.0,
        "with windows: rate of the entities that take the names of another in training",
        group="Regularisation",
        metavar="X",
        ge=0,
        le=1,
    )
    unrelated_parts: float = option(
        0.0,
        "with windows: sentences in documents of unrelated parts, drawn anew, per sentence of "
        "the training data",
        group="Regularisation",
        metavar="X",
        ge=0,
    )
    partial_share: float = option(
        1.0,
        "with windows: sentences of partially annotated documents, which each epoch draws, per "
        "sentence of the others",
        group="Regularisation",
        metavar="X",
        ge=0,
    )
    layer_norm: bool = option(
        True,
        "whether the task units normalise before ELU",
        group="Architecture",
        negatable=True,
    )
    reflexive: bool = option(
        True,
        "whether both heads of a triple may be the same position",
        group="Architecture",
        negatable=True,
    )
    max_span: int | None = option(
        None,
        "most positions of an entity that is found",
        group="Architecture",
        metavar="N",
        default_text="no bound",
        gt=0,
    )
    flat_entities: bool = option(
        False,
        "whether of entities that overlap only the best one is found",
        group="Architecture",
        negatable=True,
    )
    window_pieces: int = option(
        96,
        "word pieces read at once; more than training shows do harm",
        group="Reading",
        metavar="N",
        gt=0,
    )
    window_overlap: int = option(
        32,
        "word pieces that windows share",
        group="Reading",
        metavar="N",
        ge=0,
    )
    window_tokens: int = option(
        0,
        "word pieces of windows of sentences; 0: a sentence at a time",
        group="Reading",
        metavar="N",
        ge=0,
    )
    shared_sentences: int = option(
        1,
        "sentences that such windows share when they are read",
        group="Reading",
        metavar="N",
        ge=0,
    )
    epochs: int = option(
        10,
        "most passes over the training data; 0 only chooses thresholds on dev",
        group="Optimisation",
        metavar="N",
        common=True,
        ge=0,
    )
    precision: Literal["fp32", "bf16"] = option(
        "fp32",
        "of the encoder's products in training, and of teachers' encoders; bf16 is faster "
        "where the processor has it",
        group="Optimisation",
    )
    batch_size: int = option(
        16,
        "sentences a step",
        group="Optimisation",
        metavar="N",
        gt=0,
    )
    encoder_learning_rate: float = option(
        1e-4,
        "peak rate of the encoder",
        group="Optimisation",
        metavar="X",
        ge=0,
    )
    head_learning_rate: float = option(
        1e-3,
        "peak rate of all other weights",
        group="Optimisation",
        metavar="X",
        gt=0,
    )
    warmup: float = option(
        0.1,
        "part of the steps in which the rates rise; then they fall",
        group="Optimisation",
        metavar="X",
        ge=0,
        lt=1,
    )
    schedule: Literal["linear", "constant"] = option(
        "linear",
        "how rates go: up and down, or constant as in the paper",
        group="Optimisation",
    )
    weight_decay: float = option(
        0.0,
        "of weights, not of biases",
        group="Regularisation",
        metavar="X",
        ge=0,
    )
    clip: float = option(
        1.0,
        "largest norm of the gradient",
        group="Regularisation",
        metavar="X",
        gt=0,
    )
    ema_decay: float = option(
        0.0,
        "decay a step of the weights' moving average that is evaluated and kept; 0: the "
        "weights themselves",
        group="Optimisation",
        metavar="X",
        ge=0,
        lt=1,
    )
    patience: int = option(
        5,
        "epochs without a better dev score before it stops",
        group="Optimisation",
        metavar="N",
        gt=0,
    )
    seed: int = option(
        13,
        "of initialisation, order and dropout",
        group="Optimisation",
        metavar="N",
    )
    threads: int | None = option(
        None,
        "CPU threads",
        group="Optimisation",
        metavar="N",
        default_text="as PyTorch chooses",
        gt=0,
    )
    limit: int | None = option(
        None,
        "train on the first N sentences only",
        group="Optimisation",
        metavar="N",
        default_text="all",
        gt=0,
    )
    tune_thresholds: bool = option(
        True,
        "whether thresholds are chosen on dev",
        group="Selection on dev",
        negatable=True,
    )
    calibrate: bool = option(
        True,
        "whether scores are turned into probabilities, fitted on dev",
        group="Selection on dev",
        negatable=True,
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
