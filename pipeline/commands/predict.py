"""`pfn-kg predict`: mentions and triples of a text."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pfn_kg.pipeline.arguments import Call
from pfn_kg.pipeline.inspect.prediction_html import prediction_page
from pfn_kg.pipeline.inspect.prediction_text import prediction_lines
from pfn_kg.pipeline.styled import in_colour, print_lines
from pfn_kg.schemas.build_options import ThresholdOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ModelOptions, ScannedTextOptions
from pfn_kg.schemas.options import Options, Texts, option
from pfn_kg.schemas.records import DocumentExtraction

if TYPE_CHECKING:
    from pfn_kg.pfn.extractor import Extractor


class PredictOptions(Options):
    """The texts, and how the answer is printed."""

    text: Texts = option(..., "a text; - reads standard input", metavar="TEXT", positional="+")
    as_json: bool = option(False, "print one JSON object a text", name="json", group="Answer")
    plot_partitions: str | None = option(
        None,
        "draw the gates and partitions of the partition filter over the text, read as one "
        "sentence: PNG, SVG or PDF",
        group="Answer",
        metavar="FILE",
    )
    html: str | None = option(
        None,
        "also write one HTML page of all texts, with mentions marked and triples listed",
        group="Answer",
        metavar="FILE.html",
    )


OPTIONS: tuple[type[Options], ...] = (PredictOptions, ScannedTextOptions, ThresholdOptions)


def load_extractor(options: ModelOptions) -> Extractor:
    """The extractor that the options name; PyTorch is loaded here, not before.

    Raises:
        ConfigurationError: if there is no such model or device.
    """
    # What is imported and loaded stays; to look for garbage among it again and again takes an
    # eighth of the start.
    gc.disable()
    try:
        from pfn_kg.pfn.extractor import Extractor

        return Extractor.from_pretrained(
            options.model, options.device, options.precision, tf32=options.tf32
        )
    finally:
        gc.enable()


def main(call: Call) -> int:
    """Runs the command."""
    args, model, accepted = (
        call.of(PredictOptions),
        call.of(ScannedTextOptions),
        call.of(ThresholdOptions),
    )
    texts = [_read(text) for text in args.text]
    if args.plot_partitions:
        from pfn_kg.pfn.evaluation.partition_plot import check_partition_plot

        check_partition_plot(args.plot_partitions)
        if len(texts) > 1:
            raise ConfigurationError("draws one text, not several", field="plot_partitions")
    if args.html is not None:
        _check_folder(args.html)
    extractor = load_extractor(model)
    extractions = extractor.extract_documents(
        texts,
        language=model.language,
        dehyphenate=model.dehyphenate,
        entity_threshold=accepted.entity_threshold,
        relation_threshold=accepted.relation_threshold,
        across_threshold=accepted.across_threshold,
        head_policy=accepted.head_policy,
        token_budget=model.token_budget,
        window_tokens=model.window_tokens,
    )
    for number, extraction in enumerate(extractions):
        if args.as_json:
            print(json.dumps(extraction.to_dict(), ensure_ascii=False))
            continue
        if number:
            print()
        if in_colour(sys.stdout):
            print_lines(prediction_lines(texts[number], extraction))
        else:
            print(as_text(extraction))
    if args.plot_partitions:
        from pfn_kg.pfn.evaluation.partition_plot import sizes_as_text, write_partitions
        from pfn_kg.pfn.evaluation.partitions import read_partitions

        partitions = read_partitions(extractor, texts[0])
        write_partitions(partitions, args.plot_partitions)
        print(f"{args.plot_partitions}: {sizes_as_text(partitions)}", file=sys.stderr)
    if args.html is not None:
        _write(args.html, prediction_page(texts, extractions, model.language))
    return 0


def _check_folder(path: str) -> None:
    """Refuses a place that can't be written, before the model is loaded."""
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigurationError(f"{path}: {folder} is no folder that can be written", field="html")
    if Path(path).is_dir():
        raise ConfigurationError(f"{path} is a folder", field="html")


def _write(path: str, page: str) -> None:
    partial = Path(f"{path}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def as_text(extraction: DocumentExtraction) -> str:
    """An extraction for people: a line a mention, then a line a triple."""

    def name(index: int) -> str:
        mention = extraction.mentions[index]
        return f"{_one_line(mention.text)} ({mention.type})"

    lines = [
        f"{m.score:.2f}  {m.type}  {_one_line(m.text)}  [{m.begin}:{m.end}]"
        for m in extraction.mentions
    ] or ["no mentions"]
    lines.append("")
    lines += [
        f"{t.score:.2f}  {name(t.subject)}  {t.relation}  {name(t.object)}"
        for t in extraction.triples
    ] or ["no triples"]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _read(text: str) -> str:
    if text != "-":
        name, data = "TEXT", text.encode("utf-8", "surrogateescape")
    else:
        name, data = "-", sys.stdin.buffer.read()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name}: not UTF-8: {error.reason} at byte {error.start}"
        ) from None
