"""The example scripts, and the README's first command with the shipped model."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pyoxigraph
import pytest
import rdflib
from corpora import ROOT, manifest

from pfn.checkpoint import DEFAULT_MODEL, shipped_models
from pipeline.cli import main


def to_parquet(*arguments):
    script = ROOT / "examples" / "to_parquet.py"
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_json_lines_become_parquet(tmp_path):
    source, target = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    records = [{"key": 1, "body": "Zürich 👩‍🚀"}, {"key": "b", "body": "two", "title": "T"}]
    source.write_text("\n".join(map(json.dumps, records)) + "\n\n")
    fields = ("--id-field", "key", "--text-field", "body")
    assert to_parquet(source, "-o", target, *fields).returncode == 0
    assert pq.read_table(target).to_pylist() == [
        {"id": "1", "title": None, "text": "Zürich 👩‍🚀"},
        {"id": "b", "title": "T", "text": "two"},
    ]
    source.write_text('{"key": 1, "body": "x"}\n{"key": 2}\n')
    wrong = to_parquet(source, "-o", target, *fields)
    assert wrong.returncode == 1
    assert "a.jsonl: line 2: KeyError: 'body'" in wrong.stderr


def test_text_files_become_parquet(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"Text {name}.\n")
    target = tmp_path / "t.parquet"
    files = (tmp_path / "a.txt", tmp_path / "b.txt")
    assert to_parquet(*files, "-o", target).returncode == 0
    assert [row["text"] for row in pq.read_table(target).to_pylist()] == ["Text a.\n", "Text b.\n"]


@pytest.mark.skipif(DEFAULT_MODEL not in shipped_models(), reason="no model is shipped")
def test_the_example_gives_a_graph(tmp_path, capsys):
    output = tmp_path / "example"
    assert main(["run", str(ROOT / "examples" / "corpus"), "--output", str(output)]) == 0
    assert "40 documents" in capsys.readouterr().out
    assert manifest(output)["state"] == "done"
    found = {
        (row["subject_text"], row["relation"], row["object_text"])
        for row in pq.read_table(output / "triples").to_pylist()
    }
    assert ("Newell Convers Wyeth", "date_of_birth", "October 22, 1882") in found
    assert ("Eidenmüller", "place_of_birth", "Munich") in found
    graph, statements = rdflib.Graph(), 0
    for path in sorted((output / "rdf").glob("*.ttl")):
        graph.parse(path)
        statements += sum(
            1 for _ in pyoxigraph.parse(path=path, format=pyoxigraph.RdfFormat.TURTLE)
        )
    assert len(graph) > 1000
    # Both readers agree, and no file repeats what another says.
    assert statements == len(graph)
    born = rdflib.Literal("1882-10-22", datatype=rdflib.XSD.date)
    assert list(graph.subjects(object=born))
