"""`pfn-kg train`: fits a model to annotated sentences."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema, first_reason

if TYPE_CHECKING:
    from pfn_kg.pfn.readers import Reading

_REQUIRED = ("format", "encoder", "output")
# Files; those of a relative path lie in --data-folder.
_FILES = ("train", "dev", "test", "data", "unlabelled")
_OPTIONAL = (
    *_FILES,
    "data_folder",
    "folds",
    "fold",
    "overlapping_entities",
    "paper",
    "schema",
    "start_from",
    "teacher",
    "name",
    "data_description",
    "attribution",
    "licence",
    "language",
    "limits",
)
_SWITCHES = ("half_precision",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `train`."""
    parser.add_argument("--config", metavar="FILE.yaml", help="all of these options; flags win")
    parser.add_argument("--train", metavar="FILE", help="training sentences")
    parser.add_argument("--dev", metavar="FILE", help="sentences that choose the best epoch")
    parser.add_argument("--test", metavar="FILE", help="sentences to score the result on")
    parser.add_argument("--data", metavar="FILE", help="for cross-validation: all sentences")
    parser.add_argument(
        "--folds",
        metavar="N_OR_FILE",
        help="with --data: so many folds by document, or a JSON file of them; 15 %% of a fold's "
        "training sentences are its dev",
    )
    parser.add_argument("--fold", metavar="K", help="with --folds: the K-th alone, from 1")
    parser.add_argument(
        "--data-folder", metavar="DIR", help="where these files lie if their path is relative"
    )
    parser.add_argument(
        "--overlapping-entities",
        metavar="keep|drop",
        help="drop: leave out sentences with entities that overlap, as the paper does for ADE",
    )
    parser.add_argument(
        "--paper",
        metavar="DATA_SET",
        help="print the paper's Table 1 beside: nyt, webnlg, ade, ace05, ace04 or scierc",
    )
    parser.add_argument("--format", help="docred, spert, dygie or triple-list")
    parser.add_argument(
        "--encoder", metavar="NAME_OR_DIR", help="folder, installed package or name on the hub"
    )
    parser.add_argument(
        "--start-from",
        metavar="MODEL[,MODEL]",
        help="a model to go on from; its encoder is named by --encoder, its weights are these; "
        "of several the mean of their weights",
    )
    parser.add_argument(
        "--unlabelled",
        metavar="FILE",
        help="texts without annotation to learn from as well, labelled by --teacher: Parquet "
        "with a column `text`",
    )
    parser.add_argument(
        "--teacher",
        metavar="MODEL[,MODEL]",
        help="with --unlabelled: models that label these texts, by the mean of what they say",
    )
    parser.add_argument("--output", metavar="DIR", help="DIR/model is the model")
    parser.add_argument("--schema", metavar="FILE", help="label schema; default: from the data")
    parser.add_argument("--resume", action="store_true", help="go on with the training in --output")
    parser.add_argument(
        "--half-precision",
        action=argparse.BooleanOptionalAction,
        help="store weights as 16 bit floats",
    )
    card = parser.add_argument_group("model card")
    card.add_argument("--name", help="of the model; default: the name of --output")
    card.add_argument("--data-description", metavar="TEXT", help="what the data is")
    card.add_argument("--attribution", metavar="TEXT", help="what the data's licence asks for")
    card.add_argument("--licence", metavar="NAME", help="of the model, such as cc-by-sa-4.0")
    card.add_argument("--limits", metavar="TEXT", help="what it is bad at, as Markdown")
    card.add_argument("--language", metavar="CODE", help="of the texts; default: en")
    group = parser.add_argument_group("hyper-parameters")
    for name, field in TrainingOptions.model_fields.items():
        flag, help_ = f"--{name.replace('_', '-')}", field.description or ""
        if field.default not in (None, PydanticUndefined):
            help_ += f"; default: {field.default}"
        if field.annotation is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=help_)
        else:
            group.add_argument(flag, metavar="VALUE", help=help_)


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    given, options = read_options(args)
    if importlib.util.find_spec("accelerate") is None:
        raise ConfigurationError('train: accelerate is not installed: pip install "pfn-kg[train]"')
    for name in (*_FILES, "schema"):
        if given.get(name) and not Path(given[name]).is_file():
            raise ConfigurationError(f"--{name}: there is no file {given[name]}")
    if given.get("paper"):
        from pfn_kg.pfn.evaluation.paper_results import find_data_set

        find_data_set(given["paper"])
    if given.get("data"):
        return _cross_validate(given, options, args.resume)

    from pfn_kg.pfn.readers import read

    overlapping = given.get("overlapping_entities") or "keep"
    splits = {
        name: read(given[name], given["format"], overlapping)
        for name in ("train", "dev", "test")
        if given.get(name)
    }
    for name, sentences in splits.items():
        if not sentences:
            raise ConfigurationError(f"--{name}: {given[name]} has no sentence")
    output = Path(given["output"])
    figures = _train(given, options, splits, output, args.resume)
    for split, found in figures.items():
        _print_scores(split, found)
    _print_paper(given, figures[list(figures)[-1]])
    print(output / "model")
    return 0


def _cross_validate(given: dict[str, Any], options: TrainingOptions, resume: bool) -> int:
    """Trains and tests each fold, and writes what comes out of them all."""
    from pfn_kg.pfn.readers import read
    from pfn_kg.pfn.readers.records import without_overlaps
    from pfn_kg.pfn.training.cross_validation import read_folds, split_fold, summarise

    overlapping = given.get("overlapping_entities") or "keep"
    # Folds number the sentences of the whole file, those with overlaps too.
    sentences = read(given["data"], given["format"])
    folds = read_folds(given["folds"], sentences, options.seed)
    tested = Counter(index for fold in folds for index in fold)
    several, never = sum(n > 1 for n in tested.values()), len(sentences) - len(tested)
    if several or never:
        print(
            f"pfn-kg: --folds: of {len(sentences)} sentences {several} are tested more than once "
            f"and {never} never",
            file=sys.stderr,
        )
    chosen = range(1, len(folds) + 1)
    if given.get("fold"):
        if not given["fold"].isdecimal() or int(given["fold"]) not in chosen:
            raise ConfigurationError(f"--fold: {given['fold']!r} is not one of 1 to {len(folds)}")
        chosen = range(int(given["fold"]), int(given["fold"]) + 1)
    output = Path(given["output"])
    results: dict[str, Any] = {}
    for number in range(1, len(folds) + 1):
        folder = output / f"fold-{number:02}"
        # Folds may be trained one call at a time: those that are finished count too.
        finished = (folder / "metrics.json").is_file()
        if finished and (resume or number not in chosen):
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
                    raise ConfigurationError(f"--folds: fold {number} has no {name} sentence")
            figures = _train(given, options, splits, folder, resume)
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


def _print_scores(name: str, found: Mapping[str, Any]) -> None:
    print(
        f"{name}: entity F1 {100 * found['entity']['f1']:.2f}, "
        f"triple F1 {100 * found['triple']['f1']:.2f}"
    )


def _print_paper(given: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    if given.get("paper"):
        from pfn_kg.pfn.evaluation.paper_results import beside_paper

        print(
            beside_paper(
                given["paper"], figures, method="this training", encoder=_encoder_name(given)
            )
        )


def _encoder_name(given: Mapping[str, Any]) -> str:
    encoder = Path(given["encoder"])
    return encoder.name if encoder.is_dir() else given["encoder"]


def _train(
    given: Mapping[str, Any],
    options: TrainingOptions,
    splits: Mapping[str, Reading],
    output: Path,
    resume: bool,
) -> dict[str, Any]:
    """Trains on `train`, selects on `dev`, scores on `test`; writes model and figures."""
    from pfn_kg.pfn.evaluation.documents import evaluate_reading
    from pfn_kg.pfn.readers.unlabelled import read_texts
    from pfn_kg.pfn.training.model_card import model_card
    from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
    from pfn_kg.pfn.training.train import train

    schema = None
    if given.get("schema"):
        text = Path(given["schema"]).read_text(encoding="utf-8")
        schema = LabelSchema.from_yaml(text, given["schema"])
    unlabelled = read_texts(given["unlabelled"]) if given.get("unlabelled") else []
    teachers = given["teacher"].split(",") if unlabelled else []
    if unlabelled:
        # That takes minutes, and the trainer's bar comes after.
        print(f"{', '.join(teachers)} read {len(unlabelled)} texts to label them", file=sys.stderr)
    start = time.monotonic()
    # The trainer talks to standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        extractor, measured = train(
            splits["train"],
            splits["dev"],
            encoder=given["encoder"],
            output=output,
            options=options,
            schema=schema,
            resume=resume,
            start_from=given.get("start_from"),
            unlabelled=unlabelled,
            teachers=teachers,
            language=given.get("language") or "en",
            half_precision=bool(given.get("half_precision")),
        )
        figures = {"dev": measured["dev"]}
        if "test" in splits:
            figures["test"] = evaluate_reading(extractor, splits["test"])
    config = extractor.config
    name = given.get("name") or output.resolve().name
    last = list(figures)[-1]
    source = Path(given.get("train") or given["data"]).name
    card = model_card(
        name,
        figures,
        encoder=_encoder_name(given),
        entity_types=config.entity_types,
        relation_types=config.relation_types,
        data=given.get("data_description") or f"{len(splits['train'])} sentences of {source}.",
        attribution=given.get("attribution"),
        licence=given.get("licence"),
        language=given.get("language") or "en",
        hyper_parameters=options.model_dump(),
        limits=given.get("limits"),
        window_tokens=config.window_tokens,
        calibrated=config.calibration is not None,
        # A fold's test sentences are no file of their own.
        command=f"pfn-kg evaluate --model {name} --data {Path(given[last]).name} "
        f"--format {given['format']}"
        if given.get(last)
        else None,
    )
    save_checkpoint(
        extractor, output / "model", half_precision=bool(given.get("half_precision")), card=card
    )
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


def read_options(args: argparse.Namespace) -> tuple[dict[str, Any], TrainingOptions]:
    """Puts flags and the file of --config together; flags win.

    Returns:
        What is trained on what, and the hyper-parameters.

    Raises:
        ConfigurationError: if an option is missing, unknown or wrong.
    """
    names = (*_REQUIRED, *_OPTIONAL, *_SWITCHES)
    values: dict[str, Any] = {}
    if args.config:
        try:
            values = yaml.safe_load(Path(args.config).read_text(encoding="utf-8")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"--config: {args.config}: {reason}") from None
        if not isinstance(values, dict):
            raise ConfigurationError(f"--config: {args.config}: not a mapping of options")
        values = {str(key).replace("-", "_"): value for key, value in values.items()}
        for key in values:
            if key not in names and key not in TrainingOptions.model_fields:
                raise ConfigurationError(f"--config: {args.config}: no option is called {key!r}")
    for name in (*names, *TrainingOptions.model_fields):
        if getattr(args, name) is not None:
            values[name] = getattr(args, name)
    crossed = values.get("data") or values.get("folds")
    for name in (*_REQUIRED, *(("data", "folds") if crossed else ("train", "dev"))):
        if not values.get(name):
            raise ConfigurationError(f"--{name}: is missing")
    for name in ("train", "dev", "test") if crossed else ("fold",):
        if values.get(name):
            with_ = "--data and --folds are" if crossed else "--folds is not"
            raise ConfigurationError(f"--{name}: has no use where {with_} given")
    for name, needed in (("unlabelled", "teacher"), ("teacher", "unlabelled")):
        if values.get(name) and not values.get(needed):
            raise ConfigurationError(f"--{needed}: is missing; --{name} needs it")
    for name in ("folds", "fold"):
        # In YAML a number is a number.
        if type(values.get(name)) is int:
            values[name] = str(values[name])
    for name in (*_REQUIRED, *_OPTIONAL):
        if values.get(name) is not None and not isinstance(values[name], str):
            raise ConfigurationError(f"--{name.replace('_', '-')}: {values[name]!r} is no text")
    overlapping = values.get("overlapping_entities")
    if overlapping not in (None, "keep", "drop"):
        raise ConfigurationError(
            f"--overlapping-entities: {overlapping!r} is neither keep nor drop"
        )
    if values.get("data_folder"):
        for name in (*_FILES, "folds"):
            if values.get(name) and not values[name].isdecimal():
                values[name] = str(Path(values["data_folder"], values[name]))
    try:
        options = TrainingOptions.model_validate(
            {k: v for k, v in values.items() if k in TrainingOptions.model_fields}
        )
    except ValidationError as error:
        field, separator, reason = first_reason(error).partition(":")
        raise ConfigurationError(f"--{field.replace('_', '-')}{separator}{reason}") from None
    return values, options
