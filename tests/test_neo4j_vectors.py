"""Vectors of sentences in a real Neo4j, and the retrievers of neo4j-graphrag over them."""

import uuid

import numpy as np
import pytest

from helpers.extraction_folders import Doc, write_folder
from pfn_kg.pfn.inference.embedding import TextEmbedder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.sinks.neo4j.schema import TEXT_INDEX
from pfn_kg.sinks.neo4j.vectors import VECTOR_INDEX

ADA = Doc(
    "ada",
    "Ada Lovelace was born in London. NATO NATO NATO.",
    (("Ada Lovelace", "PER", 0.9), ("London", "LOC", 0.9)),
    (("Ada Lovelace", "place of birth", "London", 0.8),),
)
ROME = Doc("rome", "Rome slept.", (("Rome", "LOC", 0.9),))


def make(folder, docs):
    path = write_folder(folder, docs)
    run_build(path, BuildOptions(rdf=None, sentences=True))
    return path


@pytest.fixture
def graph(neo4j, monkeypatch):
    """The name of a graph that is not there yet, and not there after the test; nor is the index."""
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    name = f"vectors {uuid.uuid4().hex}"
    yield name
    neo4j.delete(name)
    neo4j.query(f"DROP INDEX {VECTOR_INDEX} IF EXISTS")


def load(path, graph, encoder):
    options = ["--neo4j-lexical", "--neo4j-vectors", str(encoder), "--replace"]
    return main(["load", str(path), "--graph", graph, *options])


def vectors_of(neo4j, graph):
    rows = neo4j.query(
        "MATCH (c:Chunk {graph: $graph}) RETURN c.text AS text, c.embedding AS vector", graph=graph
    )
    return {row["text"]: row["vector"] for row in rows}


def test_retrievers_find_sentences_by_vectors(tmp_path, neo4j, graph, tiny_model, capsys):
    retrievers = pytest.importorskip("neo4j_graphrag.retrievers", reason="needs the extra graphrag")
    from neo4j import GraphDatabase

    from pfn_kg.pipeline.adapters.graphrag import PfnEmbedder

    path = make(tmp_path / "run", [ADA, ROME])
    assert load(path, graph, tiny_model) == 0
    assert "3 sentences, 3 new vectors, " in capsys.readouterr().out
    texts = ["Ada Lovelace was born in London.", "NATO NATO NATO.", "Rome slept."]
    expected = TextEmbedder(tiny_model, device="cpu").embed(texts)
    found = vectors_of(neo4j, graph)
    assert [found[text] for text in texts] == pytest.approx(expected, abs=1e-5)
    embedder = PfnEmbedder(tiny_model, device="cpu")
    auth = (neo4j.environment["NEO4J_USERNAME"], neo4j.environment["NEO4J_PASSWORD"])
    with GraphDatabase.driver(neo4j.environment["NEO4J_URI"], auth=auth) as driver:
        plain = retrievers.VectorRetriever(
            driver, VECTOR_INDEX, embedder, return_properties=["text", "graph"]
        )
        (item,) = plain.search(query_text="Rome slept.", top_k=1).items
        assert "'text': 'Rome slept.'" in item.content
        assert item.metadata["score"] == pytest.approx(1, abs=1e-3)
        # From the nearest sentence to the facts that it is evidence of.
        cypher = retrievers.VectorCypherRetriever(
            driver,
            VECTOR_INDEX,
            "MATCH (e:Evidence)-[:FROM_CHUNK]->(node) "
            "MATCH (a:Entity {graph: node.graph})-[r {id: e.relation}]->(b) "
            "RETURN a.name + ' ' + r.predicate + ' ' + b.name AS fact",
            embedder,
        )
        (item,) = cypher.search(query_text=texts[0], top_k=1).items
        assert "Ada Lovelace place of birth London" in item.content
        hybrid = retrievers.HybridRetriever(driver, VECTOR_INDEX, TEXT_INDEX, embedder)
        contents = [item.content for item in hybrid.search(query_text="London", top_k=3).items]
        assert any("born in London" in content for content in contents)


def test_only_what_changed_is_read_again(tmp_path, neo4j, graph, tiny_model, capsys):
    path = make(tmp_path / "run", [ADA, ROME])
    assert load(path, graph, tiny_model) == 0
    before = vectors_of(neo4j, graph)
    assert load(path, graph, tiny_model) == 0
    assert " 0 new vectors, " in capsys.readouterr().out
    assert vectors_of(neo4j, graph) == before
    changed = make(
        tmp_path / "other", [ADA, Doc("rome", "Rome was in London.", (("Rome", "LOC", 0.9),))]
    )
    assert load(changed, graph, tiny_model) == 0
    assert " 1 new vectors, " in capsys.readouterr().out
    after = vectors_of(neo4j, graph)
    assert set(before) ^ set(after) == {"Rome slept.", "Rome was in London."}
    assert not np.allclose(after["Rome was in London."], before["Rome slept."], atol=1e-3)


def test_vectors_of_another_width_are_refused(tmp_path, neo4j, graph, tiny_model, capsys):
    neo4j.query(
        f"CREATE VECTOR INDEX {VECTOR_INDEX} FOR (n:Chunk) ON (n.embedding) "
        "OPTIONS {indexConfig: {`vector.dimensions`: 7}}"
    )
    assert load(make(tmp_path / "run", [ROME]), graph, tiny_model) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"pfn-kg: --neo4j-vectors: the index {VECTOR_INDEX} of the database")
    assert "of 7 numbers" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--neo4j-vectors", "nothing/there"], "--neo4j-vectors needs --neo4j-lexical"),
        (["--neo4j-lexical", "--neo4j-vectors", "/nothing"], "--neo4j-vectors: /nothing is no"),
    ],
)
def test_bad_calls(tmp_path, capsys, options, said):
    path = make(tmp_path / "run", [ROME])
    uri = ["--neo4j-uri", "bolt://127.0.0.1:1"]
    assert main(["load", str(path), *uri, *options]) == 2
    assert said in capsys.readouterr().err
