"""The configuration of a PFN model: architecture, labels, segmentation, thresholds."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec


@strict
class PFNConfig(PreTrainedConfig):
    """Configuration of `pfn_kg.pfn.model.modeling.PFNModel`.

    Attributes:
        encoder: configuration of the text encoder; any that `AutoModel` builds.
        entity_types: names of the entity types, the set E of section 4.3, in the order of
            the NER table's planes.
        relation_types: names of the relations, the set R, in the order of the RE planes.
        label_schema: the label schema (`pfn_kg.schemas.label_schema.LabelSchema`) as a mapping;
            it says what the labels mean and travels with the model.
        hidden_size: width of the partition filter encoder and of the task units.
        positions: what the tables' rows and columns are: `words` (the encoder's output at
            each word's first piece) or `pieces` (all word pieces with the special tokens,
            as in the official code).
        entity_gate: `cummax` as in eq. 2 (the relation gate is its mirror image), or
            `mirrored` as in the official code (the relation gate is cummax).
        encoding: the encoding scheme of Table 2: `joint` (the partition filter), or LSTMs in
            its place, `sequential` (relation features from entity features) or `parallel`
            (both from the same input).
        layers: encoders on top of each other; a layer reads the hidden states h_t (eq. 7) of
            the one below, and the features (eq. 6) are those of the last.
        bidirectional: whether a second encoder reads from right to left; the features of
            both are concatenated.
        global_representation: whether the tables read the sentence as a whole (eq. 8).
        chunk_size: width of the gates; neurons are cut into chunks of so many, which share
            them (section 5.3). Of 300 neurons, 30 are the paper's 10 chunks, and 10 are
            chunks of 10; None is fine-grained: one chunk, a gate's value for each neuron.
        decoding: `universal` (the relation loss is over all word pairs) or `selective` (over
            pairs of heads that the NER unit accepts). In training; eq. 13 stays as it is.
        tail_table: whether a third table marks the last words of subject and object; a
            triple then keeps only pairs of entities whose tails fire, so that it can tell
            entities with one head apart.
        tail_features: the features of the tail table's pairs: `shared`, with relation features in
            the global representation, as in PFN-nested; or `relation`, as in the RE unit, of which
            there are checkpoints. Encodings without a shared partition have relation features
            alone.
        layer_norm: whether the task units normalise before ELU, as the official code does.
        dropout: rate on the encoder's output and inside the task units.
        dropconnect: rate of the weights dropped from hidden state to gates.
        word_shapes: whether the shape of each word (`pfn_kg.pfn.model.word_shape`) is added to the
            encoder's input as a learnt embedding.
        sentence_distance: whether the relation unit sees how many sentences are between subject
            and object, in windows of several sentences, as a learnt vector.
        reflexive: whether both heads of a triple may be the same position, as in the paper;
            a model that hardly saw such triples says nonsense there, on one-word sentences
            above all.
        max_span: most positions of an entity, where there is a bound. The paper has none; a model
            that hardly saw longer ones says nonsense there, above all where what is read as a
            sentence is several.
        flat_entities: whether of entities that overlap only that with the best score is found. In
            the paper's tables any may overlap; what was annotated without such entities asks for
            none.
        segmentation: name of the word segmentation (`pfn_kg.pfn.inference.segmentation`).
        window_pieces: longest run of word pieces read at once; longer sentences are read
            in overlapping windows.
        window_overlap: word pieces that neighbouring windows share.
        window_tokens: word pieces of a window of consecutive sentences, which are read together,
            so that a relation may hold between entities of two sentences; entities stay inside
            one sentence. 0: one sentence at a time, as in the paper.
        shared_sentences: sentences that neighbouring windows of sentences share at most.
        entity_threshold: lambda_e of eq. 13.
        relation_threshold: lambda_r of eq. 13.
        calibration: of `entity` and `relation` the parameters that turn logits into
            probabilities (`pfn_kg.pfn.calibration.Calibration`), and of `fact` those that do so
            with the logit of a fact's best triple; None is the plain sigmoid.
    """

    model_type = "pfn"
    sub_configs_defaults: ClassVar = {
        "encoder": SubConfigSpec(config_class=AutoConfig, model_type="bert"),
    }

    encoder: PreTrainedConfig | dict | None = None
    entity_types: list[str] | tuple[str, ...] = ()
    relation_types: list[str] | tuple[str, ...] = ()
    label_schema: dict[str, Any] | None = None
    hidden_size: int = 300
    positions: Literal["words", "pieces"] = "words"
    entity_gate: Literal["cummax", "mirrored"] = "cummax"
    encoding: Literal["joint", "sequential", "parallel"] = "joint"
    layers: int = 1
    bidirectional: bool = False
    global_representation: bool = True
    chunk_size: int | None = None
    decoding: Literal["universal", "selective"] = "universal"
    tail_table: bool = False
    tail_features: Literal["relation", "shared"] = "relation"
    layer_norm: bool = True
    dropout: float = 0.1
    dropconnect: float = 0.1
    word_shapes: bool = False
    sentence_distance: bool = False
    reflexive: bool = True
    max_span: int | None = None
    flat_entities: bool = False
    segmentation: str = "bert-isolated"
    window_pieces: int = 192
    window_overlap: int = 48
    window_tokens: int = 0
    shared_sentences: int = 1
    entity_threshold: float = 0.5
    relation_threshold: float = 0.5
    calibration: dict[str, Any] | None = None
