"""Checkpoints: a folder with config.json, model.safetensors, the tokenizer and a model card.

Nothing here needs PyTorch, so that a launcher can look at a model without loading it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema

SHIPPED = Path(__file__).parent / "models"
DEFAULT_MODEL = "pfn-minilm-redocred"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def shipped_models() -> list[str]:
    """Names of the models inside the package."""
    if not SHIPPED.is_dir():
        return []
    return sorted(p.name for p in SHIPPED.iterdir() if (p / "config.json").is_file())


def find_model(name: str | None = None, *, field: str = "model") -> Path:
    """The local folder of a model.

    Args:
        name: a folder of a model or of a training, the name of a shipped model, or
            `owner/name` on the Hugging Face hub (fetched once); the shipped default model
            if None.
        field: the option that named it, for errors.

    Raises:
        ConfigurationError: if there is none.
    """
    name = DEFAULT_MODEL if name is None else name
    if name in shipped_models():
        return SHIPPED / name
    folder = Path(name)
    if folder.is_dir():
        for place in (folder, folder / "model"):
            if (place / "config.json").is_file():
                return place
        raise ConfigurationError(f"{name} has no config.json", field=field)
    if _HUB_NAME.fullmatch(name) and not folder.exists():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            return Path(snapshot_download(name))
        except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
            reason = " ".join(str(error).split()).partition(". ")[0]
            raise ConfigurationError(
                f"{name} is no folder, and the hub gave: {reason}", field=field
            ) from None
    raise ConfigurationError(
        f"{name} is neither a folder nor a shipped model "
        f"({', '.join(shipped_models()) or 'none is shipped'})",
        field=field,
    )


def read_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a checkpoint, as in its config.json.

    Raises:
        ConfigurationError: if it is no PFN checkpoint.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", field="model") from None
    if not isinstance(config, dict) or config.get("model_type") != "pfn":
        raise ConfigurationError(f"{folder} is no PFN checkpoint", field="model")
    config.setdefault("entity_threshold", 0.5)
    config.setdefault("relation_threshold", 0.5)
    return config


def check_window_tokens(window_tokens: int, most: int | None) -> int:
    """The word pieces of a window of sentences, if an encoder can read so many.

    Args:
        window_tokens: the pieces; 0 is one sentence at a time.
        most: what the encoder reads at once, where that is known.

    Raises:
        ConfigurationError: if they are negative or too many.
    """
    if window_tokens < 0:
        raise ConfigurationError(f"{window_tokens} is negative", field="window_tokens")
    if most is not None and window_tokens > most:
        raise ConfigurationError(
            f"{window_tokens}, but the model's encoder reads {most} at once", field="window_tokens"
        )
    return window_tokens


def read_label_schema(folder: str | Path) -> LabelSchema:
    """The label schema that travels in a checkpoint.

    Raises:
        ConfigurationError: if it is no PFN checkpoint, or its label schema is wrong.
    """
    config = read_config(folder)
    return LabelSchema.from_dict(config.get("label_schema"), f"{folder}/config.json: label_schema")


def model_hash(folder: str | Path) -> str:
    """A hash of all that a model's results depend on: configuration, weights, tokenizer.

    Returns:
        32 hexadecimal digits; the model card does not count.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(folder).iterdir()):
        if path.suffix in {".json", ".safetensors", ".txt", ".model"} and path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
