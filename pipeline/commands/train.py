"""`pfn-kg train`: fits a model to annotated sentences."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pipeline.arguments import Call, ConfigOptions
from pfn_kg.schemas.choices import DataFormat
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.options import Options, option

if TYPE_CHECKING:
    from pfn_kg.pfn.readers import Reading

_DATA = "Data"
_MODEL = "Model and encoder"
_CARD = "Model card"

# Files; those of a relative path lie in --data-folder.
_FILES = ("train", "dev", "test", "data", "unlabelled")

# In YAML a number is a number.
_NumberOrFile = Annotated[
    str, BeforeValidator(lambda value: str(value) if type(value) is int else value)
]


class TrainOptions(Options):
    """What is trained on what, and what the model card says of it."""

    train: str | None = option(None, "training sentences", group=_DATA, metavar="FILE", common=True)
    dev: str | None = option(
        None, "sentences that choose the best epoch", group=_DATA, metavar="FILE", common=True
    )
    test: str | None = option(
        None, "sentences to score the result on", group=_DATA, metavar="FILE", common=True
    )
    format: DataFormat = option(..., "format of these files", group=_DATA, common=True)
    data: str | None = option(
        None, "all sentences, for cross-validation", group=_DATA, metavar="FILE"
    )
    folds: _NumberOrFile | None = option(
        None,
        "with `data`: so many folds by document, or a JSON file of them; 15 % of a fold's "
        "training sentences are its dev",
        group=_DATA,
        metavar="N_OR_FILE",
    )
    fold: _NumberOrFile | None = option(
        None, "with `folds`: the K-th alone, from 1", group=_DATA, metavar="K", default_text="all"
    )
    data_folder: str | None = option(
        None, "where these files lie if their path is relative", group=_DATA, metavar="DIR"
    )
    overlapping_entities: Literal["keep", "drop"] = option(
        "keep",
        "drop: leave out sentences with entities that overlap, as the paper does for ADE",
        group=_DATA,
    )
    unlabelled: str | None = option(
        None,
        "texts without annotation to learn from as well, labelled by `teacher`: Parquet with a "
        "column text",
        group=_DATA,
        metavar="FILE",
    )
    teacher: str | None = option(
        None,
        "with `unlabelled`: models that label these texts, by the mean of what they say",
        group=_DATA,
        metavar="MODEL[,MODEL]",
    )
    paper: str | None = option(
        None,
        "print the paper's Table 1 beside: nyt, webnlg, ade, ace05, ace04 or scierc",
        group=_DATA,
        metavar="DATA_SET",
    )
    encoder: str = option(
        ...,
        "folder, installed package or name on the hub",
        group=_MODEL,
        metavar="NAME_OR_DIR",
        common=True,
    )
    output: str = option(..., "DIR/model is the model", group=_MODEL, metavar="DIR", common=True)
    label_schema: str | None = option(
        None,
        "label schema (YAML)",
        name="schema",
        group=_MODEL,
        metavar="FILE",
        common=True,
        default_text="from the data",
    )
    start_from: str | None = option(
        None,
        "a model to go on from; `encoder` names its encoder, its weights are these; of several "
        "models the mean of their weights",
        group=_MODEL,
        metavar="MODEL[,MODEL]",
        common=True,
    )
    resume: bool = option(False, "go on with the training in `output`", group=_MODEL, common=True)
    half_precision: bool = option(
        False, "store weights as 16 bit floats", group=_MODEL, negatable=True
    )
    name: str | None = option(
        None, "of the model", group=_CARD, metavar="NAME", default_text="the name of `output`"
    )
    data_description: str | None = option(None, "what the data is", group=_CARD, metavar="TEXT")
    attribution: str | None = option(
        None, "what the licence of the data asks for", group=_CARD, metavar="TEXT"
    )
    licence: str | None = option(
        None, "of the model, such as cc-by-sa-4.0", group=_CARD, metavar="NAME"
    )
    limits: str | None = option(None, "what it is bad at, as Markdown", group=_CARD, metavar="TEXT")
    language: str = option("en", "of the texts", group=_CARD, metavar="CODE")

    def file(self, name: str) -> str | None:
        """The file of an option; a relative path lies in the data folder."""
        path: str | None = getattr(self, name)
        if path is None or self.data_folder is None or path.isdecimal():
            return path
        return str(Path(self.data_folder, path))


OPTIONS: tuple[type[Options], ...] = (TrainOptions, TrainingOptions, ConfigOptions)
USAGE = "--train FILE --dev FILE --format FORMAT --encoder NAME_OR_DIR --output DIR [options]"


def main(call: Call) -> int:
    """Runs the command."""
    given, options = read_options(call)
    if importlib.util.find_spec("accelerate") is None:
        raise ConfigurationError(how_to_install("accelerate", "train"))
    for name in (*_FILES, "label_schema"):
        path = getattr(given, name)
        if path and not Path(path).is_file():
            field = "schema" if name == "label_schema" else name
            raise ConfigurationError(f"there is no file {path}", field=field)
    if given.paper:
        from pfn_kg.pfn.evaluation.paper_results import find_data_set

        find_data_set(given.paper)
    if given.data:
        return _cross_validate(given, options)

    from pfn_kg.pfn.readers import read

    overlapping = given.overlapping_entities
    splits = {
        name: read(getattr(given, name), given.format, overlapping)
        for name in ("train", "dev", "test")
        if getattr(given, name)
    }
    for name, sentences in splits.items():
        if not sentences:
            raise ConfigurationError(f"{getattr(given, name)} has no sentence", field=name)
    output = Path(given.output)
    figures = _train(given, options, splits, output)
    for split, scores in figures.items():
        _print_scores(split, scores)
    _print_paper(given, figures[list(figures)[-1]])
    print(output / "model")
    return 0


def _cross_validate(given: TrainOptions, options: TrainingOptions) -> int:
    """Trains and tests each fold, and writes what comes out of them all."""
    from pfn_kg.pfn.readers import read
    from pfn_kg.pfn.readers.records import without_overlaps
    from pfn_kg.pfn.training.cross_validation import read_folds, split_fold, summarise

    overlapping = given.overlapping_entities
    # Folds number the sentences of the whole file, those with overlaps too.
    assert given.data is not None  # or it is no cross-validation
    assert given.folds is not None
    sentences = read(given.data, given.format)
    if sentences.is_partial:
        raise ConfigurationError("folds can't have documents annotated in part", field="data")
    folds = read_folds(given.folds, sentences, options.seed)
    tested = Counter(index for fold in folds for index in fold)
    several, never = sum(n > 1 for n in tested.values()), len(sentences) - len(tested)
    if several or never:
        print(
            f"pfn-kg: --folds: of {len(sentences)} sentences {several} are tested more than once "
            f"and {never} never",
            file=sys.stderr,
        )
    chosen = range(1, len(folds) + 1)
    if given.fold:
        if not given.fold.isdecimal() or int(given.fold) not in chosen:
            raise ConfigurationError(
                f"{given.fold!r} is not one of 1 to {len(folds)}", field="fold"
            )
        chosen = range(int(given.fold), int(given.fold) + 1)
    output = Path(given.output)
    results: dict[str, Any] = {}
    for number in range(1, len(folds) + 1):
        folder = output / f"fold-{number:02}"
        # Folds may be trained one call at a time: those that are finished count too.
        finished = (folder / "metrics.json").is_file()
        if finished and (given.resume or number not in chosen):
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            figures = {"test": metrics["test"]}
        elif number not in chosen:
            continue
        else:
            splits = split_fold(sentences, folds[number - 1], options.seed)
            if overlapping == "drop":
                splits = {name: without_overlaps(of) for name, of in splits.items()}
            for name, of_split in splits.items():
                if not of_split:
                    raise ConfigurationError(f"fold {number} has no {name} sentence", field="folds")
            figures = _train(given, options, splits, folder)
        results[str(number)] = figures["test"]
        _print_scores(f"fold {number}", figures["test"])
    summary = summarise(list(results.values()))
    (output / "results.json").write_text(
        json.dumps({"folds": results} | summary, indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    if len(results) < len(folds):
        print(f"{len(results)} of {len(folds)} folds")
    _print_scores("mean", summary["mean"])
    _print_scores("macro mean", summary["mean"]["macro"])
    _print_paper(given, summary["mean"])
    print(output / "results.json")
    return 0


def _print_scores(name: str, scores: Mapping[str, Any]) -> None:
    print(
        f"{name}: "
        + ", ".join(
            f"{kind} F1 {100 * scores[kind]['f1']:.2f}"
            # Of documents that are annotated in part there are scores of facts alone.
            for kind in ("entity", "triple" if "triple" in scores else "fact")
        )
    )


def _print_paper(given: TrainOptions, figures: Mapping[str, Any]) -> None:
    if given.paper:
        from pfn_kg.pfn.evaluation.paper_results import beside_paper

        print(
            beside_paper(given.paper, figures, method="this training", encoder=_encoder_name(given))
        )


def _encoder_name(given: TrainOptions) -> str:
    encoder = Path(given.encoder)
    return encoder.name if encoder.is_dir() else given.encoder


def _train(
    given: TrainOptions,
    options: TrainingOptions,
    splits: Mapping[str, Reading],
    output: Path,
) -> dict[str, Any]:
    """Trains on `train`, selects on `dev`, scores on `test`; writes model and figures."""
    from pfn_kg.pfn.evaluation.documents import evaluate_reading
    from pfn_kg.pfn.readers.unlabelled import read_texts
    from pfn_kg.pfn.training.model_card import model_card
    from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
    from pfn_kg.pfn.training.train import train

    schema = None
    if given.label_schema:
        text = Path(given.label_schema).read_text(encoding="utf-8")
        schema = LabelSchema.from_yaml(text, given.label_schema)
    unlabelled = read_texts(given.unlabelled) if given.unlabelled else []
    teachers = given.teacher.split(",") if unlabelled and given.teacher else []
    if unlabelled:
        # That takes minutes, and the trainer's bar comes after.
        print(f"{', '.join(teachers)} read {len(unlabelled)} texts to label them", file=sys.stderr)
    start = time.monotonic()
    # The trainer talks to standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        extractor, measured = train(
            splits["train"],
            splits["dev"],
            encoder=given.encoder,
            output=output,
            options=options,
            schema=schema,
            resume=given.resume,
            start_from=given.start_from,
            unlabelled=unlabelled,
            teachers=teachers,
            language=given.language,
            half_precision=given.half_precision,
        )
        figures = {"dev": measured["dev"]}
        if "test" in splits:
            figures["test"] = evaluate_reading(extractor, splits["test"])
    config = extractor.config
    name = given.name or output.resolve().name
    last = list(figures)[-1]
    tested: str | None = getattr(given, last)
    source = Path(given.train or given.data or "").name
    card = model_card(
        name,
        figures,
        encoder=_encoder_name(given),
        entity_types=config.entity_types,
        relation_types=config.relation_types,
        data=given.data_description or f"{len(splits['train'])} sentences of {source}.",
        attribution=given.attribution,
        licence=given.licence,
        language=given.language,
        hyper_parameters=options.model_dump(),
        limits=given.limits,
        window_tokens=config.window_tokens,
        calibrated=config.calibration is not None,
        # A fold's test sentences are no file of their own.
        command=f"pfn-kg evaluate --model {name} --data {Path(tested).name} --format {given.format}"
        if tested
        else None,
    )
    save_checkpoint(extractor, output / "model", half_precision=given.half_precision, card=card)
    metrics = {
        **figures,
        "history": measured["history"],
        "options": options.model_dump(),
        "thresholds": {
            "entity": config.entity_threshold,
            "relation": config.relation_threshold,
        },
        "sentences": {name: len(sentences) for name, sentences in splits.items()},
        "unlabelled": len(unlabelled),
        "skipped": {name: dict(sentences.skipped) for name, sentences in splits.items()},
        "seconds": round(time.monotonic() - start, 1),
    }
    (output / "metrics.json").write_text(
        json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return figures


def read_options(call: Call) -> tuple[TrainOptions, TrainingOptions]:
    """What is trained on what, and the hyper-parameters.

    Raises:
        ConfigurationError: if an option is missing, unknown or wrong.
    """
    given = call.given
    crossed = given.get("data") or given.get("folds")
    needed = ("format", "encoder", "output", *(("data", "folds") if crossed else ("train", "dev")))
    for name in needed:
        if not given.get(name):
            raise ConfigurationError("is missing", field=name)
    for name in ("train", "dev", "test") if crossed else ("fold",):
        if given.get(name):
            with_ = "`data` and `folds` are" if crossed else "`folds` is not"
            raise ConfigurationError(f"has no use where {with_} given", field=name)
    for name, other in (("unlabelled", "teacher"), ("teacher", "unlabelled")):
        if given.get(name) and not given.get(other):
            raise ConfigurationError(f"is missing; `{name}` needs it", field=other)
    options = call.of(TrainOptions)
    files = {name: options.file(name) for name in (*_FILES, "folds")}
    return options.changed(**files), call.of(TrainingOptions)
