"""Training (section 4.4 and 5.1) with `transformers.Trainer`."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
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

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pfn.checkpoint import find_model
from pfn_kg.pfn.evaluation.documents import (
    evaluate_reading,
    judge_documents,
    judge_facts,
    predict_reading,
    score_documents,
    tune_document_thresholds,
)
from pfn_kg.pfn.evaluation.gold_spans import GoldSentence, gold_sentence
from pfn_kg.pfn.evaluation.scores import THRESHOLD_GRID, judge, score, tune_thresholds
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.encoder import find_encoder
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.readers import AnnotatedSentence, Reading
from pfn_kg.pfn.readers.records import AnnotatedDocument
from pfn_kg.pfn.training.calibration_fit import fit_calibration
from pfn_kg.pfn.training.distillation import taught_documents
from pfn_kg.pfn.training.gold_cells import GoldCells, gold_cells
from pfn_kg.pfn.training.length_sampler import LengthSampler
from pfn_kg.pfn.training.options import ARCHITECTURE, FREE, TrainingOptions
from pfn_kg.pfn.training.weight_average import WeightAverage
from pfn_kg.pfn.training.windows import WindowBatches, WindowDataset
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import DEFAULT_FLOOR
from pfn_kg.schemas.label_schema import LabelSchema

# Calibration looks at what scores at least this; below it nearly all is wrong.
_CALIBRATION_FLOOR = 0.02


def derive_label_schema(
    sentences: Sequence[AnnotatedSentence],
    schema: LabelSchema | None = None,
    documents: Sequence[AnnotatedDocument] = (),
) -> LabelSchema:
    """The label schema of training data.

    Args:
        sentences: the training data.
        documents: whose facts across sentences count too.
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
    for document in documents:
        mentions = [
            [(place, sentences[document.begin + place].entities[i][2]) for place, i in cluster]
            for cluster in document.clusters
        ]
        for subject, relation, object_ in document.facts:
            subjects, objects = mentions[subject], mentions[object_]
            if subjects and objects and not {s for s, _ in subjects} & {s for s, _ in objects}:
                pair = (subjects[0][1], objects[0][1])
                counts.setdefault(relation, Counter())[pair] += 1
    if not types or not counts:
        raise ConfigurationError("no entity or no triple is annotated", field="train")
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
            raise ConfigurationError(
                f"{kind} lacks {missing[0]!r}, which the data has", field="schema"
            )
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
    return model, AutoTokenizer.from_pretrained(_first_folder(names))


def _first_folder(names: str) -> Path:
    return find_model(names.partition(",")[0], field="start_from")


def _start_model(name: str, schema: LabelSchema, options: TrainingOptions) -> PFNModel:
    folder = find_model(name, field="start_from")
    config = PFNConfig.from_pretrained(folder)
    labels = [t.name for t in schema.entity_types], [r.name for r in schema.relations]
    if labels != (list(config.entity_types), list(config.relation_types)):
        raise ConfigurationError(
            f"{name} has other types or relations than `train`", field="start_from"
        )
    for option in ARCHITECTURE:
        if option not in FREE and getattr(config, option) != getattr(options, option):
            raise ConfigurationError(
                f"{name} has {option} {getattr(config, option)}, not {getattr(options, option)}",
                field="start_from",
            )
        setattr(config, option, getattr(options, option))
    config.label_schema = schema.to_dict()
    config.calibration = None
    return PFNModel.from_pretrained(folder, config=config, dtype=torch.float32)


class PFNTrainer(Trainer):
    """Trains a PFN model; evaluates by `evaluate_model` after each epoch.

    Args:
        evaluate_model: gives entity F1, and that of triples or facts.
        extractor: around the model that is trained.
        options: hyper-parameters.
        kwargs: of `Trainer`.
    """

    def __init__(
        self,
        evaluate_model: Callable[[], tuple[float, float]],
        extractor: Extractor,
        options: TrainingOptions,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._evaluate_model = evaluate_model
        self._extractor = extractor
        self._options = options
        self._data: Any = kwargs["train_dataset"]

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

    def get_train_dataloader(self) -> DataLoader:
        """Windows come in batches of about one size, sentences in batches of one number."""
        if not isinstance(self._data, WindowDataset):
            return super().get_train_dataloader()
        batches = WindowBatches(
            self._data,
            self._options.window_tokens,
            self._options.batch_size,
            self._options.seed,
            lambda: round(self.state.epoch or 0),
            self._options.window_pieces,
            # Only there is a row of the tables a word.
            fragments=self._options.positions == "words",
        )
        return DataLoader(self._data, batch_sampler=batches, collate_fn=self.data_collator)

    def _get_train_sampler(self, train_dataset=None) -> LengthSampler:
        return LengthSampler(
            self.args.train_batch_size,
            [len(cells.window.pieces) for cells in self._data],
            self.args.seed + int(self.state.epoch or 0),
        )

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """Entity F1 and triple or fact F1 on dev, and their sum, by which models are selected."""
        self._extractor.model.eval()
        entity, other = self._evaluate_model()
        name = "fact" if isinstance(self._data, WindowDataset) else "triple"
        metrics = {
            "eval_entity_f1": round(entity, 4),
            f"eval_{name}_f1": round(other, 4),
            "eval_score": entity + other,
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def train(
    train_data: Reading,
    dev_data: Reading,
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
        schema: label schema; if None that of the model to start from, or else derived from the
            training data.
        resume: whether to go on from the last checkpoint there.
        start_from: a model whose weights are the first ones, in the place of the encoder's, or
            several (`start_model`).
        unlabelled: texts without annotation that the teachers label
            (`pfn_kg.pfn.training.distillation`).
        teachers: names or folders of models; needed where there are such texts.
        language: code of the language of these texts.
        half_precision: whether weights will be stored as 16 bit floats; what is measured on dev
            are those.

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
    for name, data in (("train", train_data), ("dev", dev_data)):
        if options.window_tokens and not data.documents:
            raise ConfigurationError(
                f"{name} has no facts of documents; the format docred has", field="window_tokens"
            )
    if options.mention_replacement and not options.window_tokens:
        raise ConfigurationError("needs `window_tokens`", field="mention_replacement")
    if start_from and schema is None:
        known = PFNConfig.from_pretrained(_first_folder(start_from)).label_schema
        schema = LabelSchema.from_dict(known) if known else None
    train_data = train_data.first(options.limit)
    schema = derive_label_schema(
        train_data, schema, train_data.documents if options.window_tokens else ()
    )
    dev = [gold_sentence(s) for s in dev_data]
    model, tokenizer = (
        start_model(start_from, schema, options)
        if start_from
        else build_model(encoder, schema, options)
    )
    if options.precision == "bf16":
        model.encoder_autocast = torch.bfloat16
    extractor = Extractor(model, tokenizer)
    extractor.window_tokens(None)  # refuses what the encoder can't read
    if options.word_dropout and tokenizer.mask_token_id is None:
        raise ConfigurationError(
            f"the tokenizer of {encoder} has no mask token", field="word_dropout"
        )
    taught = (
        taught_documents(unlabelled, teachers, extractor.inputs, language, options.precision)
        if unlabelled
        else []
    )
    dataset: Any
    if options.window_tokens:
        dataset = WindowDataset(train_data, extractor.inputs, options.mention_replacement, taught)
    else:
        gold = [gold_sentence(s) for s in train_data]
        dataset = training_cells(gold, extractor.inputs)
        dataset += [cells for d in taught for windows in d.sentences for cells in windows]

    def evaluate_model() -> tuple[float, float]:
        entity, relation = extractor.thresholds(None, None)
        read = predict_reading(extractor, dev_data, entity_floor=entity, relation_floor=relation)
        if read.texts:
            scores = score_documents(read.documents, read.texts, entity, relation)
            return scores["entity"]["f1"], scores["fact"]["f1"]
        scores = score(read.sentences, dev, entity_threshold=entity, relation_threshold=relation)
        return scores["entity"]["f1"], scores["triple"]["f1"]

    average = WeightAverage(model, options.ema_decay) if options.ema_decay else None

    def evaluate_kept() -> tuple[float, float]:
        with average.applied() if average else contextlib.nullcontext():
            return evaluate_model()

    checkpoints = output / "checkpoints"
    trainer = PFNTrainer(
        evaluate_model=evaluate_kept,
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
        train_dataset=dataset,
        # Evaluation is our own; the trainer wants to see something.
        eval_dataset=[None],
        data_collator=lambda batch: collate_gold(batch, extractor.inputs, options.word_dropout),
        callbacks=[EarlyStoppingCallback(options.patience), *([average] if average else [])],
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
        for weight in model.parameters():
            weight.data = weight.data.half().float()
    model.eval()
    choose_thresholds(extractor, dev_data, options)
    history = [entry for entry in trainer.state.log_history if "eval_score" in entry]
    return extractor, {"dev": evaluate_reading(extractor, dev_data), "history": history}


def choose_thresholds(extractor: Extractor, dev: Reading, options: TrainingOptions) -> None:
    """Chooses thresholds and calibration on development data, as the options say.

    Args:
        extractor: whose configuration is changed.
        dev: the development data.
        options: of the training.
    """
    config = extractor.config
    config.calibration = None
    if not options.tune_thresholds and not options.calibrate:
        return
    floor = _CALIBRATION_FLOOR if options.calibrate else min(THRESHOLD_GRID)
    read = predict_reading(extractor, dev, entity_floor=floor, relation_floor=floor)
    gold = [gold_sentence(sentence) for sentence in dev]
    if options.tune_thresholds:
        config.entity_threshold, config.relation_threshold = (
            tune_document_thresholds(read.documents, read.texts)
            if read.texts
            else tune_thresholds(read.sentences, gold)
        )
    if not options.calibrate:
        return
    chosen = config.entity_threshold, config.relation_threshold
    judged = (
        judge_documents(read.documents, read.texts, config.entity_threshold)
        if read.texts
        else judge(read.sentences, gold, config.entity_threshold)
    )
    calibration = {}
    for table, (scores, right) in (("entity", judged.mentions), ("relation", judged.triples)):
        if 0 < sum(right) < len(right):
            fitted = fit_calibration(scores, right)
            calibration[table] = fitted._asdict()
            # What is accepted stays the same.
            threshold = fitted.of_score(getattr(config, f"{table}_threshold"))
            setattr(config, f"{table}_threshold", round(threshold, 4))
    if read.texts and "relation" in calibration:
        # Those that extraction files keep, so that a lower threshold has its facts calibrated too.
        floors = chosen[0], min(chosen[1], DEFAULT_FLOOR)
        of_facts, right = judge_facts(
            read.documents, read.texts, floors, calibration_of(calibration, "relation")
        )
        if 0 < sum(right) < len(right):
            calibration["fact"] = fit_calibration(of_facts, right)._asdict()
    config.calibration = calibration or None


def training_cells(gold: Sequence[GoldSentence], encoder: InputEncoder) -> list[GoldCells]:
    """Encodes gold sentences; sentences without a word are left out."""
    encoded = encoder.encode([g.text for g in gold])
    return [
        cells
        for sentence, windows in zip(gold, encoded, strict=True)
        for cells in gold_cells(sentence, windows, encoder)
    ]


def collate_gold(
    batch: Sequence[GoldCells], encoder: InputEncoder, word_dropout: float = 0.0
) -> dict[str, torch.Tensor]:
    """A batch with its gold cells, as `PFNModel.forward` takes it.

    Args:
        batch: at least one window.
        encoder: of the model.
        word_dropout: rate of the words that are hidden.
    """
    windows = [cells.window for cells in batch]
    if word_dropout:
        windows = [encoder.hide_words(window, word_dropout) for window in windows]
    tensors = encoder.collate(windows)
    tables = {"entity": "entities", "relation": "relations"}
    if encoder.config.tail_table:
        tables["tail"] = "tails"
    for name, of in tables.items():
        targets = {
            (place, *cell): target
            for place, cells in enumerate(batch)
            for cell, target in getattr(cells, of).items()
        }
        tensors[f"{name}_labels"] = torch.tensor(list(targets), dtype=torch.long).reshape(-1, 4)
        tensors[f"{name}_targets"] = torch.tensor(list(targets.values()), dtype=torch.float)
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
