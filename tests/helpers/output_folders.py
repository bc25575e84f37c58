"""Readers of an output folder: its manifest, the rows of its tables and the bytes of its files."""

import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pipeline.snapshots import read_record, write_record

# What differs between two builds of the same graph: times and paths.
_RECORDS = ("manifest.json", "snapshot.json", "files.parquet")


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a run or an export."""
    return json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))


def write_manifest(folder: str | Path, content: dict[str, Any]) -> None:
    """Replaces the manifest of a folder."""
    (Path(folder) / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def listed_chunks(folder: str | Path) -> list[dict[str, Any]]:
    """The chunks of a run in order, each with what was counted in it."""
    listed = pq.read_table(Path(folder) / read_manifest(folder)["chunks"]["path"]).to_pylist()
    return [chunk | {"counts": dict(chunk["counts"])} for chunk in listed]


def inline_lists(folder: str | Path) -> None:
    """Puts the lists into the manifest, as up to its version 3."""
    manifest = read_manifest(folder)
    chunks = listed_chunks(folder)
    removed = manifest.get("removed")
    rows = pq.read_table(Path(folder) / removed["path"]).to_pylist() if removed else []
    manifest |= {
        "version": 3,
        "chunks": [chunk.pop("counts") | chunk for chunk in chunks],
        "removed": {row["document_id"]: row["generation"] for row in rows},
    }
    shutil.rmtree(Path(folder) / "lists")
    write_manifest(folder, manifest)


def graph_folder(folder: str | Path) -> Path:
    """The folder of the current graph; the folder itself where there is none."""
    manifest = Path(folder) / "manifest.json"
    graph = read_manifest(folder).get("graph") if manifest.exists() else None
    return Path(folder) / (graph or ".")


def table_rows(folder: str | Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table of the current graph, in the order of its files, which share a schema."""
    paths = sorted((graph_folder(folder) / name).glob("*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in paths]).to_pylist()


def files(folder: str | Path, below: str = "", but: Collection[str] = ()) -> dict[str, bytes]:
    """The bytes of all files by path, except those that record times.

    The files of the current graph have their paths in it, whatever its folder is called; files
    of graphs before it are left out.

    Args:
        folder: the output folder; paths are relative to it.
        below: only what lies in this folder of it.
        but: top-level folders that are left out.
    """
    found: dict[str, bytes] = {}
    places = dict.fromkeys((Path(folder), graph_folder(folder)))
    for place in places:
        for path in sorted((place / below).rglob("*")):
            inside = path.relative_to(place)
            if (
                path.is_file()
                and path.name not in _RECORDS
                and inside.parts[0] not in (*but, "builds", "graph", ".locks")
            ):
                found[str(inside)] = path.read_bytes()
    return found


def graph_files(folder: str | Path) -> dict[str, bytes]:
    """The bytes of everything that a build wrote: all files but those of the extract phase."""
    return files(folder, but=("extractions", "lists"))


def all_files(folder: str | Path) -> dict[str, bytes]:
    """The bytes of all files by path, without what a link leads to: an object store's copy."""
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    # From Python 3.13 on, rglob may follow links.
    return {
        str(inside): path.read_bytes()
        for path in paths
        if (inside := path.relative_to(folder)).parts[0] != "graph"
    }


def change_table(folder: str | Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Changes the only file of a table of the current graph, which then is what its build wrote.

    Args:
        folder: the output folder.
        name: of the table.
        change: gives the new rows.
    """
    [path] = (graph_folder(folder) / name).glob("part-*.parquet")
    pq.write_table(change(pq.read_table(path)), path)
    list_again(folder)


def list_again(folder: str | Path) -> None:
    """Records the files of the current graph as they are now."""
    directory = str(folder)
    write_record(directory, read_record(directory, read_manifest(folder)["graph"]))
