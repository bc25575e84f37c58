"""Training (section 4.4 and 5.1) with `transformers.Trainer`."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    EarlyStoppingCallback,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from pfn.configuration import PFNConfig
from pfn.encoder import find_encoder
from pfn.evaluation import THRESHOLD_GRID, evaluate, predict, tune_thresholds
from pfn.extractor import Extractor
from pfn.gold import GoldCells, GoldSentence, gold_cells, gold_sentence
from pfn.inputs import InputEncoder
from pfn.length_sampler import LengthSampler
from pfn.modeling import PFNModel
from pfn.readers import AnnotatedSentence
from pfn.training_options import ARCHITECTURE, TrainingOptions
from schemas.errors import ConfigurationError
from schemas.label_schema import LabelSchema


def derive_label_schema(
    sentences: Sequence[AnnotatedSentence], schema: LabelSchema | None = None
) -> LabelSchema:
    """The label schema of training data.

    Args:
        sentences: the training data.
        schema: what is known of the labels; must know each. Made from the data if None.

    Returns:
        The schema with the counts of argument types that the data shows.

    Raises:
        ConfigurationError: if the data has a label that the schema lacks, or none at all.
    """
    types = sorted({type_ for s in sentences for _, _, type_ in s.entities})
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for sentence in sentences:
        for subject, relation, object_ in sentence.triples:
            pair = (sentence.entities[subject][2], sentence.entities[object_][2])
            counts.setdefault(relation, Counter())[pair] += 1
    if not types or not counts:
        raise ConfigurationError("--train: no entity or no triple is annotated")
    known: dict[str, Any] = (
        schema.to_dict()
        if schema
        else {
            "entity_types": [{"name": name} for name in types],
            "relations": [{"name": name} for name in sorted(counts)],
        }
    )
    for kind, found in (("entity_types", types), ("relations", counts)):
        missing = sorted(set(found) - {label["name"] for label in known[kind]})
        if missing:
            raise ConfigurationError(f"--schema: {kind} lacks {missing[0]!r}, which the data has")
    for relation in known["relations"]:
        of_relation = counts.get(relation["name"], Counter())
        relation["arguments"] = [
            {"subject": subject, "object": object_, "count": count}
            for (subject, object_), count in sorted(
                of_relation.items(), key=lambda item: (-item[1], item[0])
            )
        ]
    return LabelSchema.from_dict(known)


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
        raise ConfigurationError(f"--encoder: {encoder} can't be loaded: {reason}") from error
    if not tokenizer.is_fast:
        raise ConfigurationError(f"--encoder: {encoder} has no fast tokenizer")
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
        raise ConfigurationError(f"--encoder: {encoder} lacks the weight {missing[0]}")
    return model, tokenizer


class PFNTrainer(Trainer):
    """Trains a PFN model; evaluates by strict F1 on gold sentences.

    Args:
        dev: gold sentences to select on.
        extractor: around the model that is trained.
        options: hyper-parameters.
        kwargs: of `Trainer`.
    """

    def __init__(
        self, dev: list[GoldSentence], extractor: Extractor, options: TrainingOptions, **kwargs
    ):
        super().__init__(**kwargs)
        self._dev = dev
        self._extractor = extractor
        self._lengths = [len(cells.window.pieces) for cells in kwargs["train_dataset"]]
        self._options = options

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with a rate for the encoder and one for the heads."""
        options = self._options
        groups: dict[tuple[bool, bool], list] = {}
        for name, parameter in self._extractor.model.named_parameters():
            key = (name.startswith("encoder."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": options.encoder_learning_rate
                    if in_encoder
                    else options.head_learning_rate,
                    "weight_decay": options.weight_decay if decays else 0.0,
                }
                for (in_encoder, decays), parameters in groups.items()
            ],
            # One pass over the weights in place of a dozen; on a CPU a tenth of the time.
            fused=True,
        )
        return self.optimizer

    def _get_train_sampler(self, train_dataset=None) -> LengthSampler:
        return LengthSampler(
            self.args.train_batch_size,
            self._lengths,
            self.args.seed + int(self.state.epoch or 0),
        )

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """Strict entity and triple F1 on dev, and their sum, by which models are selected."""
        self._extractor.model.eval()
        found = evaluate(self._extractor, self._dev)
        entity, triple = found["entity"]["f1"], found["triple"]["f1"]
        metrics = {
            "eval_entity_f1": round(entity, 4),
            "eval_triple_f1": round(triple, 4),
            "eval_score": entity + triple,
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def train(
    train_data: Sequence[AnnotatedSentence],
    dev_data: Sequence[AnnotatedSentence],
    encoder: str,
    output: Path,
    options: TrainingOptions,
    schema: LabelSchema | None = None,
    resume: bool = False,
) -> tuple[Extractor, dict[str, Any]]:
    """Trains a model and selects the best epoch on dev.

    Args:
        train_data: training sentences.
        dev_data: development sentences.
        encoder: a folder, an installed package or a name on the hub.
        output: folder of the training's checkpoints (`output/checkpoints`).
        options: hyper-parameters.
        schema: label schema; derived from the training data if None.
        resume: whether to go on from the last checkpoint there.

    Returns:
        The extractor of the best epoch, with thresholds, and what was measured on dev.

    Raises:
        ConfigurationError: if the data or the encoder is wrong.
    """
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    train_data = list(train_data)[: options.limit]
    schema = derive_label_schema(train_data, schema)
    dev = [gold_sentence(s) for s in dev_data]
    model, tokenizer = build_model(encoder, schema, options)
    extractor = Extractor(model, tokenizer)
    cells = training_cells([gold_sentence(s) for s in train_data], extractor.inputs)
    checkpoints = output / "checkpoints"
    trainer = PFNTrainer(
        dev=dev,
        extractor=extractor,
        options=options,
        model=model,
        args=TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            learning_rate=options.head_learning_rate,
            lr_scheduler_type=options.schedule,
            warmup_steps=options.warmup,
            max_grad_norm=options.clip,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="score",
            greater_is_better=True,
            logging_steps=50,
            seed=options.seed,
            remove_unused_columns=False,
            report_to=[],
            dataloader_pin_memory=torch.cuda.is_available(),
        ),
        train_dataset=cells,
        eval_dataset=cells[:1],
        data_collator=lambda batch: collate_gold(batch, extractor.inputs),
        callbacks=[EarlyStoppingCallback(options.patience)],
    )
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if last and not resume:
        raise ConfigurationError(f"--output: {output} holds a training; --resume goes on with it")
    trainer.train(resume_from_checkpoint=last if resume else None)
    model.eval()
    if options.tune_thresholds:
        floor = min(THRESHOLD_GRID)
        found = predict(extractor, dev, floor, floor)
        entity, relation = tune_thresholds(found, dev)
        model.config.entity_threshold, model.config.relation_threshold = entity, relation
    history = [entry for entry in trainer.state.log_history if "eval_score" in entry]
    return extractor, {"dev": evaluate(extractor, dev), "history": history}


def training_cells(gold: Sequence[GoldSentence], encoder: InputEncoder) -> list[GoldCells]:
    """Encodes gold sentences; sentences without a word are left out."""
    encoded = encoder.encode([g.text for g in gold])
    return [
        cells
        for sentence, windows in zip(gold, encoded, strict=True)
        for cells in gold_cells(sentence, windows, encoder)
    ]


def collate_gold(batch: Sequence[GoldCells], encoder: InputEncoder) -> dict[str, torch.Tensor]:
    """A batch with its gold cells, as `PFNModel.forward` takes it."""
    tensors = encoder.collate([cells.window for cells in batch])
    labels = {"entity_labels": "entities", "relation_labels": "relations"}
    if encoder.config.tail_table:
        labels["tail_labels"] = "tails"
    for name, of in labels.items():
        places = [(i, *place) for i, cells in enumerate(batch) for place in getattr(cells, of)]
        tensors[name] = torch.tensor(places, dtype=torch.long).reshape(-1, 4)
    return tensors


def save_checkpoint(
    extractor: Extractor, folder: Path, half_precision: bool = False, card: str | None = None
) -> None:
    """Writes a checkpoint folder: configuration, weights, tokenizer, model card.

    Args:
        extractor: the model and its tokenizer.
        folder: made if it is not there.
        half_precision: whether weights are stored as 16 bit floats.
        card: text of the model card, README.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = extractor.model
    dtype = torch.float16 if half_precision else torch.float32
    state = {name: w.detach().to(dtype).contiguous() for name, w in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    extractor.tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float16" if half_precision else "float32"
    # Where the encoder lay on this machine says nothing elsewhere.
    config["encoder"].pop("_name_or_path", None)
    (folder / "config.json").write_text(
        json.dumps(config, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
    # safetensors writes for the owner alone.
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
