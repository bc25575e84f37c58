"""`pfn-kg evaluate`: scores a model on annotated sentences."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pfn_kg.pipeline.arguments import Call
from pfn_kg.pipeline.commands.analyses import as_text, robustness_as_text
from pfn_kg.pipeline.commands.predict import load_extractor
from pfn_kg.schemas.build_options import ThresholdOptions
from pfn_kg.schemas.choices import DEFAULT_FLOOR, DataFormat
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ModelOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.options import Options, Texts, option

if TYPE_CHECKING:
    from pfn_kg.pfn.evaluation.robustness import Pair
    from pfn_kg.pfn.readers import Reading

_DATA = "Data"
_FIGURES = "Figures"


class EvaluateOptions(Options):
    """The annotated sentences, and which figures are wanted."""

    data: str | None = option(None, "annotated sentences", group=_DATA, metavar="FILE")
    format: DataFormat = option(..., "format of the data", group=_DATA, common=True)
    overlapping_entities: Literal["keep", "drop"] = option(
        "keep",
        "drop: leave out sentences with entities that overlap, as the paper does for ADE",
        group=_DATA,
    )
    overlap_counts: Literal["distinct", "published"] = option(
        "distinct",
        "sentences of Figures 3 and 4 by their distinct triples, or as the literature counts: a "
        "triple that is listed twice counts twice, and an entity may overlap itself",
        group=_FIGURES,
    )
    limit: int | None = option(
        None, "the first N sentences only", group=_DATA, metavar="N", default_text="all", ge=1
    )
    as_json: bool = option(False, "print all figures, as JSON", name="json", group=_FIGURES)
    plots: str | None = option(
        None, "draw the analyses into this folder, as PNG and SVG", group=_FIGURES, metavar="FOLDER"
    )
    paper: str | None = option(
        None,
        "print the paper's Table 1 beside: nyt, webnlg, ade, ace05, ace04 or scierc",
        group=_FIGURES,
        metavar="DATA_SET",
    )
    robustness: Texts | None = option(
        None,
        "entities before and after the changes of the paper's Table 4, made of `data`; or of "
        "pairs of files, ORIGINAL TRANSFORMED ...",
        group=_FIGURES,
        metavar="FILE",
        many=True,
    )
    seed: int = option(13, "of the changes of `robustness`", group=_FIGURES, metavar="N")


OPTIONS: tuple[type[Options], ...] = (EvaluateOptions, ModelOptions, ThresholdOptions)


class _Read(Protocol):
    """Reads the sentences of a file that an option named."""

    def __call__(self, path: str, field: str) -> Reading: ...


def main(call: Call) -> int:
    """Runs the command."""
    args, model, accepted = (
        call.of(EvaluateOptions),
        call.of(ModelOptions),
        call.of(ThresholdOptions),
    )
    from pfn_kg.pfn.readers import read

    files = args.robustness or ()
    if len(files) % 2:
        raise ConfigurationError(
            "takes pairs of files, ORIGINAL TRANSFORMED, or none", field="robustness"
        )
    if files and args.data:
        raise ConfigurationError("not together with files of `robustness`", field="data")
    if not files and not args.data:
        raise ConfigurationError("is missing", field="data")
    if args.robustness is not None and (args.plots or args.paper):
        raise ConfigurationError("goes without `plots` and `paper`", field="robustness")
    if args.robustness is not None and accepted.across_threshold is not None:
        raise ConfigurationError("reads sentences alone", field="robustness")
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import check_plots_folder

        check_plots_folder(args.plots)
    if args.paper:
        from pfn_kg.pfn.evaluation.paper_results import find_data_set

        find_data_set(args.paper)

    def sentences_of(path: str, field: str) -> Reading:
        reading = read(path, args.format, args.overlapping_entities).first(args.limit)
        if not reading:
            raise ConfigurationError(f"{path} has no sentence", field=field)
        if args.robustness is not None and reading.is_partial:
            raise ConfigurationError("needs data with all labels annotated", field="robustness")
        return reading

    if args.robustness is not None:
        pairs_of = [sentences_of(path, "robustness") for path in files]
        return _robustness(args, model, accepted, files=pairs_of, sentences_of=sentences_of)
    assert args.data is not None  # or there are files
    reading = sentences_of(args.data, "data")
    for field in ("plots", "paper"):
        if reading.is_partial and getattr(args, field):
            raise ConfigurationError("needs data with all labels annotated", field=field)
    extractor = load_extractor(model)

    from pfn_kg.pfn.calibration import calibration_of
    from pfn_kg.pfn.evaluation.analyses import analyse
    from pfn_kg.pfn.evaluation.documents import score_reading
    from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
    from pfn_kg.pfn.evaluation.predictions import predict_reading
    from pfn_kg.pfn.readers.relation_ids import names_of_ids, with_names

    config = extractor.config
    if config.label_schema:
        names = names_of_ids(LabelSchema.from_dict(config.label_schema))
        reading = with_names(reading, names)
    gold = [gold_sentence(sentence) for sentence in reading]
    labels = {type_ for g in gold for _, _, type_ in g.entities} - set(config.entity_types)
    labels |= {relation for g in gold for _, relation, _ in g.triples} - set(config.relation_types)
    unjudged = set(config.relation_types) - (reading.relations or set(config.relation_types))
    entity_threshold, relation_threshold = extractor.thresholds(
        accepted.entity_threshold, accepted.relation_threshold
    )
    window_tokens = extractor.window_tokens(model.window_tokens)
    if model.window_tokens and not reading.documents:
        raise ConfigurationError(
            f"{args.format} has no documents, docred has", field="window_tokens"
        )
    across_threshold = accepted.across_threshold
    if across_threshold is not None and not reading.documents:
        raise ConfigurationError(
            f"{args.format} has no documents, docred has", field="across_threshold"
        )
    lowest = min(t for t in (relation_threshold, across_threshold) if t is not None)
    predictions = predict_reading(
        extractor,
        reading,
        entity_floor=min(entity_threshold, DEFAULT_FLOOR),
        relation_floor=min(lowest, DEFAULT_FLOOR),
        token_budget=model.token_budget,
        window_tokens=window_tokens,
    )
    options: dict[str, Any] = {
        "entity_threshold": entity_threshold,
        "relation_threshold": relation_threshold,
        "head_policy": accepted.head_policy,
    }
    scores = score_reading(
        predictions,
        reading,
        fact_calibration=calibration_of(extractor.config.calibration, "fact"),
        across_threshold=across_threshold,
        **options,
    )
    scores |= {
        "sentences": len(gold),
        "entity_threshold": entity_threshold,
        "relation_threshold": relation_threshold,
        "across_threshold": relation_threshold if across_threshold is None else across_threshold,
        "window_tokens": window_tokens if predictions.texts else 0,
        "skipped": dict(reading.skipped),
        "unknown_labels": sorted(labels),
        "unjudged_relations": sorted(unjudged),
    }
    if reading.is_partial:
        print(
            f"pfn-kg: {args.data} is annotated in part: documents alone are scored, without the "
            "labels that were not annotated",
            file=sys.stderr,
        )
    else:
        listed: list[list[tuple[Any, str, Any]]] | None = None
        if args.overlap_counts == "published":
            listed = reading.listed or [list(g.triples) for g in gold]
        scores["analyses"] = analyse(predictions.sentences, gold, listed=listed, **options)
    if labels:
        print(
            f"pfn-kg: the model can't say {len(labels)} labels of {args.data}, such as "
            f"{min(labels)!r}; what has them counts as missed",
            file=sys.stderr,
        )
    if unjudged:
        print(
            f"pfn-kg: the rel_info.json of {args.data} lacks {len(unjudged)} relations of the "
            f"model, such as {min(unjudged)!r}; its triples of these are left out",
            file=sys.stderr,
        )
    if args.plots:
        from pfn_kg.pfn.evaluation.plots import write_plots

        for path in write_plots(scores["analyses"], Path(args.plots), Path(args.data).name):
            print(path, file=sys.stderr)
    if args.as_json:
        print(json.dumps(scores, ensure_ascii=False))
        return 0
    print(as_text(scores))
    if args.paper:
        from pfn_kg.pfn.evaluation.paper_results import beside_paper

        encoder = getattr(config.encoder, "model_type", "")
        print("\n" + beside_paper(args.paper, scores, method="this model", encoder=str(encoder)))
    return 0


def _robustness(
    args: EvaluateOptions,
    model: ModelOptions,
    accepted: ThresholdOptions,
    *,
    files: list[Reading],
    sentences_of: _Read,
) -> int:
    from pfn_kg.pfn.evaluation.robustness import TRANSFORMATIONS, Pair, robustness, transform

    pairs: dict[str, Pair] = {}
    if files:
        paths = args.robustness or ()
        for number in range(0, len(files), 2):
            pairs[_pair_name(paths[number + 1], pairs)] = Pair(*files[number : number + 2])
    else:
        assert args.data is not None  # or there are files
        data = sentences_of(args.data, "data")
        for name in TRANSFORMATIONS:
            pair = transform(name, data, args.seed)
            if pair.original:
                pairs[name] = pair
            else:
                print(f"pfn-kg: {name} can change no sentence of {args.data}", file=sys.stderr)
        if not pairs:
            raise ConfigurationError(f"{args.data} has nothing to change", field="robustness")
    extractor = load_extractor(model)
    scores = robustness(
        extractor,
        pairs,
        entity_threshold=accepted.entity_threshold,
        relation_threshold=accepted.relation_threshold,
        head_policy=accepted.head_policy,
        token_budget=model.token_budget,
    )
    print(json.dumps(scores, ensure_ascii=False) if args.as_json else robustness_as_text(scores))
    return 0


def _pair_name(path: str, taken: Container[str]) -> str:
    """A row's name: that of the transformed file, numbered where several are called so."""
    name = Path(path).stem
    numbers = (f"{name} {number}" for number in itertools.count(2))
    return next(n for n in itertools.chain([name], numbers) if n not in taken)
