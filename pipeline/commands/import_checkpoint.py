"""`pfn-kg import-checkpoint`: an official PFN checkpoint becomes one of ours."""

from __future__ import annotations

from pathlib import Path

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options, option

_OFFICIAL = "Official checkpoint"


class ImportOptions(Options):
    """The official checkpoint, and the folder that it becomes."""

    checkpoint: str = option(
        ..., "state dict that the official code saved", metavar="FILE.pt", positional="1"
    )
    encoder: str = option(
        ...,
        "encoder that it was trained over",
        group=_OFFICIAL,
        metavar="NAME_OR_DIR",
        common=True,
    )
    entity_types: str = option(
        ..., "index of its entity types", group=_OFFICIAL, metavar="ner2idx.json", common=True
    )
    relation_types: str = option(
        ..., "index of its relations", group=_OFFICIAL, metavar="rel2idx.json", common=True
    )
    output: str = option(..., "folder of the model", group="Model", metavar="DIR", common=True)
    half_precision: bool = option(False, "store weights as 16 bit floats", group="Model")


OPTIONS: tuple[type[Options], ...] = (ImportOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(ImportOptions)
    for field in ("checkpoint", "entity_types", "relation_types"):
        path = getattr(args, field)
        if not Path(path).is_file():
            raise ConfigurationError(f"there is no file {path}", field=field)
    output = Path(args.output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(f"{output} is there and not empty", field="output")

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
        raise ConfigurationError(f"{args.encoder}: {reason}", field="encoder") from None
    model = import_checkpoint(
        Path(args.checkpoint),
        Path(encoder),
        entity_types=read_labels(Path(args.entity_types), "entity_types"),
        relation_types=read_labels(Path(args.relation_types), "relation_types"),
    )
    save_checkpoint(Extractor(model, tokenizer), output, half_precision=args.half_precision)
    print(output)
    return 0
