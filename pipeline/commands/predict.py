"""`pfn-kg predict`: mentions and triples of a text."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from typing import Any

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.records import DocumentExtraction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `predict`."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="a text; - reads standard input")
    add_window_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a text")
    parser.add_argument("--language", default="en", metavar="CODE", help="of the texts")
    add_model_arguments(parser)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which model reads, where, and what it accepts."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="NAME_OR_DIR", help="default: the shipped model")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda ...")
    group.add_argument("--precision", default="auto", help="auto (default), fp32, fp16 or bf16")
    group.add_argument("--token-budget", type=int, metavar="N", help="word pieces in a batch")
    for name in ("entity", "relation"):
        group.add_argument(
            f"--{name}-threshold", type=float, metavar="P", help="default: the model's own"
        )
    group.add_argument(
        "--head-policy",
        default="all",
        metavar="POLICY",
        help="which of several mentions at one head take part: all (default), best or longest",
    )


def add_window_argument(parser: Any) -> None:
    """Adds the option that says how many sentences are read together."""
    parser.add_argument(
        "--window-tokens",
        type=int,
        metavar="N",
        help="word pieces of sentences that are read together; 0: one sentence at a time; "
        "default: the model's own",
    )


def load_extractor(args: argparse.Namespace) -> Any:
    """The extractor that the options name; PyTorch is loaded here, not before.

    Raises:
        ConfigurationError: if an option is wrong.
    """
    from pfn_kg.pfn.resolution import HEAD_POLICIES

    for name in ("entity", "relation"):
        threshold = getattr(args, f"{name}_threshold")
        if threshold is not None and not 0 <= threshold <= 1:
            raise ConfigurationError(f"--{name}-threshold: {threshold} is not between 0 and 1")
    if args.head_policy not in HEAD_POLICIES:
        raise ConfigurationError(
            f"--head-policy: {args.head_policy!r} is not one of {', '.join(HEAD_POLICIES)}"
        )
    if args.token_budget is not None and args.token_budget < 1:
        raise ConfigurationError(f"--token-budget: {args.token_budget} is not at least 1")

    # What is imported and loaded stays; to look for garbage among it again and again takes an
    # eighth of the start.
    gc.disable()
    try:
        from pfn_kg.pfn.extractor import Extractor

        return Extractor.from_pretrained(args.model, args.device, args.precision)
    finally:
        gc.enable()


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    texts = [_read(text) for text in args.text]
    extractor = load_extractor(args)
    extractions = extractor.extract_documents(
        texts,
        language=args.language,
        entity_threshold=args.entity_threshold,
        relation_threshold=args.relation_threshold,
        head_policy=args.head_policy,
        token_budget=args.token_budget,
        window_tokens=args.window_tokens,
    )
    for number, extraction in enumerate(extractions):
        if args.json:
            print(json.dumps(extraction.to_dict(), ensure_ascii=False))
        else:
            if number:
                print()
            print(as_text(extraction))
    return 0


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
