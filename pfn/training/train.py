"""Training (section 4.4 and 5.1) with `transformers.Trainer`."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from pfn_kg.pfn.evaluation.bounded_decoding import bounded_floors
from pfn_kg.pfn.evaluation.documents import evaluate_reading, score_documents
from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.predictions import predict_reading
from pfn_kg.pfn.evaluation.scores import score
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.readers import Reading
from pfn_kg.pfn.training.choose_thresholds import choose_thresholds
from pfn_kg.pfn.training.derive_schema import derive_label_schema
from pfn_kg.pfn.training.distillation import taught_documents
from pfn_kg.pfn.training.gold_batches import collate_gold, training_cells
from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pfn.training.partial_annotation import by_annotation
from pfn_kg.pfn.training.starting_model import build_model, first_folder, start_model
from pfn_kg.pfn.training.trainer import PFNTrainer
from pfn_kg.pfn.training.weight_average import WeightAverage
from pfn_kg.pfn.training.windows import WindowDataset
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema


def train(
    train_data: Reading,
    dev_data: Reading,
    *,
    encoder: str,
    output: Path,
    options: TrainingOptions,
    schema: LabelSchema | None = None,
    resume: bool = False,
    start_from: str | None = None,
    unlabelled: Sequence[str] = (),
    teachers: Sequence[str] = (),
    language: str = "en",
    half_precision: bool = False,
) -> tuple[Extractor, dict[str, Any]]:
    """Trains a model and selects the best epoch on dev.

    Args:
        train_data: training sentences; with `window_tokens` of documents.
        dev_data: development sentences; likewise.
        encoder: a folder, an installed package or a name on the hub.
        output: folder of the training's checkpoints (`output/checkpoints`).
        options: hyper-parameters.
        schema: label schema; None takes the one of the model that training starts from, if it
            has all labels of the training data, or derives one from the data.
        resume: whether to go on from the last checkpoint there.
        start_from: a model whose weights are the first ones, in place of the encoder's, or
            several models (`pfn_kg.pfn.training.starting_model.start_model`).
        unlabelled: texts without annotation that the teachers label
            (`pfn_kg.pfn.training.distillation`).
        teachers: names or folders of models; needed where there are such texts.
        language: code of the language of these texts.
        half_precision: whether weights will be stored as 16 bit floats. The measurements on dev
            are then of the rounded weights.

    Returns:
        The extractor of the best epoch, with thresholds, and its measurements on dev.

    Raises:
        ConfigurationError: if the data or the encoder is wrong.
    """
    _seed(options)
    _check_windows(train_data, dev_data, options, start_from)
    # Documents that are annotated in part serve calibration; scores need whole ones.
    whole_dev = by_annotation(dev_data)[0] if dev_data.documents else dev_data
    train_data = train_data.first(options.limit)
    extractor = _starting_extractor(
        train_data, encoder, options=options, schema=schema, start_from=start_from
    )
    dataset = _dataset(
        train_data,
        extractor,
        options,
        unlabelled=unlabelled,
        teachers=teachers,
        language=language,
    )
    average = WeightAverage(extractor.model, options.ema_decay) if options.ema_decay else None
    checkpoints = output / "checkpoints"
    trainer = _trainer(
        extractor,
        options,
        checkpoints,
        dataset=dataset,
        average=average,
        evaluate_model=_dev_evaluation(
            extractor, whole_dev, average, with_relations=options.relation_weight > 0
        ),
    )
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if last and not resume:
        raise ConfigurationError(
            f"{output} holds a training; `resume` goes on with it", field="output"
        )
    if options.epochs:
        trainer.train(resume_from_checkpoint=last if resume else None)
        best = trainer.state.best_model_checkpoint
        if average and best:
            average.apply(Path(best))
    if half_precision:
        for weight in extractor.model.parameters():
            weight.data = weight.data.half().float()
    extractor.model.eval()
    choose_thresholds(extractor, dev_data, options)
    history = [entry for entry in trainer.state.log_history if "eval_score" in entry]
    return extractor, {"dev": evaluate_reading(extractor, whole_dev), "history": history}


def _seed(options: TrainingOptions) -> None:
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)


def _check_windows(
    train_data: Reading, dev_data: Reading, options: TrainingOptions, start_from: str | None
) -> None:
    """Refuses options of windows that the data does not allow."""
    for name, data in (("train", train_data), ("dev", dev_data)):
        if options.window_tokens and not data.documents:
            raise ConfigurationError(
                f"`{name}` has no facts of documents; the format docred has", field="window_tokens"
            )
    if options.mention_replacement and not options.window_tokens:
        raise ConfigurationError("needs `window_tokens`", field="mention_replacement")
    if options.unrelated_parts and not options.window_tokens:
        raise ConfigurationError("needs `window_tokens`", field="unrelated_parts")
    # A trained model that has it can go on without windows.
    if options.sentence_distance and not (options.window_tokens or start_from):
        raise ConfigurationError("needs `window_tokens`", field="sentence_distance")
    if train_data.is_partial and not options.window_tokens:
        raise ConfigurationError("documents annotated in part need `window_tokens`", field="train")
    if dev_data.documents and not by_annotation(dev_data)[0]:
        raise ConfigurationError("all documents are annotated in part", field="dev")


def _starting_extractor(
    train_data: Reading,
    encoder: str,
    *,
    options: TrainingOptions,
    schema: LabelSchema | None,
    start_from: str | None,
) -> Extractor:
    """An extractor around the model that training starts with."""
    documents = train_data.documents if options.window_tokens else ()
    if start_from and schema is None:
        known = PFNConfig.from_pretrained(first_folder(start_from)).label_schema
        of_data = derive_label_schema(train_data, None, documents)
        if known and _has_labels(LabelSchema.from_dict(known), of_data):
            schema = LabelSchema.from_dict(known)
    schema = derive_label_schema(train_data, schema, documents)
    model, tokenizer = (
        start_model(start_from, schema, options)
        if start_from
        else build_model(encoder, schema, options)
    )
    model.relation_weight = options.relation_weight
    if options.precision == "bf16":
        model.encoder_autocast = torch.bfloat16
    extractor = Extractor(model, tokenizer)
    extractor.window_tokens(None)  # refuses windows that the encoder can't read
    if options.word_dropout and tokenizer.mask_token_id is None:
        raise ConfigurationError(
            f"the tokenizer of {encoder} has no mask token", field="word_dropout"
        )
    return extractor


def _has_labels(schema: LabelSchema, other: LabelSchema) -> bool:
    """Whether a schema has all types and relations of another."""
    return {t.name for t in other.entity_types} <= {t.name for t in schema.entity_types} and {
        r.name for r in other.relations
    } <= {r.name for r in schema.relations}


def _dataset(
    train_data: Reading,
    extractor: Extractor,
    options: TrainingOptions,
    *,
    unlabelled: Sequence[str],
    teachers: Sequence[str],
    language: str,
) -> Any:
    """The training examples: windows of documents, or the cells of sentences."""
    taught = (
        taught_documents(
            unlabelled,
            teachers,
            encoder=extractor.inputs,
            language=language,
            precision=options.precision,
        )
        if unlabelled
        else []
    )
    if options.window_tokens:
        return WindowDataset(
            train_data,
            extractor.inputs,
            mention_replacement=options.mention_replacement,
            taught=taught,
            unrelated=options.unrelated_parts,
            partial=options.partial_share,
        )
    dataset = training_cells([gold_sentence(s) for s in train_data], extractor.inputs)
    dataset += [cells for d in taught for windows in d.sentences for cells in windows]
    return dataset


def _dev_evaluation(
    extractor: Extractor,
    dev_data: Reading,
    average: WeightAverage | None,
    *,
    with_relations: bool = True,
) -> Callable[[], tuple[float, float]]:
    """A function that measures entity F1, and that of triples or facts, on dev.

    Without relations, that of the others is about 0, and the best epoch is that of entities.

    It measures the averaged weights where there is an average, which are those that are kept.
    """
    gold = [gold_sentence(sentence) for sentence in dev_data]

    def evaluate() -> tuple[float, float]:
        entity, relation = extractor.thresholds(None, None)
        if not with_relations:
            relation = 1.0
        # The first epochs' models accept almost everything.
        floors = bounded_floors(extractor, dev_data, entity=entity, relation=relation)
        read = predict_reading(
            extractor, dev_data, entity_floor=floors.entity, relation_floor=floors.relation
        )
        if read.texts:
            scores = score_documents(
                read.documents, read.texts, entity_threshold=entity, relation_threshold=relation
            )
            return scores["entity"]["f1"], scores["fact"]["f1"]
        scores = score(read.sentences, gold, entity_threshold=entity, relation_threshold=relation)
        return scores["entity"]["f1"], scores["triple"]["f1"]

    def evaluate_kept() -> tuple[float, float]:
        with average.applied() if average else contextlib.nullcontext():
            return evaluate()

    return evaluate_kept


def _trainer(
    extractor: Extractor,
    options: TrainingOptions,
    checkpoints: Path,
    *,
    dataset: Any,
    average: WeightAverage | None,
    evaluate_model: Callable[[], tuple[float, float]],
) -> PFNTrainer:
    return PFNTrainer(
        evaluate_model=evaluate_model,
        extractor=extractor,
        options=options,
        model=extractor.model,
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
        train_dataset=dataset,
        # Evaluation is our own; the trainer requires a data set.
        eval_dataset=[None],
        data_collator=lambda batch: collate_gold(batch, extractor.inputs, options.word_dropout),
        callbacks=[EarlyStoppingCallback(options.patience), *([average] if average else [])],
    )
