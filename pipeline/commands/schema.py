"""`pfn-kg schema`: the label schema of a model or a run as YAML."""

from __future__ import annotations

import sys
from pathlib import Path

from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.options import Options, option


class SourceOptions(Options):
    """The model or the run whose label schema is printed."""

    source: str | None = option(
        None,
        "a model, or the output folder of a run",
        metavar="MODEL_OR_DIR",
        default_text="the shipped model",
        positional="?",
    )


OPTIONS: tuple[type[Options], ...] = (SourceOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(SourceOptions)
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
    from pfn_kg.transforms.plumbing.files import join, read_bytes

    path = join(directory, "label_schema.yaml")
    try:
        text = read_bytes(path).decode()
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: {reason}", field="source") from None
    return LabelSchema.from_yaml(text, path)
