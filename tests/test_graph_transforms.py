"""`ReadGraph`, `WriteFiles`, `WriteRdf` and `WriteNeo4j` in pipelines of their own."""

import json
import os
import uuid
from pathlib import Path

import apache_beam as beam
import orjson
import pyarrow.parquet as pq
import pytest

from helpers.corpora import ROOT, TEXTS
from helpers.extraction_folders import DOCS, write_folder
from helpers.memory_file_system import upload
from helpers.output_folders import all_files, files, graph_folder, read_manifest
from pfn_kg import (
    ConfigurationError,
    ExtractTexts,
    Graph,
    ReadGraph,
    Rows,
    Sink,
    WriteFiles,
    WriteNeo4j,
    WriteRdf,
    Written,
)
from pfn_kg.pipeline import export as export_module
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.manifest import MANIFEST_VERSION, ExportManifest, find_any_manifest
from pfn_kg.pipeline.options import pipeline_options


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", DOCS)
    run_build(
        folder, BuildOptions(rdf=None, shard_rows=2, constraint_policy="keep", sentences=True)
    )
    return folder


def outcome(transform, place, *more, options=()):
    """What a root transform gives, read back from a file."""
    with beam.Pipeline(options=pipeline_options(options)) as pipeline:
        found = pipeline | transform
        for step in more:
            found = found | step
        _ = (
            found
            | "Spell" >> beam.Map(lambda element: json.dumps(element, sort_keys=True))
            | "Write" >> beam.io.WriteToText(str(place), shard_name_template="")
        )
    return [json.loads(line) for line in Path(place).read_text().splitlines()]


@pytest.mark.parametrize("table", ["entities", "relations", "triples", "documents", "sentences"])
def test_the_rows_of_a_table(folder, tmp_path, table):
    expected = pq.read_table(graph_folder(folder) / table).to_pylist()
    found = outcome(ReadGraph(folder, table), tmp_path / "rows")
    spelt = sorted(json.dumps(row, sort_keys=True) for row in expected)
    assert sorted(json.dumps(row, sort_keys=True) for row in found) == spelt
    assert len(found) > 1


def test_some_columns_in_a_pipeline(folder, tmp_path):
    found = outcome(
        ReadGraph(Path(folder), "relations", ["predicate", "confidence"]),
        tmp_path / "counts",
        beam.Filter(lambda row: row["confidence"] > 0),
        beam.Map(lambda row: row["predicate"]),
        beam.combiners.Count.PerElement(),
    )
    predicates = Graph.open(folder).relations["predicate"].to_pylist()
    assert dict(found) == {name: predicates.count(name) for name in predicates}


def test_what_cannot_be_read(folder, tmp_path):
    with pytest.raises(ConfigurationError, match="'facts' is no table of a graph"):
        ReadGraph(folder, "facts")
    with pytest.raises(ConfigurationError, match="entities: no column 'nam'"):
        ReadGraph(folder, "entities", ["nam"])
    with pytest.raises(ConfigurationError, match=r"no manifest\.json there"):
        ReadGraph(tmp_path, "entities")


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, []),
        (
            {"format": "trig", "provenance": "rdf12", "gzip": True, "label_language": "none"},
            ["--to", "trig", "--provenance", "rdf12", "--gzip", "--label-language", "none"],
        ),
        (
            {"min_confidence": 0.7, "relations": ["place of birth"], "format": "ntriples"},
            ["--min-confidence", "0.7", "--relations", "place of birth", "--to", "ntriples"],
        ),
    ],
)
def test_rdf_is_that_of_the_command(folder, tmp_path, options, flags):
    (counts,) = outcome(WriteRdf(folder, tmp_path / "ours", **options), tmp_path / "counts")
    assert main(["export", folder, "--output", str(tmp_path / "theirs"), *flags]) == 0
    ours = files(tmp_path / "ours")
    assert ours == files(tmp_path / "theirs")
    assert len(ours) >= 4
    said, expected = read_manifest(tmp_path / "ours"), read_manifest(tmp_path / "theirs")
    assert said.keys() == expected.keys()
    for name in said.keys() - {"seconds", "attempt"}:
        assert said[name] == expected[name], name
    assert said["state"] == "done"
    assert counts["rdf_triples"] == said["counts"]["rdf_triples"] > 5


def test_an_earlier_export_is_replaced(folder, tmp_path):
    output = tmp_path / "out"
    outcome(WriteRdf(folder, output, format="ntriples"), tmp_path / "counts")
    first = files(output)
    outcome(WriteRdf(folder, output), tmp_path / "counts")
    assert not first.keys() & files(output).keys() - {"ontology.ttl", "shapes.ttl", "void.ttl"}
    assert not [path for path in output.iterdir() if path.name.startswith(".")]
    # But nothing else.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("Dear")
    with pytest.raises(ConfigurationError, match="holds files that are no export"):
        WriteRdf(folder, tmp_path / "other")
    with pytest.raises(ConfigurationError, match="holds a run"):
        WriteRdf(folder, folder)


def test_files_appear_in_one_step_that_may_be_repeated(tmp_path, monkeypatch):
    output = tmp_path / "out"
    for name in ("old", "new"):
        (output / f".export-{name}").mkdir(parents=True)
        for number in range(3):
            (output / f".export-{name}" / f"{name}{number}.ttl").write_text(name)
    says = ExportManifest(export="rdf", state="done")
    export_module.publish(str(output), str(output / ".export-old"), says.changed(attempt="1"))
    assert {path.name for path in output.glob("*.ttl")} == {f"old{i}.ttl" for i in range(3)}

    def move_one(source, target, without=()):
        first = min((path.name for path in Path(source).iterdir()), default=None)
        (Path(source) / first).rename(Path(target) / first)
        raise ConnectionError("the worker died")

    arguments = str(output), str(output / ".export-new"), says.changed(attempt="2")
    with monkeypatch.context() as patch:
        patch.setattr(export_module, "move_files", move_one)
        with pytest.raises(ConnectionError):
            export_module.publish(*arguments)
    assert read_manifest(output)["state"] == "moving"
    new = {f"new{i}.ttl" for i in range(3)}
    for _ in range(2):
        export_module.publish(*arguments)
        assert {path.name for path in output.glob("*.ttl")} == new
        assert find_any_manifest(str(output)) == arguments[2].changed(version=MANIFEST_VERSION)


class JsonLinesSink(Sink):
    name = "jsonlines"
    stages = (("relations",),)

    def write(self, part: Rows) -> Written:
        lines = [orjson.dumps(row) + b"\n" for row in part.rows.to_pylist()]
        return Written({f"{part.name}.jsonl": b"".join(lines)}, {"jsonlines": len(lines)})

    def finish(self, counts):
        return Written({"README.txt": f"{counts['jsonlines']} relations\n".encode()})


def test_a_sink_of_one_s_own(folder, tmp_path):
    output = tmp_path / "out"
    transform = WriteFiles(folder, JsonLinesSink(), output, min_confidence=0.7)
    (counts,) = outcome(transform, tmp_path / "counts")
    wanted = [r for r in Graph.open(folder).relations.to_pylist() if r["confidence"] >= 0.7]
    rows = [
        json.loads(line)
        for path in output.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert {row["relation_id"] for row in rows} == {row["relation_id"] for row in wanted}
    assert (output / "README.txt").read_text() == f"{len(wanted)} relations\n"
    assert counts == {"jsonlines": len(wanted), "rejected": 0}
    assert 0 < len(wanted) < Graph.open(folder).relations.num_rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, "format: 'xml' is not one of turtle, ntriples, trig"),
        ({"provenance": "all"}, "provenance: 'all' is not one of none, statement, rdf12"),
        ({"label_language": "not a tag"}, "'not a tag' is no language tag"),
        ({"min_confidence": 2}, "confidence: 2 is not between 0 and 1"),
        ({"relations": ["lives in"]}, "has no relation 'lives in'"),
        ({"relations": "spouse"}, "give a list of names"),
    ],
)
def test_wrong_options_of_rdf(folder, tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        WriteRdf(folder, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_on_another_file_system(folder, tmp_path, memory):
    upload(all_files(folder), "memory://bucket/run")
    (counts,) = outcome(WriteRdf("memory://bucket/run", "memory://bucket/out"), tmp_path / "n")
    outcome(WriteRdf(folder, tmp_path / "out"), tmp_path / "n")
    for name, content in files(tmp_path / "out").items():
        assert memory[f"memory://bucket/out/{name}"] == content
    assert json.loads(memory["memory://bucket/out/manifest.json"])["state"] == "done"
    assert counts["rdf_triples"] > 5
    found = outcome(ReadGraph("memory://bucket/run", "entities", ["name"]), tmp_path / "names")
    assert len(found) == Graph.open(folder).entities.num_rows


@pytest.mark.parametrize(
    ("uri", "options", "message"),
    [
        ("http://localhost", {}, "'http://localhost' is not like neo4j://HOST:7687"),
        ("bolt://localhost", {"username": "neo4j"}, "give both of them or none"),
        (
            "bolt://localhost",
            {"username": "a", "password": "hunter2"},
            "give env:NAME or file:PATH",
        ),
        ("bolt://localhost", {"graph": " "}, "the name is empty"),
        ("bolt://localhost", {"writers": 0}, "0 is not 1 or more"),
        ("bolt://localhost", {"relations": ["lives in"]}, "has no relation 'lives in'"),
    ],
)
def test_wrong_options_of_neo4j(folder, uri, options, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        WriteNeo4j(folder, uri, **options)
    assert "hunter2" not in str(error.value)


def test_a_load_without_sentences(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(rdf=None))
    with pytest.raises(ConfigurationError, match="with `sentences`"):
        WriteNeo4j(folder, "bolt://localhost", lexical=True)


def test_neo4j(folder, tmp_path, neo4j, monkeypatch):
    monkeypatch.setenv("TEST_PASSWORD", neo4j.environment["NEO4J_PASSWORD"])
    name = f"transform-{uuid.uuid4().hex}"
    graph = Graph.open(folder)
    versions = []
    for _ in range(2):
        transform = WriteNeo4j(
            folder,
            neo4j.environment["NEO4J_URI"],
            database=neo4j.environment.get("NEO4J_DATABASE"),
            username=neo4j.environment.get("NEO4J_USERNAME", "neo4j"),
            password="env:TEST_PASSWORD",
            graph=name,
        )
        (counts,) = outcome(transform, tmp_path / "counts")
        assert counts["neo4j_entities"] == graph.entities.num_rows
        assert counts["neo4j_relations"] == graph.relations.num_rows
        assert counts["rejected"] == 0
        (row,) = neo4j.query(f"MATCH (n {{graph: '{name}'}}) RETURN count(n) AS n")
        assert row["n"] == graph.entities.num_rows
        (row,) = neo4j.query(f"MATCH ()-[r {{graph: '{name}'}}]->() RETURN count(r) AS n")
        assert row["n"] == graph.relations.num_rows
        load = read_manifest(Path(folder))["loads"][name]
        assert load["counts"] == counts
        versions.append(load["version"])
    assert versions[0] == versions[1]
    assert not list(Path(folder).glob(".load-*"))
    # The command takes it for the same graph, whole.
    server = ["--neo4j-uri", neo4j.uri, "--neo4j-password", "env:TEST_PASSWORD"]
    assert main(["load", folder, "--graph", name, *server]) == 0
    assert read_manifest(Path(folder))["loads"][name]["version"] == versions[0]


def test_on_prism(folder, tmp_path, tiny_model, monkeypatch):
    binary = os.environ.get("PFN_KG_PRISM")
    if not binary:
        pytest.skip("PFN_KG_PRISM names no Prism binary")
    # Workers are processes of their own, to which the transforms travel.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    prism = ["--runner=PrismRunner", f"--prism_location={binary}"]
    for name, options in (("local", []), ("prism", prism)):
        transform = WriteRdf(folder, tmp_path / name, provenance="statement")
        (counts,) = outcome(transform, tmp_path / "counts", options=options)
        assert counts["rdf_triples"] > 5
        rows = outcome(ReadGraph(folder, "entities"), tmp_path / "rows", options=options)
        assert len(rows) == Graph.open(folder).entities.num_rows
        texts = beam.Create([(i, text) for i, text in enumerate(TEXTS)], reshuffle=False)
        steps = (
            ExtractTexts(tiny_model, batch_characters=1),
            beam.Map(lambda record: record.to_dict()),
        )
        records = outcome(texts, tmp_path / name / "records.json", *steps, options=options)
        assert sorted(record["id"] for record in records) == [str(i) for i in range(len(TEXTS))]
        (tmp_path / name / "records.json").write_text(
            json.dumps(sorted(records, key=lambda record: record["id"]))
        )
    assert files(tmp_path / "local") == files(tmp_path / "prism")
