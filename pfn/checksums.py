"""The hashes of a checkpoint's files, in a file of the checkpoint, so that damage is found.

`python -m pfn_kg.pfn.checksums FOLDER` writes them anew, after a change that was meant;
`sha256sum -c SHA256SUMS` checks them without this program.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
from pathlib import Path

from pfn_kg.schemas.errors import ConfigurationError

#: In the format of `sha256sum`. The suffix is none that `pfn_kg.pfn.checkpoint.model_hash` counts,
#: so a model keeps its hash when it gets this file.
CHECKSUMS_FILE = "SHA256SUMS"

_logger = logging.getLogger(__name__)
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\n]+)")
# What people may edit without changing a result.
_NOT_HASHED = (CHECKSUMS_FILE, "README.md")


def write_checksums(folder: str | Path) -> Path:
    """Writes the SHA-256 of each file of a checkpoint, the model card excepted.

    Args:
        folder: of the checkpoint.

    Returns:
        The path of the file with the hashes.

    Raises:
        ConfigurationError: if the folder holds no checkpoint.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"{folder} has no config.json")
    lines = [f"{_sha256(path)}  {path.name}\n" for path in _files(folder)]
    target = folder / CHECKSUMS_FILE
    target.write_text("".join(lines), encoding="utf-8")
    return target


def check_checksums(folder: str | Path) -> None:
    """Refuses a checkpoint of which a file is missing or other than it was written.

    A checkpoint without hashes, as older versions wrote them, gets a warning.

    Args:
        folder: of the checkpoint.

    Raises:
        ConfigurationError: names the file.
    """
    folder = Path(folder)
    path = folder / CHECKSUMS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        _logger.warning(
            "%s has no %s, so damage to the model would not be noticed; `python -m "
            "pfn_kg.pfn.checksums %s` writes it",
            folder,
            CHECKSUMS_FILE,
            folder,
        )
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", field="model") from None
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigurationError(f"{path}: {line[:80]!r} is no line of hashes", field="model")
        file = folder / match[2]
        if not file.is_file():
            raise ConfigurationError(
                f"{file} is missing, but {CHECKSUMS_FILE} names it", field="model"
            )
        if _sha256(file) != match[1]:
            raise ConfigurationError(
                f"{file} is damaged or was changed: its hash is not the one in {CHECKSUMS_FILE}; "
                f"if the change was meant, run `python -m pfn_kg.pfn.checksums {folder}`",
                field="model",
            )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name not in _NOT_HASHED and not path.name.startswith(".")
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(folders: list[str]) -> int:
    """Writes the hashes of the checkpoints that are named; prints the paths."""
    if not folders:
        print("usage: python -m pfn_kg.pfn.checksums FOLDER...", file=sys.stderr)
        return 2
    try:
        for folder in folders:
            print(write_checksums(folder))
    except (ConfigurationError, OSError) as error:
        print(f"pfn-kg: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
