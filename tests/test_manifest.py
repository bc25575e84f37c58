"""The manifest: versions, migration, and what is refused."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.extraction_folders import DOCS, write_folder
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.manifest import (
    MANIFEST_VERSION,
    ExportManifest,
    Manifest,
    find_any_manifest,
    find_manifest,
    write_manifest,
)
from pfn_kg.schemas.errors import ConfigurationError

VERSION_1 = {
    "version": 1,
    "run_id": "r",
    "state": "done",
    "inputs": [{"path": "a", "size": 1, "version": "2", "rows": 3, "error": None}],
    "configuration": {"id_column": "id", "language": "de", "entity_floor": 0.2},
    "model": {"name": "m", "hash": "h", "entity_threshold": 0.4, "relation_threshold": 0.3},
    "versions": {"python": "3"},
    "chunks": [{"name": "c", "documents": 3}, {"name": "d", "generation": 2, "model_hash": "x"}],
    "extract": {"seconds": 1.5, "counts": {"rows": 3}, "resumed_rows": 0},
    "build": {"options": {"head_policy": "all"}, "seconds": 1.0, "counts": {"documents": 3}},
}


def read(data):
    return Manifest.from_dict(data)


def test_version_1_is_read_and_written_as_the_newest(tmp_path):
    manifest = read(VERSION_1)
    assert manifest.version == MANIFEST_VERSION
    assert manifest.removed is None
    assert [chunk.generation for chunk in manifest.listed_chunks("nowhere")] == [0, 2]
    assert manifest.last_generation == 2
    assert manifest.configuration.language == "de"
    assert (manifest.configuration.entity_floor, manifest.configuration.relation_floor) == (0.2, 0)
    write_manifest(str(tmp_path), manifest)
    written = json.loads((tmp_path / "manifest.json").read_text())
    # Its tables lie directly in the folder; the list of its chunks has a file of its own.
    [file] = (tmp_path / "lists").iterdir()
    chunks = {"path": f"lists/{file.name}", "count": 2, "last_generation": 2}
    assert chunks.items() < written["chunks"].items()
    new = {"version": MANIFEST_VERSION, "removed": None, "graph": "."}
    assert written == VERSION_1 | new | {"chunks": written["chunks"]}
    assert pq.read_table(file).to_pylist() == [
        {"name": "c", "generation": 0, "model_hash": None, "counts": [("documents", 3)]},
        {"name": "d", "generation": 2, "model_hash": "x", "counts": []},
    ]
    found = find_manifest(str(tmp_path))
    assert found.listed_chunks(str(tmp_path)) == manifest.listed_chunks("nowhere")
    assert found.changed(chunks=None) == manifest.changed(chunks=None)


def test_keys_that_are_not_known_are_kept(tmp_path):
    write_manifest(str(tmp_path), read(VERSION_1 | {"note": "mine"}).changed(state="failed"))
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert (written["note"], written["state"]) == ("mine", "failed")


def test_a_folder_without_a_run_id_gets_one_when_it_is_built(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    file = Path(folder) / "manifest.json"
    assert "version" not in json.loads(file.read_text())
    run_build(folder)
    first = json.loads(file.read_text())
    assert first["version"] == MANIFEST_VERSION
    run_build(folder)
    assert json.loads(file.read_text())["run_id"] == first["run_id"]
    # Built by such an old program, it has to be built again.
    file.write_text(json.dumps({k: v for k, v in first.items() if k != "run_id"}))
    assert main(["export", folder, "--output", str(tmp_path / "out")]) == 2
    assert "built by an older version" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["build", "query", "load", "remove", "export"])
def test_a_newer_version_is_refused_in_one_line(tmp_path, capsys, command):
    folder = Path(write_folder(tmp_path / "run", DOCS))
    data = json.loads((folder / "manifest.json").read_text()) | {"version": MANIFEST_VERSION + 1}
    (folder / "manifest.json").write_text(json.dumps(data))
    more = {
        "query": ["ASK {}"],
        "load": ["--neo4j-uri", "bolt://localhost:1"],
        "remove": ["--documents", "a"],
        "export": ["--output", str(tmp_path / "out")],
    }
    assert main([command, str(folder), *more.get(command, [])]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    newer = f"written by a newer pfn-kg (version {MANIFEST_VERSION + 1} of"
    assert f"{folder / 'manifest.json'}: {newer}" in said


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "x"}, "version: 'x' is no version of a manifest"),
        ({"state": "lost"}, "state: "),
        ({"chunks": [{"documents": 1}]}, "chunks.0.name: is missing"),
        ({"model": 3}, "model: "),
    ],
)
def test_what_is_no_manifest(changes, reason):
    with pytest.raises(ConfigurationError) as refused:
        Manifest.from_dict(VERSION_1 | changes, "FILE")
    assert str(refused.value).startswith(f"FILE: {reason}")
    assert "\n" not in str(refused.value)


def test_an_export_has_a_manifest_of_its_own(tmp_path):
    write_manifest(str(tmp_path), ExportManifest(export="rdf", state="done"))
    found = find_any_manifest(str(tmp_path))
    assert isinstance(found, ExportManifest)
    with pytest.raises(ConfigurationError, match="an export to rdf, not a run"):
        find_manifest(str(tmp_path))
