"""Arguments that several benchmarks take: texts to read, and a phase in a process of its own."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows the lines of a module's docstring as they are."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `read_texts` reads."""
    parser.add_argument("--data", help="texts, JSON lines; default: made-up ones")
    parser.add_argument("--column", default="text", help="of --data")
    parser.add_argument("--documents", type=int, default=1000, help="made-up ones")


def read_texts(args: argparse.Namespace) -> list[str]:
    """The texts of --data, or made-up ones as in `benchmarks.pipeline`."""
    if args.data:
        with open(args.data, encoding="utf-8") as lines:
            return [json.loads(line)[args.column] for line in lines]
    # It takes its own arguments from here.
    from benchmarks.pipeline import make_corpus

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made-up.parquet"
        make_corpus(path, args.documents)
        texts: list[str] = pq.read_table(path)["text"].to_pylist()
    return texts


def add_phase(parser: argparse.ArgumentParser, phases: Sequence[str]) -> None:
    """Adds what a benchmark tells a process of its own: a phase, its corpus and folder."""
    parser.add_argument("--phase", choices=phases, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
