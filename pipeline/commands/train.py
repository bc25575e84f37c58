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
from typing import TYPE_CHECKING, Any

from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pipeline.arguments import Call, ConfigOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.options import Options
from pfn_kg.schemas.train_options import FILES, TrainOptions

if TYPE_CHECKING:
    from pfn_kg.pfn.readers import Reading

OPTIONS: tuple[type[Options], ...] = (TrainOptions, TrainingOptions, ConfigOptions)
USAGE = "--train FILE --format FORMAT --output DIR [--dev FILE] [options]"


def main(call: Call) -> int:
    """Runs the command."""
    given, options = read_options(call)
    if importlib.util.find_spec("accelerate") is None:
        raise ConfigurationError(how_to_install("accelerate", "train"))
    for name in (*FILES, "label_schema"):
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
    if "dev" not in splits:
        from pfn_kg.pfn.training.split_dev import split_dev

        splits["train"], splits["dev"] = split_dev(splits["train"], options.seed)
        print(
            f"pfn-kg: no --dev: {len(splits['dev'])} sentences of {given.train} choose the best "
            f"epoch and the thresholds, {len(splits['train'])} are trained on",
            file=sys.stderr,
        )
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
    is_complete = len(results) == len(folds)
    if not is_complete:
        print(f"{len(results)} of {len(folds)} folds")
    _print_scores("mean", summary["mean"])
    _print_scores("macro mean", summary["mean"]["macro"])
    # The paper's rows are means over all folds.
    if is_complete:
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
    from pfn_kg.pfn.training.split_dev import too_few
    from pfn_kg.pfn.training.starting_model import with_architecture
    from pfn_kg.pfn.training.train import train

    if given.start_from:
        options = with_architecture(options, given.start_from)

    for line in too_few(splits["train"].first(options.limit)):
        print(f"pfn-kg: {line}", file=sys.stderr)
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
    needed = (*(("data", "folds") if crossed else ("train",)), "format", "output")
    missing = [name for name in needed if not given.get(name)]
    if len(missing) == 1:
        raise ConfigurationError("is missing", field=missing[0])
    if missing:
        raise ConfigurationError(f"these are missing: {', '.join(f'`{n}`' for n in missing)}")
    for name in ("train", "dev", "test") if crossed else ("fold",):
        if given.get(name):
            with_ = "`data` and `folds` are" if crossed else "`folds` is not"
            raise ConfigurationError(f"has no use where {with_} given", field=name)
    for name, other in (("unlabelled", "teacher"), ("teacher", "unlabelled")):
        if given.get(name) and not given.get(other):
            raise ConfigurationError(f"is missing; `{name}` needs it", field=other)
    options = call.of(TrainOptions)
    files = {name: options.file(name) for name in (*FILES, "folds")}
    return options.changed(**files), call.of(TrainingOptions)
