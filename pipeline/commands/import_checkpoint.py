"""`pfn-kg import-checkpoint`: an official PFN checkpoint becomes one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from pfn_kg.schemas.errors import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `import-checkpoint`."""
    parser.add_argument("checkpoint", metavar="FILE.pt", help="what the official code saved")
    parser.add_argument("--encoder", required=True, metavar="DIR", help="what it was trained over")
    parser.add_argument("--entity-types", required=True, metavar="ner2idx.json")
    parser.add_argument("--relation-types", required=True, metavar="rel2idx.json")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the model")
    parser.add_argument(
        "--half-precision", action="store_true", help="store weights as 16 bit floats"
    )


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    for option, path in (
        ("FILE.pt", args.checkpoint),
        ("--entity-types", args.entity_types),
        ("--relation-types", args.relation_types),
    ):
        if not Path(path).is_file():
            raise ConfigurationError(f"{option}: there is no file {path}")
    output = Path(args.output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(f"--output: {output} is there and not empty")

    from transformers import AutoTokenizer
    from transformers.utils import logging

    from pfn_kg.pfn.extractor import Extractor
    from pfn_kg.pfn.model.encoder import find_encoder
    from pfn_kg.pfn.official import import_checkpoint, read_labels
    from pfn_kg.pfn.training.save_checkpoint import save_checkpoint

    logging.disable_progress_bar()
    encoder = find_encoder(args.encoder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder, add_prefix_space=True)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise ConfigurationError(f"--encoder: {args.encoder}: {reason}") from None
    model = import_checkpoint(
        Path(args.checkpoint),
        Path(encoder),
        entity_types=read_labels(Path(args.entity_types), "--entity-types"),
        relation_types=read_labels(Path(args.relation_types), "--relation-types"),
    )
    save_checkpoint(Extractor(model, tokenizer), output, half_precision=args.half_precision)
    print(output)
    return 0
