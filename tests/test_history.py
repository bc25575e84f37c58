"""`pfn-kg history`: what was done to a folder, in order, bounded."""

import json

import pytest

from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import read_manifest
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.history import MOST_EVENTS, with_events
from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.pipeline.manifest_lists import RemovedList
from pfn_kg.pipeline.manifest_parts import Configuration, ExtractionRecord


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A graph that was built, built again with another option, and rolled back."""
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", DOCS)
    run_build(folder)
    assert main(["build", folder, "--relation-threshold", "0.75", "--no-rdf"]) == 0
    assert main(["rollback", folder]) == 0
    return folder


def test_builds_and_rollbacks(folder, capsys):
    assert main(["history", folder, "--format", "json"]) == 0
    events = json.loads(capsys.readouterr().out)
    assert [event["what"] for event in events] == ["build", "build", "rollback"]
    assert events[0]["snapshot"] == events[2]["snapshot"] == read_manifest(folder)["graph"]
    assert events[0]["counts"] == events[2]["counts"]
    assert events[0].get("options", {}) == {}
    assert events[1]["options"]["relation_threshold"][1] == 0.75
    assert events[1]["options"]["rdf"][1] is None
    assert events[1]["seconds"] > 0
    assert main(["history", folder, "--limit", "1", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == events[-1:]


def test_lines_for_people(folder, capsys):
    assert main(["history", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "rollback" in lines[0]
    assert lines[0].endswith("(current)")
    assert any(line.strip().endswith("-> 0.75") for line in lines)
    assert lines[-1].endswith("(current)")
    assert " build " in lines[-1]


def test_a_folder_without_a_manifest(tmp_path, capsys):
    assert main(["history", str(tmp_path)]) == 2
    assert "no manifest.json there" in capsys.readouterr().err


def extracted(manifest, seconds, **options):
    done = manifest.changed(
        extract=ExtractionRecord(seconds=seconds, counts={"documents": 2, "windows": 9}),
        configuration=Configuration(language="en", corpus=[str(seconds)], **options),
    )
    return with_events(manifest, done, "extract")


def test_extractions_say_what_changed():
    first = extracted(Manifest(), 1.0, token_budget=10)
    second = extracted(first, 2.0, token_budget=20)
    assert [event.counts for event in second.history] == [{"documents": 2}] * 2
    assert [event.options for event in second.history] == [{}, {"token_budget": (10, 20)}]
    # What is written and read again is the same.
    data = json.loads(second.model_dump_json(exclude_unset=True))
    assert Manifest.from_dict(data).history == second.history


def test_removals_and_other_changes():
    first = extracted(Manifest(), 1.0)
    removed = first.changed(removed=RemovedList.of({"a": 0, "b": 0}))
    (_, event) = with_events(first, removed, "remove").history
    assert (event.what, event.counts) == ("remove", {"documents": 2})
    assert with_events(first, first.changed(state="building"), "build").history == first.history


def test_old_events_are_left_out():
    manifest = Manifest()
    for number in range(MOST_EVENTS + 5):
        manifest = extracted(manifest, float(number))
    assert len(manifest.history) == MOST_EVENTS
    assert manifest.history[-1].seconds == MOST_EVENTS + 4
