"""`pfn-kg schema`: the label schema of a model or a run as YAML."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `schema`."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="MODEL_OR_DIR",
        help="a model or the output folder of a run; default: the shipped model",
    )


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    schema = _of_run(args.source) if args.source else None
    if schema is None:
        schema = read_label_schema(find_model(args.source))
    sys.stdout.write(schema.to_yaml())
    return 0


def _of_run(directory: str) -> LabelSchema | None:
    """The label schema in the output folder of a run, on any file system."""
    if "://" not in directory:
        file = Path(directory) / "label_schema.yaml"
        if not file.is_file():
            return None
        return LabelSchema.from_yaml(file.read_text(encoding="utf-8"), str(file))
    from apache_beam.io.filesystem import BeamIOError

    from pfn_kg.transforms.plumbing.files import join, read_bytes

    path = join(directory, "label_schema.yaml")
    try:
        text = read_bytes(path).decode()
    except (BeamIOError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"MODEL_OR_DIR: {path}: {reason}") from None
    return LabelSchema.from_yaml(text, path)
