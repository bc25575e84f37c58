"""OpenLineage's own client, which writes events to a file."""

import json

import pytest

from helpers.corpora import TEXTS, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import read_manifest
from pfn_kg.pipeline import lineage
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.lineage import DataSet, dataset_name, neo4j_target
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.tables import TABLE_SCHEMAS

pytest.importorskip("openlineage.client", reason="the extra openlineage is not installed")


@pytest.fixture
def events(tmp_path, monkeypatch):
    """Gives the events that were written since the last call."""
    path = tmp_path / "events.jsonl"
    config = tmp_path / "openlineage.yml"
    config.write_text(f"transport: {{type: file, log_file_path: {path}, append: true}}\n")
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))

    def told():
        if not path.exists():
            return []
        found = [json.loads(line) for line in path.read_text().splitlines()]
        path.unlink()
        return found

    return told


def names(sets):
    return [(of["namespace"], of["name"]) for of in sets]


def rows(sets, kind):
    return {of["name"].rpartition("/")[2]: of[f"{kind}Facets"] for of in sets}


def test_a_run_is_told(tmp_path, tiny_model, events):
    corpus, output = tmp_path / "corpus", tmp_path / "out"
    write_corpus(corpus / "a.parquet", TEXTS[:2])
    write_corpus(corpus / "b.parquet", [*TEXTS[2:3], None])
    arguments = ["run", str(corpus), "--output", str(output), "--model", str(tiny_model)]
    assert main([*arguments, "--no-rdf"]) == 0
    told = events()
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"] * 2
    jobs = [f"extract {output}", f"extract {output}", f"build {output}", f"build {output}"]
    assert [event["job"]["name"] for event in told] == jobs
    assert {event["job"]["namespace"] for event in told} == {"pfn-kg"}
    first, extracted, _, built = told
    runs = [event["run"]["runId"] for event in told]
    assert runs[0] == runs[1] != runs[2] == runs[3]
    assert not first["inputs"]

    [read] = extracted["inputs"]
    assert names([read]) == [("file", str(corpus))]
    statistics = read["inputFacets"]["inputStatistics"]
    sizes = sum(path.stat().st_size for path in corpus.iterdir())
    assert [statistics[name] for name in ("rowCount", "fileCount", "size")] == [4, 2, sizes]
    # What one job has written is what the next one has read.
    assert names(extracted["outputs"]) == names(built["inputs"])
    [written] = extracted["outputs"]
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 4
    columns = {c["name"]: c for c in written["facets"]["schema"]["fields"]}
    assert columns["mentions"]["type"] == "array<struct>"
    assert "score" in [c["name"] for c in columns["mentions"]["fields"]]

    manifest = read_manifest(output)
    tables = {of["name"].rpartition("/")[2]: of for of in built["outputs"]}
    assert list(tables) == [name for name in TABLE_SCHEMAS if name != "sentences"]
    for name, table in tables.items():
        counted = table["outputFacets"]["outputStatistics"]["rowCount"]
        assert counted == manifest["build"]["counts"].get(name, 0)
        fields = {c["name"]: c["type"] for c in table["facets"]["schema"]["fields"]}
        assert list(fields) == TABLE_SCHEMAS[name].names
        assert all(fields[c.name] in (str(c.type), "array<struct>") for c in TABLE_SCHEMAS[name])
        assert table["facets"]["version"]["datasetVersion"] == manifest["graph"]
        assert table["name"] == f"{output}/graph/{name}"


def test_a_failure_is_told(tmp_path, events, capsys):
    output = write_folder(tmp_path / "out", DOCS)
    run_build(str(output), BuildOptions(rdf=None))
    events()
    for chunk in (tmp_path / "out" / "extractions").glob("*.parquet"):
        chunk.write_bytes(b"PAR1")
    assert main(["build", str(output), "--no-rdf"]) == 1
    told = events()
    assert [event["eventType"] for event in told] == ["START", "FAIL"]
    message = told[1]["run"]["facets"]["errorMessage"]
    assert ".parquet" in message["message"]
    assert message["programmingLanguage"] == "PYTHON"
    assert not told[1]["outputs"]


def test_a_load_that_fails_is_told(tmp_path, events, monkeypatch):
    output = write_folder(tmp_path / "out", DOCS)
    run_build(str(output), BuildOptions(rdf=None))
    events()
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "nightly")
    assert main(["load", str(output), "--neo4j-uri", "bolt://localhost:1"]) == 2
    told = events()
    assert [event["eventType"] for event in told] == ["START", "FAIL"]
    assert {event["job"]["namespace"] for event in told} == {"nightly"}


def test_a_load_reads_tables_and_writes_a_graph(tmp_path):
    output = str(write_folder(tmp_path / "out", DOCS))
    run_build(str(output), BuildOptions(rdf=None))
    target = neo4j_target("neo4j+s://me:pass@db.example:7687", "people", "news")
    assert target == "neo4j+s://db.example:7687/people/news"
    assert dataset_name(target) == ("neo4j+s://db.example:7687", "people/news")
    counts = {"neo4j_entities": 3, "neo4j_relations": 2, "neo4j_deleted_nodes": 7}
    sets = lineage.load_sets(output, target, counts)
    assert sets.outputs == [DataSet(target, 5)]
    run = read_finished(output)
    assert {of.uri.rpartition("/")[2] for of in sets.inputs} >= {"entities", "relations"}
    assert {of.version for of in sets.inputs} == {run.snapshot.path}


def test_nobody_is_told_unless_it_is_configured(tmp_path, events, monkeypatch):
    output = write_folder(tmp_path / "out", DOCS)
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    run_build(str(output), BuildOptions(rdf=None))
    monkeypatch.delenv("OPENLINEAGE_DISABLED")
    monkeypatch.delenv("OPENLINEAGE_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.chdir(tmp_path / "out")
    assert lineage.tell_start("build", output) is None
    assert events() == []


def test_a_transport_that_fails_fails_no_build(tmp_path, monkeypatch, caplog):
    output = write_folder(tmp_path / "out", DOCS)
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", '{"type": "file", "log_file_path": "/proc/no/"}')
    run_build(str(output), BuildOptions(rdf=None))
    assert "OpenLineage: " in caplog.text
    assert read_manifest(output)["state"] == "done"


def test_without_the_package(monkeypatch, caplog):
    monkeypatch.setenv("OPENLINEAGE_URL", "http://localhost:1")
    monkeypatch.setattr(lineage, "find_spec", lambda name: None)
    assert lineage.tell_start("build", "out") is None
    assert "OPENLINEAGE_URL is set, but openlineage-python is not installed; install it by" in (
        caplog.text
    )
