"""`pfn-kg train`: fits a model to annotated sentences."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from pfn.training_options import TrainingOptions
from schemas.errors import ConfigurationError
from schemas.label_schema import LabelSchema, first_reason

_REQUIRED = ("train", "dev", "format", "encoder", "output")
_OPTIONAL = ("test", "schema", "name", "data_description", "attribution", "licence", "language")
_SWITCHES = ("half_precision",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `train`."""
    parser.add_argument("--config", metavar="FILE.yaml", help="all of these options; flags win")
    parser.add_argument("--train", metavar="FILE", help="training sentences")
    parser.add_argument("--dev", metavar="FILE", help="sentences that choose the best epoch")
    parser.add_argument("--test", metavar="FILE", help="sentences to score the result on")
    parser.add_argument("--format", help="docred, spert, dygie or triple-list")
    parser.add_argument(
        "--encoder", metavar="NAME_OR_DIR", help="folder, installed package or name on the hub"
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
    for name in ("train", "dev", "test", "schema"):
        if given.get(name) and not Path(given[name]).is_file():
            raise ConfigurationError(f"--{name}: there is no file {given[name]}")
    schema = None
    if given.get("schema"):
        text = Path(given["schema"]).read_text(encoding="utf-8")
        schema = LabelSchema.from_yaml(text, given["schema"])

    from pfn.readers import read

    splits = {
        name: read(given[name], given["format"])
        for name in ("train", "dev", "test")
        if given.get(name)
    }
    for name, sentences in splits.items():
        if not sentences:
            raise ConfigurationError(f"--{name}: {given[name]} has no sentence")

    from pfn.evaluation import evaluate
    from pfn.gold import gold_sentence
    from pfn.model_card import model_card
    from pfn.training import save_checkpoint, train

    output = Path(given["output"])
    start = time.monotonic()
    # The trainer talks to standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        extractor, measured = train(
            splits["train"],
            splits["dev"],
            given["encoder"],
            output,
            options,
            schema=schema,
            resume=args.resume,
        )
        figures = {"dev": measured["dev"]}
        if "test" in splits:
            figures["test"] = evaluate(extractor, [gold_sentence(s) for s in splits["test"]])
    config = extractor.config
    name = given.get("name") or output.resolve().name
    last = list(figures)[-1]
    card = model_card(
        name,
        figures,
        encoder=Path(given["encoder"]).name
        if Path(given["encoder"]).is_dir()
        else given["encoder"],
        entity_types=config.entity_types,
        relation_types=config.relation_types,
        data=given.get("data_description")
        or f"{len(splits['train'])} sentences of {Path(given['train']).name}.",
        attribution=given.get("attribution"),
        licence=given.get("licence"),
        language=given.get("language") or "en",
        hyper_parameters=options.model_dump(),
        command=f"pfn-kg evaluate --model {name} --data {Path(given[last]).name} "
        f"--format {given['format']}",
    )
    save_checkpoint(extractor, output / "model", bool(given.get("half_precision")), card)
    metrics = {
        **figures,
        "history": measured["history"],
        "options": options.model_dump(),
        "thresholds": {
            "entity": config.entity_threshold,
            "relation": config.relation_threshold,
        },
        "sentences": {name: len(sentences) for name, sentences in splits.items()},
        "skipped": {name: dict(sentences.skipped) for name, sentences in splits.items()},
        "seconds": round(time.monotonic() - start, 1),
    }
    (output / "metrics.json").write_text(
        json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for split, found in figures.items():
        print(
            f"{split}: entity F1 {100 * found['entity']['f1']:.2f}, "
            f"triple F1 {100 * found['triple']['f1']:.2f}"
        )
    print(output / "model")
    return 0


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
    for name in _REQUIRED:
        if not values.get(name):
            raise ConfigurationError(f"--{name}: is missing")
    for name in (*_REQUIRED, *_OPTIONAL):
        if values.get(name) is not None and not isinstance(values[name], str):
            raise ConfigurationError(f"--{name.replace('_', '-')}: {values[name]!r} is no text")
    try:
        options = TrainingOptions.model_validate(
            {k: v for k, v in values.items() if k in TrainingOptions.model_fields}
        )
    except ValidationError as error:
        field, separator, reason = first_reason(error).partition(":")
        raise ConfigurationError(f"--{field.replace('_', '-')}{separator}{reason}") from None
    return values, options
