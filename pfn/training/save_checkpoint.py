"""Checkpoint folders: configuration, weights, tokenizer, model card and hashes."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from pfn_kg.pfn.checksums import write_checksums
from pfn_kg.pfn.extractor import Extractor


def save_checkpoint(
    extractor: Extractor, folder: Path, *, half_precision: bool = False, card: str | None = None
) -> None:
    """Writes a checkpoint folder: configuration, weights, tokenizer, model card, hashes.

    Args:
        extractor: the model and its tokenizer.
        folder: made if it is not there.
        half_precision: whether weights are stored as 16 bit floats.
        card: text of the model card, README.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = extractor.model
    dtype = torch.float16 if half_precision else torch.float32
    state = {name: w.detach().to(dtype).contiguous() for name, w in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    extractor.tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float16" if half_precision else "float32"
    # Where the encoder lay on this machine says nothing elsewhere.
    config["encoder"].pop("_name_or_path", None)
    (folder / "config.json").write_text(
        json.dumps(config, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
    # safetensors writes for the owner alone.
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
    write_checksums(folder)
