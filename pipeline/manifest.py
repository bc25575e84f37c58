"""manifest.json: what a run read, how it was configured, what came out, and its state."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from apache_beam.io.filesystem import BeamIOError

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.plumbing.files import join, read_bytes, replace

#: Version of the manifest's fields.
MANIFEST_VERSION = 1
_PACKAGES = ("pfn-kg", "apache-beam", "torch", "transformers", "pyarrow", "pyoxigraph")


def manifest_path(directory: str) -> str:
    """Where the manifest of an output folder lies."""
    return join(directory, "manifest.json")


def find_manifest(directory: str) -> dict[str, Any] | None:
    """The manifest of an output folder, or None if it has none.

    Raises:
        ConfigurationError: if it is no JSON object.
    """
    path = manifest_path(directory)
    try:
        manifest = json.loads(read_bytes(path))
    except (OSError, BeamIOError):
        return None
    except ValueError:
        raise ConfigurationError(f"{path}: not valid JSON") from None
    if not isinstance(manifest, dict):
        raise ConfigurationError(f"{path}: not a JSON object")
    return manifest


def read_extracted(directory: str) -> dict[str, Any]:
    """The manifest of a folder whose extraction is finished.

    Raises:
        ConfigurationError: if there is none, or it is not finished.
    """
    manifest = find_manifest(directory)
    if manifest is None:
        raise ConfigurationError(f"{directory}: no manifest.json there, so no finished extraction")
    if manifest.get("state") == "extracting" or "chunks" not in manifest:
        raise ConfigurationError(
            f"{directory}: its extraction is not finished; go on with it by --resume"
        )
    return manifest


def chunk_files(folder: ExtractionFolder, manifest: dict[str, Any]) -> list[ChunkFile]:
    """The files of the chunks that a manifest lists, in its order."""
    return [
        ChunkFile(
            index,
            folder.file(chunk["name"]),
            chunk.get("model_hash") or manifest.get("model", {}).get("hash", ""),
            chunk.get("generation", 0),
        )
        for index, chunk in enumerate(manifest["chunks"])
    ]


def last_generation(manifest: dict[str, Any]) -> int:
    """How many runs have added to the first one."""
    return max((chunk.get("generation", 0) for chunk in manifest.get("chunks", ())), default=0)


def write_manifest(directory: str, manifest: dict[str, Any]) -> None:
    """Writes the manifest; a reader finds the old one or the new one."""
    data = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    replace(manifest_path(directory), data.encode())


def versions() -> dict[str, str]:
    """The versions of all that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
