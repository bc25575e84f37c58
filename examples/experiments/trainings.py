"""Trainings of configuration files in this folder, each once: what is finished is read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfn_kg.pipeline.cli import main as pfn_kg

FOLDER = Path(__file__).parent


def trained(config: Path, output: Path, flags: Sequence[str]) -> dict[str, Any]:
    """What a training measured on its test set; of a cross-validation, the means over folds.

    Args:
        config: the configuration file.
        output: folder of the training.
        flags: more options of `pfn-kg train`.

    Raises:
        SystemExit: if the training fails; it has said why.
    """
    crossed, single = output / "results.json", output / "metrics.json"
    if not crossed.is_file() and not single.is_file():
        command = ["train", "--config", str(config), "--output", str(output), *flags]
        if (output / "checkpoints").is_dir() or (output / "fold-01").is_dir():
            command.append("--resume")
        if code := pfn_kg(command):
            raise SystemExit(code)
    if crossed.is_file():
        return json.loads(crossed.read_text(encoding="utf-8"))["mean"]
    return json.loads(single.read_text(encoding="utf-8"))["test"]
