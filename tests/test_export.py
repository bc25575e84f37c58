"""Exports: what is written where, what passes the filters, and when a folder counts as whole."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.beam_runners import prism_options
from helpers.extraction_folders import DOCS, Doc, write_folder
from helpers.output_folders import files, read_manifest, table_rows
from pfn_kg.pipeline import write_graph
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.export import export
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.write_graph import run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.joined_columns import JOINED_COLUMNS
from pfn_kg.schemas.load_options import Filters
from pfn_kg.sinks.interface import RejectedRow, Sink, Written

DOCS_PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "write_a_sink.md"
MORE = [
    Doc(
        f"m{i}",
        f"Person {i} was born in London in 1{i:03d}. And London on Person {i}.",
        (
            (f"Person {i}", "PER", 0.9),
            ("London", "LOC", 0.9),
            (f"1{i:03d}", "TIME", 0.9),
        ),
        (
            (f"Person {i}", "place of birth", "London", 0.5 + 0.01 * i),
            (f"Person {i}", "date of birth", f"1{i:03d}", 0.9),
            (f"1{i:03d}", "spouse", f"Person {i}", 0.6),
        ),
    )
    for i in range(12)
]


class RowsSink(Sink):
    """Keeps what it is handed, as JSON."""

    name = "rows"
    stages = (("entities",), ("relations", "triples"), ("documents",))

    def __init__(self, one_writer=False, refuse="", broken=False):
        self.one_writer = one_writer
        self._refuse = refuse
        self._broken = broken
        self._opened = 0

    def open(self):
        assert not self._opened, "opened twice"
        self._opened += 1

    def close(self):
        self._opened -= 1

    def write(self, part):
        assert self._opened == 1
        if self._broken and part.table == "triples":
            raise OSError("the disk is full")
        rows = part.rows.to_pylist()
        refused = [row for row in rows if self._refuse and self._refuse in json.dumps(row)]
        kept = [row for row in rows if row not in refused]
        return Written(
            {f"{part.name}.json": json.dumps(kept).encode()},
            {part.table: len(kept), f"class:{part.table}": 1},
            tuple(RejectedRow("no", json.dumps(row)) for row in refused),
        )

    def finish(self, counts):
        assert self._opened == 1
        return Written({"end.json": json.dumps(counts).encode()}, {"finished": 1})


def make_run(folder, shard_rows):
    write_folder(folder, [*DOCS, *MORE])
    run_build(str(folder), BuildOptions(shard_rows=shard_rows, rdf=None, constraint_policy="keep"))
    return read_finished(str(folder))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("graph") / "run", shard_rows=8)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("graph") / "run", shard_rows=200_000)


def written(folder, name):
    files = sorted(Path(folder).glob(f"{name}-*.json"))
    return [row for file in files for row in json.loads(file.read_text())]


@pytest.mark.parametrize(
    ("of", "one_writer"), [("run", False), ("run", True), ("small_run", False)]
)
def test_a_sink_is_handed_all_rows_and_their_ends(request, tmp_path, of, one_writer):
    run = request.getfixturevalue(of)
    folder = str(tmp_path / "out")
    counts = run_sink(run, RowsSink(one_writer), folder)
    entities = {row["entity_id"]: row for row in table_rows(run.directory, "entities")}
    for name, ends in (
        ("relations", ("subject_id", "object_id")),
        ("triples", ("subject_entity_id", "object_entity_id")),
    ):
        rows = table_rows(run.directory, name)
        found = written(folder, name)
        assert counts[name] == len(rows) == len(found)
        assert [{k: row[k] for k in rows[0]} for row in found] == sorted(
            rows, key=lambda row: row["relation_id" if name == "relations" else "triple_id"]
        )
        for row in found:
            subject, object_ = (entities[row[end]] for end in ends)
            assert set(JOINED_COLUMNS.names) <= set(row)
            assert row["subject_kind"] == subject["kind"]
            assert row["object_kind"] == object_["kind"]
            assert row["object_value"] == object_["value"]
            assert row["object_datatype"] == object_["datatype"]
            is_value = object_["kind"] == "value"
            if is_value or name == "triples":
                assert row["object_type"] == object_["type"]
            else:
                assert row["object_type"] is None
    assert {row["subject_kind"] for row in written(folder, "relations")} == {"entity", "value"}
    assert (counts["finished"], counts["rejected"]) == (1, 0)
    assert json.loads(Path(folder, "end.json").read_text())["entities"] == len(entities)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(min_confidence=0.55),
        Filters(min_evidence=2),
        Filters(relations=("date of birth",)),
        Filters(min_confidence=0.6, min_evidence=1, relations=("place of birth", "spouse")),
    ],
)
def test_filters(run, tmp_path, filters):
    folder = str(tmp_path / "out")
    run_sink(run, RowsSink(), folder, filters=filters)
    relations = table_rows(run.directory, "relations")
    kept = {
        row["relation_id"]
        for row in relations
        if row["confidence"] >= filters.min_confidence - 1e-7
        and row["evidence_count"] >= filters.min_evidence
        and (filters.relations is None or row["predicate"] in filters.relations)
    }
    assert 0 < len(kept) < len(relations)
    assert {row["relation_id"] for row in written(folder, "relations")} == kept
    triples = [
        r["triple_id"] for r in table_rows(run.directory, "triples") if r["relation_id"] in kept
    ]
    assert [row["triple_id"] for row in written(folder, "triples")] == sorted(triples)
    # What relations pass changes nothing of the things that they are between.
    assert len(written(folder, "entities")) == len(table_rows(run.directory, "entities"))


def test_a_confidence_equal_to_the_filter_passes(run, tmp_path):
    # It is stored as a float of 32 bits, which is below the number that users write.
    chosen = Filters(min_confidence=0.9, relations=("date of birth",))
    run_sink(run, RowsSink(), str(tmp_path), filters=chosen)
    assert len(written(tmp_path, "relations")) >= 12


def test_what_a_sink_refuses_is_kept(run, tmp_path):
    counts = run_sink(run, RowsSink(refuse="Person 3"), str(tmp_path))
    rows = pq.read_table(tmp_path / "rejected.parquet").to_pylist()
    assert counts["rejected"] == len(rows) > 0
    assert {row["stage"] for row in rows} == {"rows"}
    assert all("Person 3" in row["payload"] and row["error"] == "no" for row in rows)


def test_many_refused_rows_are_put_together_piece_by_piece(run, tmp_path, monkeypatch):
    run_sink(run, RowsSink(refuse=" "), str(tmp_path / "whole"))
    monkeypatch.setattr(write_graph, "_REJECTED_PIECES", 4)
    monkeypatch.setattr(write_graph, "_REJECTED_ROWS", 1)
    counts = run_sink(run, RowsSink(refuse=" "), str(tmp_path / "pieces"))
    whole, pieces = (
        pq.ParquetFile(tmp_path / name / "rejected.parquet") for name in ("whole", "pieces")
    )
    assert (whole.num_row_groups, pieces.num_row_groups) == (1, 4)
    assert pieces.metadata.num_rows == counts["rejected"] > 20
    assert sorted(pieces.read().to_pylist(), key=repr) == sorted(whole.read().to_pylist(), key=repr)


def test_an_export_replaces_the_one_before_it(small_run, tmp_path):
    output = tmp_path / "out"
    directory = small_run.directory
    assert main(["export", directory, "--output", str(output)]) == 0
    assert main(["export", directory, "--output", str(output), "--to", "ntriples"]) == 0
    names = {path.name for path in output.iterdir()}
    assert {Path(name).suffix for name in names} == {".nt", ".ttl", ".json"}
    assert {n for n in names if n.endswith(".ttl")} == {"ontology.ttl", "shapes.ttl", "void.ttl"}
    manifest = read_manifest(output)
    assert (manifest["export"], manifest["state"]) == ("rdf", "done")
    assert manifest["options"]["format"] == "ntriples"
    assert manifest["source"]["run_id"] == small_run.run_id
    assert not any(":" in name for name in manifest["counts"])


def test_a_failed_export_is_not_taken_for_whole(small_run, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(Exception, match="the disk is full"):
        export(small_run, RowsSink(broken=True), str(output))
    assert list(output.iterdir()) == []
    # What a killed one left goes with the next.
    (output / ".export-killed").mkdir()
    (output / ".export-killed" / "entities.ttl").write_text("x")
    assert main(["export", small_run.directory, "--output", str(output)]) == 0
    assert not list(output.glob(".export-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output: name the folder"),
        (["--output", "OUT", "--min-confidence", "1.5"], "--min-confidence: 1.5 is not between"),
        (["--output", "OUT", "--min-evidence", "0"], "--min-evidence: 0 is not 1 or more"),
        (["--output", "OUT", "--relations", "no such"], "has no relation 'no such'"),
        (["--output", "OUT", "--relations", ","], "--relations: names no relations"),
        (["--output", "OUT", "--label-language", "?"], "--label-language: '?' is no language tag"),
        (["--output", "OTHER"], "holds files that are no export"),
        (["--output", "RUN"], "holds a run; choose another folder"),
    ],
)
def test_wrong_calls_exit_with_2_and_write_nothing(small_run, tmp_path, capsys, arguments, message):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    places = {"OUT": tmp_path / "out", "OTHER": tmp_path / "other", "RUN": small_run.directory}
    arguments = [str(places.get(argument, argument)) for argument in arguments]
    assert main(["export", small_run.directory, *arguments]) == 2
    line = capsys.readouterr().err
    assert message in line
    assert line.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["file"]


def test_only_finished_graphs_are_exported(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    out = str(tmp_path / "out")
    assert main(["export", folder, "--output", out]) == 2
    assert "its graph is not finished" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "nothing"), "--output", out]) == 2
    assert "no manifest.json there" in capsys.readouterr().err


def test_the_sink_of_the_docs_runs(small_run, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", DOCS_PAGE.read_text(), re.DOTALL)
    # A class must be importable where workers unpickle it.
    module = tmp_path / "jsonlines_sink.py"
    module.write_text(blocks[0])
    namespace: dict = {}
    exec(compile(blocks[0], str(module), "exec"), namespace)
    code = (
        blocks[1]
        .replace("runs/example", small_run.directory)
        .replace('"out"', repr(str(tmp_path / "out")))
    )
    exec(compile(code, "docs/how-to/write_a_sink.md", "exec"), namespace)
    lines = [
        json.loads(line)
        for file in sorted((tmp_path / "out").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    assert read_manifest(tmp_path / "out")["counts"]["jsonlines"] == len(lines) > 0
    assert all(line["confidence"] >= 0.7 - 1e-7 for line in lines)


def test_a_schema_given_to_build_is_that_of_the_export(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    with pytest.raises(ConfigurationError):
        read_finished(folder)
    run_build(folder, BuildOptions(base_iri="https://other.example/"))
    assert read_finished(folder).label_schema.base_iri == "https://other.example/"
    assert main(["export", folder, "--output", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "entities-00000-of-00001.ttl").read_text()
    assert "https://other.example/" in text
    assert "https://example.org" not in text


def test_on_prism(run, tmp_path, monkeypatch):
    beam_options = prism_options()
    if not beam_options:
        pytest.skip("PFN_KG_PRISM names no Prism binary")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    command = ["export", run.directory, "--to", "trig", "--provenance", "statement", "--output"]
    assert main([*command, str(tmp_path / "local")]) == 0
    assert main([*command, str(tmp_path / "prism"), "--", *beam_options]) == 0
    local, prism = (files(tmp_path / name) for name in ("local", "prism"))
    assert len(local) > 10
    assert prism == local
