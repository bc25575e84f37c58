"""`pfn-kg status`: what a folder is, by its manifest, its locks and its files."""

import json
import os
import re

import pytest

from helpers.corpora import TEXTS, extract, run, write_corpus
from helpers.golden import check_golden
from helpers.output_folders import all_files, listed_chunks, read_manifest, write_manifest
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.locks import LOCKS, Owner, hold


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    """A graph that was built twice, the second time with options of its own."""
    folder = tmp_path_factory.mktemp("runs")
    corpus, out = write_corpus(folder / "a.parquet"), folder / "out"
    assert run(corpus, out, tiny_model, "--chunk-documents", "2") == 0
    assert main(["build", str(out), "--relation-threshold", "0.3", "--no-rdf"]) == 0
    return out


@pytest.fixture
def status(capsys):
    def call(folder, *options, code=0):
        assert main(["status", str(folder), *options]) == code
        return capsys.readouterr().out

    return call


@pytest.fixture
def told(status):
    def call(folder, *options, code=0):
        return json.loads(status(folder, "--format", "json", *options, code=code))

    return call


def test_a_finished_graph_for_people(finished, status):
    said = status(finished, "--exit-code").replace(str(finished), "DIR")
    said = re.sub(r"builds/\S+?(,|$)", r"builds/ID\1", said)
    said = re.sub(r"made [\dT:+-]+", "made TIME", said)
    said = re.sub(r"\S+/(tiny_model) \(\w+\)", r"\1 (HASH)", said)
    said = re.sub(r"[\d.]+ (bytes|KiB|MiB)", "SIZE", said)
    said = re.sub(r"^versions .*$", "versions  ...", said, flags=re.M)
    check_golden("status.txt", said)


def test_what_is_told_is_what_is_there(finished, told):
    state = told(finished)
    manifest = read_manifest(finished)
    assert state["state"] == "finished"
    assert (state["corpus_rows"], state["extracted_rows"]) == (len(TEXTS), len(TEXTS))
    assert state["graph"] == manifest["graph"]
    assert [s["path"] for s in state["snapshots"] if s["is_current"]] == [manifest["graph"]]
    assert len(state["snapshots"]) == 2
    current = state["snapshots"][0]
    counts = manifest["build"]["counts"]
    assert current["counts"] == {name: counts[name] for name in current["counts"]}
    assert {"documents", "entities", "relations"} <= set(current["counts"])
    assert state["options"] == {"chunk_documents": 2, "relation_threshold": 0.3, "rdf": False}
    sizes = {path: len(data) for path, data in all_files(finished).items()}
    assert sum(state["bytes"].values()) == sum(sizes.values())
    assert sum(s["bytes"] for s in state["snapshots"]) == state["bytes"]["snapshots"]
    assert state["other_versions"] == {}


def test_a_folder_that_was_never_run(told, status, tmp_path):
    state = told(tmp_path / "none")
    assert state["state"] == "never run"
    assert state["snapshots"] == []
    assert f"`pfn-kg run` with --output {tmp_path / 'none'} begins" in state["next"]
    assert "never run" in status(tmp_path / "none", "--exit-code", code=1)
    assert not (tmp_path / "none").exists()


def test_an_extraction_that_was_interrupted(told, tmp_path, tiny_model, capsys):
    corpus, out = write_corpus(tmp_path / "a.parquet"), tmp_path / "out"
    assert extract(corpus, out, tiny_model, "--chunk-documents", "2") == 0
    capsys.readouterr()
    assert told(out)["state"] == "extracted"
    assert f"`pfn-kg build {out}`" in told(out)["next"]
    manifest = read_manifest(out)
    os.remove(out / "extractions" / f"{listed_chunks(out)[1]['name']}.parquet")
    write_manifest(out, manifest | {"state": "extracting", "chunks": None, "extract": None})
    state = told(out, "--exit-code", code=1)
    assert (state["state"], state["extracted_rows"]) == ("extracting", 3)
    assert "--resume reads the 2 rows that are left of 5" in state["next"]


@pytest.mark.parametrize(
    ("state", "said"), [("failed", "the last build failed"), ("building", "was interrupted")]
)
def test_a_build_that_did_not_end(finished, told, state, said):
    manifest = read_manifest(finished)
    write_manifest(finished, manifest | {"state": state})
    try:
        found = told(finished, "--exit-code", code=1)
    finally:
        write_manifest(finished, manifest)
    assert found["state"] == state
    assert said in found["next"]
    assert found["next"].endswith("until then the graph before it stays")


def test_who_holds_the_folder(finished, told, status):
    with hold(str(finished), "remove"):
        state = told(finished, "--exit-code", code=1)
        assert state["is_written"]
        [lock] = state["locks"]
        assert lock.startswith(f"pfn-kg remove (process {os.getpid()} on ")
        assert "locked by  " in status(finished)
        # Looking changes nothing.
        assert len(list((finished / LOCKS).glob("*.json"))) == 1
    assert told(finished)["locks"] == []


def test_a_claim_of_a_killed_command_is_no_writer(finished, told):
    gone = Owner.of_this_process("build").model_copy(update={"process_started": "1"})
    claim = finished / LOCKS / "00000000000000000001-x.json"
    claim.parent.mkdir(exist_ok=True)
    claim.write_text(gone.model_dump_json())
    try:
        state = told(finished, "--exit-code")
        assert claim.exists()
    finally:
        claim.unlink()
        claim.parent.rmdir()
    assert not state["is_written"]
    assert state["locks"][0].endswith("which was killed")


def test_other_versions_are_named(finished, told, status):
    manifest = read_manifest(finished)
    write_manifest(finished, manifest | {"versions": manifest["versions"] | {"torch": "1.0"}})
    try:
        assert set(told(finished)["other_versions"]) == {"torch"}
        assert "installed now: torch " in status(finished)
    finally:
        write_manifest(finished, manifest)


def test_what_is_no_run(finished, tmp_path, capsys):
    out = tmp_path / "csv"
    assert main(["export", str(finished), "--to", "csv", "--output", str(out)]) == 0
    capsys.readouterr()
    assert main(["status", str(out)]) == 2
    assert capsys.readouterr().err == f"pfn-kg: {out}: an export to csv, not a run\n"
