"""The switches of names, from the command line to the manifest and into the next build."""

import json

import pytest

from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import read_manifest, table_rows
from pfn_kg.pipeline.build_phase import recorded_options
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.schemas.rules import NameRules

DOCS = [
    Doc(
        "a",
        "Ada Lovelace was born in the Thames Valley. Lovelace died.",
        (
            ("Ada Lovelace", "PER", 0.9),
            ("the Thames Valley", "LOC", 0.9),
            ("Lovelace", "PER", 0.9, 1),
        ),
        (("Ada Lovelace", "place of birth", "the Thames Valley", 0.9),),
    ),
    Doc(
        "b",
        "Lovelace likes Thames Valley.",
        (("Lovelace", "PER", 0.9), ("Thames Valley", "LOC", 0.9)),
    ),
]


def names(folder):
    return {(row["name"], *row["aliases"]) for row in table_rows(folder, "entities")}


def test_switches_reach_the_graph_and_the_manifest(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    valley = ("the Thames Valley", "Thames Valley")
    assert main(["build", folder, "--no-rdf"]) == 0
    assert names(folder) == {("Ada Lovelace", "Lovelace"), ("Lovelace",), valley}
    manifest = read_manifest(folder)
    assert manifest["build"]["options"]["names"] == NameRules().model_dump()
    assert manifest["build"]["counts"]["short_forms"] == 1

    # What was switched off stays off when the folder is built again by itself.
    assert main(["build", folder, "--no-rdf", "--no-last-names", "--no-articles"]) == 0
    apart = {("Ada Lovelace",), ("Lovelace",), valley[:1], valley[1:]}
    assert names(folder) == apart
    manifest = read_manifest(folder)
    last = recorded_options(folder, Manifest.from_dict(manifest))
    assert last.names == NameRules(last_names=False, articles=False)
    # A folder of an older version has none recorded.
    del manifest["build"]["options"]["names"]
    assert recorded_options(folder, Manifest.from_dict(manifest)).names == NameRules()

    assert main(["remove", folder, "--documents", "b"]) == 0
    assert names(folder) == {("Ada Lovelace",), ("Lovelace",), valley[:1]}


@pytest.mark.parametrize(("value", "said"), [("maybe", "'maybe'"), (1, "1")])
def test_what_is_no_switch(tmp_path, capsys, value, said):
    folder = write_folder(tmp_path / "run", DOCS)
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"last-names": value}))
    assert main(["build", folder, "--config", str(config)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    assert f"--last-names: {said} is not true or false" in error
