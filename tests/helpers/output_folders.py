"""Readers of an output folder: its manifest, the rows of its tables and the bytes of its files."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a run or an export."""
    return json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))


def write_manifest(folder: str | Path, content: dict[str, Any]) -> None:
    """Replaces the manifest of a folder."""
    (Path(folder) / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def table_rows(folder: str | Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table, in the order of its files, which must share one schema."""
    paths = sorted((Path(folder) / name).glob("*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in paths]).to_pylist()


def files(folder: str | Path, below: str = "", but: Collection[str] = ()) -> dict[str, bytes]:
    """The bytes of all files by path, except the manifest, which records times.

    Args:
        folder: the output folder; paths are relative to it.
        below: only what lies in this folder of it.
        but: top-level folders that are left out.
    """
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / below).rglob("*"))
        if path.is_file()
        and path.name != "manifest.json"
        and path.relative_to(folder).parts[0] not in but
    }


def graph_files(folder: str | Path) -> dict[str, bytes]:
    """The bytes of everything that a build wrote: all files but those of the extract phase."""
    return files(folder, but=("extractions",))
