"""The example scripts, and the README's first command with the shipped model."""

import os
import re
import subprocess
import sys

import pyoxigraph
import pytest
import rdflib

from helpers.corpora import ROOT
from helpers.output_folders import graph_folder, read_manifest, table_rows
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.readers.records import Annotated
from pfn_kg.pipeline.cli import main


def test_the_example_gives_a_graph(example_run):
    output, said = example_run
    assert "40 documents" in said
    assert read_manifest(output)["state"] == "done"
    found = {
        (row["subject_text"], row["relation"], row["object_text"])
        for row in table_rows(output, "triples")
    }
    assert ("Newell Convers Wyeth", "date_of_birth", "October 22, 1882") in found
    assert ("Eidenmüller", "place_of_birth", "Munich") in found
    graph, statements = rdflib.Graph(), 0
    for path in sorted((graph_folder(output) / "rdf").glob("*.ttl")):
        graph.parse(path)
        statements += sum(
            1 for _ in pyoxigraph.parse(path=path, format=pyoxigraph.RdfFormat.TURTLE)
        )
    assert len(graph) > 1000
    # Both readers agree, and no file repeats what another says.
    assert statements == len(graph)
    born = rdflib.Literal("1882-10-22", datatype=rdflib.XSD.date)
    assert list(graph.subjects(object=born))


def test_one_country_is_one_entity(example_run):
    output, _ = example_run
    us = {"US", "U.S.", "USA", "United States", "the United States", "America", "American"}
    rows = [row for row in table_rows(output, "mentions") if row["text"] in us]
    assert {row["text"] for row in rows} >= {"US", "U.S.", "United States", "American"}
    assert len({row["entity_id"] for row in rows}) == 1
    [country] = [e for e in table_rows(output, "entities") if e["name"] == "United States"]
    assert {row["entity_id"] for row in rows} == {country["entity_id"]}
    assert {"name": "American", "type": "LOC", "rule": "demonyms"} in country["joined_by"]


@pytest.fixture(scope="module")
def example_rdf(example_run, tmp_path_factory):
    """The export that docs/tutorials/sparql.md asks."""
    output = tmp_path_factory.mktemp("export") / "example-rdf"
    options = ["--provenance", "statement", "--output", str(output)]
    assert main(["export", str(example_run[0]), *options]) == 0
    return output


@pytest.mark.parametrize(
    ("title", "question", "answer"),
    re.findall(
        r"^## (.*?)$.*?```sparql\n(.*?)```.*?```text\n(.*?)```",
        (ROOT / "docs" / "tutorials" / "sparql.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    ),
)
def test_the_questions_of_the_docs(example_rdf, capsys, title, question, answer):
    capsys.readouterr()
    assert main(["query", str(example_rdf), question]) == 0
    assert capsys.readouterr().out == answer


def test_the_example_conforms_to_its_shapes(example_rdf):
    from pyshacl import validate

    graph = rdflib.Graph()
    for path in sorted(example_rdf.glob("*-of-*")):
        graph.parse(path)
    shapes = rdflib.Graph().parse(example_rdf / "shapes.ttl")
    conforms, _, report = validate(graph, shacl_graph=shapes, allow_warnings=True)
    assert conforms, report


def test_training_data_of_several_sets(tmp_path):
    """The scripts that make the shipped model's data give files that the trainer reads."""
    folder = os.environ.get("PFN_KG_DATASETS")
    if not folder:
        pytest.skip("PFN_KG_DATASETS names no folder of data sets")
    scripts = ROOT / "examples" / "training"
    for script, options in (
        ("partial_data.py", ["--folds", "1", "--entity-documents", "5"]),
        ("development_data.py", []),
    ):
        path = tmp_path / script.replace(".py", ".json")
        command = [sys.executable, str(scripts / script), folder, "-o", str(path), *options]
        subprocess.run(command, check=True)
        documents = read(path, "docred").documents
        annotated = {document.annotated for document in documents}
        assert Annotated() in annotated
        assert len(annotated) > 5
        assert all(document.clusters for document in documents if document.facts)
