"""The command line of the scripts that make training documents by rule, and the file they write."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
# Makes a document with the random numbers that it is given.
Maker = Callable[[random.Random], Document]


def write_made(
    maker: Callable[[list[Document], dict[str, Any]], Maker],
    arguments: Sequence[str] | None = None,
    *,
    script: str,
    description: str,
    title: str,
    documents: int,
    seed: int,
) -> None:
    """The program of a script that makes documents: writes them as DocRED's JSON.

    They stand alone, or behind those of a file.

    Args:
        maker: gets Re-DocRED's training documents and the script's YAML file.
        arguments: of the command line; None: those of the process.
        script: path of the script; its YAML file lies beside it under the same name.
        description: of the script.
        title: of each document, before its number.
        documents: default of `--documents`.
        seed: default of `--seed`.
    """
    parser = argparse.ArgumentParser(prog=Path(script).name, description=description)
    parser.add_argument("folder", type=Path, help="holds redocred")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--into", type=Path, metavar="FILE", help="append to this file")
    parser.add_argument("--documents", type=int, default=documents)
    parser.add_argument("--seed", type=int, default=seed)
    args = parser.parse_args(arguments)
    output = args.output or args.into
    if output is None:
        parser.error("one of -o and --into is required")
    wording = yaml.safe_load(Path(script).with_suffix(".yaml").read_text(encoding="utf-8"))
    train = json.loads((args.folder / "redocred" / "train.json").read_text(encoding="utf-8"))
    make, rng = maker(train, wording), random.Random(args.seed)
    made = [make(rng) | {"title": f"{title} {number}"} for number in range(args.documents)]
    before = json.loads(args.into.read_text(encoding="utf-8")) if args.into else []
    output.write_text(json.dumps(before + made, ensure_ascii=False), encoding="utf-8")
