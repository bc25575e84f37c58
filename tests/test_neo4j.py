"""Loads into a real Neo4j: what is there afterwards, and what is left alone."""

import json
import os
import pickle
import threading
import uuid
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.beam_runners import prism_options
from helpers.corpora import ROOT, TEXTS, write_corpus
from helpers.corpora import run as run_corpus
from helpers.examples import examples
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import graph_folder, list_again, read_manifest, table_rows
from helpers.ports import free_port
from helpers.texts import TEXT
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.write_graph import WriteGraph
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import Rows
from pfn_kg.sinks.neo4j.connection import Neo4jServer, Neo4jUnavailableError
from pfn_kg.sinks.neo4j.long_texts import MOST_BYTES
from pfn_kg.sinks.neo4j.schema import quoted
from pfn_kg.sinks.neo4j.sink import Neo4jOptions, Neo4jSink
from pfn_kg.transforms.tables.parts import find_parts
from pfn_kg.transforms.tables.sentence_contents import with_contents

PEOPLE = [
    Doc(
        f"m{i}",
        f"Person {i} was born in London in 1{i:03d}. And London on Person {i}.",
        (
            (f"Person {i}", "PER", 0.9),
            ("London", "LOC", 0.9),
            ("London", "LOC", 0.8, 1),
            (f"Person {i}", "PER", 0.9, 1),
            (f"1{i:03d}", "TIME", 0.9),
        ),
        (
            (f"Person {i}", "place of birth", "London", 0.5 + 0.04 * i),
            (f"Person {i}", "date of birth", f"1{i:03d}", 0.9),
            (f"1{i:03d}", "spouse", f"Person {i}", 0.6),
        ),
        metadata=json.dumps(
            {
                "url": f"https://example.org/{i}",
                "year": 1900 + i,
                "tags": ["a", "b"],
                "mixed": [1, "a"],
                "nested": {"a": [1]},
                "huge": 2**70,
                "nothing": None,
                "id": "not ours",
                "`odd` \u0060 key": "yes",
            }
        ),
    )
    for i in range(10)
] + [Doc("w", "Weak Name sat.", (("Weak Name", "PER", 0.6),))]


def make_run(folder, **options):
    write_folder(folder, [*DOCS, *PEOPLE])
    options = {
        "shard_rows": 8,
        "rdf": None,
        "constraint_policy": "keep",
        "sentences": True,
    } | options
    run_build(str(folder), BuildOptions(**options))
    return str(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("graph") / "run")


@pytest.fixture
def graph(neo4j, monkeypatch):
    """The name of a graph that is not there yet, and not there after the test."""
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    name = f"test {uuid.uuid4().hex}"
    yield name
    neo4j.delete(name)


def load(directory, graph, *options):
    return main(["load", directory, "--graph", graph, *options])


def rejected(directory):
    files = list((Path(directory) / "rejected").glob("neo4j-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def expected_graph(directory, graph, of=lambda row: True):
    nodes, kinds = [], {}
    labels = {"PER": "PER", "LOC": "LOC", "TIME": "TIME"}
    for row in table_rows(directory, "entities"):
        kinds[row["entity_id"]] = row["kind"]
        properties = {name: row[name] for name in ("name", "aliases", "mentions", "documents")}
        if row["kind"] == "value":
            properties |= {name: row[name] for name in ("value", "datatype")}
        nodes.append(
            {
                "labels": sorted([row["kind"].capitalize(), labels[row["type"]]]),
                "properties": {**properties, "id": row["entity_id"], "graph": graph},
            }
        )
    relationships = [
        {
            "start": row["subject_id"],
            "type": row["predicate"].upper().replace(" ", "_"),
            "end": row["object_id"],
            "properties": {
                **{
                    name: row[name]
                    for name in row
                    if name not in ("relation_id", "subject_id", "object_id")
                },
                "id": row["relation_id"],
                "graph": graph,
            },
        }
        for row in filter(of, table_rows(directory, "relations"))
    ]
    return nodes, relationships


def same(found, wanted):
    for some, others in zip(found, wanted, strict=True):
        key = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
        assert sorted(some, key=key) == sorted(others, key=key)


@pytest.mark.parametrize("writers", [1, 3])
def test_the_database_holds_what_the_tables_hold(run, neo4j, graph, capsys, monkeypatch, writers):
    threads = set()
    write = Neo4jServer.write

    def watched(self, *arguments):
        threads.add(threading.get_ident())
        return write(self, *arguments)

    monkeypatch.setattr(Neo4jServer, "write", watched)
    assert load(run, graph, "--neo4j-writers", str(writers)) == 0
    # Several transactions may run side by side only if there are several writers.
    assert (len(threads) > 1) == (writers > 1)
    wanted = expected_graph(run, graph)
    assert f"{len(wanted[0])} nodes, {len(wanted[1])} relationships" in capsys.readouterr().out
    same(neo4j.graph(graph), wanted)


def test_twice_is_once(run, neo4j, graph, capsys):
    assert load(run, graph) == 0
    once = neo4j.graph(graph)
    assert load(run, graph) == 0
    assert "0 older ones deleted, 0 rejected" in capsys.readouterr().out
    assert neo4j.graph(graph) == once
    constraints = neo4j.query("SHOW CONSTRAINTS YIELD labelsOrTypes, properties")
    for label in ("Entity", "Value"):
        assert {"labelsOrTypes": [label], "properties": ["graph", "id"]} in constraints
    found = neo4j.query(
        "CALL db.index.fulltext.queryNodes('pfn_kg_entity_names', 'lovelace') YIELD node "
        "WHERE node.graph = $graph RETURN node.name AS name",
        graph=graph,
    )
    assert [row["name"] for row in found] == ["ADA LOVELACE"]


def test_the_database_mirrors_the_folder(tmp_path, neo4j, graph, capsys):
    folder = make_run(tmp_path / "run")
    other = f"{graph} other"
    try:
        assert load(folder, graph) == 0
        assert load(folder, other, "--relations", "spouse") == 0
        before = neo4j.graph(other)
        # What others wrote, on our nodes and on their own; one hangs on what will be gone.
        neo4j.query(
            "MATCH (a:Entity {graph: $graph, name: 'London'}), "
            "(v:Entity {graph: $graph, name: 'Weak Name'}) "
            "SET a.embedding = [0.5], a:Reviewed "
            "CREATE (u:User {graph: $graph, id: '1'})-[:LIKES]->(a), (u)-[:LIKES]->(v)",
            graph=graph,
        )
        run_build(folder, BuildOptions(relation_threshold=0.7, entity_threshold=0.9, rdf=None))
        capsys.readouterr()
        assert load(folder, graph) == 0
        said = capsys.readouterr()
        nodes, relationships = expected_graph(folder, graph)
        assert neo4j.query("MATCH (a:Reviewed {graph: $graph}) RETURN a.embedding", graph=graph)
        assert len(neo4j.query("MATCH (:User {graph: $graph})-[r]->() RETURN r", graph=graph)) == 2
        neo4j.query("MATCH (u:User {graph: $graph}) DETACH DELETE u", graph=graph)
        neo4j.query("MATCH (a:Reviewed) REMOVE a:Reviewed, a.embedding")
        found = neo4j.graph(graph)
        ours = {row["entity_id"] for row in table_rows(folder, "entities")}
        kept = [row for row in found[0] if row["properties"]["id"] not in ours]
        assert [row["properties"]["name"] for row in kept] == ["Weak Name"]
        assert "1 nodes are no longer in the graph, but stay" in said.err
        same([[row for row in found[0] if row not in kept], found[1]], [nodes, relationships])
        assert neo4j.graph(other) == before
        # Now nothing holds it.
        assert load(folder, graph) == 0
        same(neo4j.graph(graph), [nodes, relationships])
    finally:
        neo4j.delete(other)


def test_a_graph_of_another_run_is_replaced_only_when_asked(tmp_path, run, neo4j, graph, capsys):
    folder = write_folder(tmp_path / "run", DOCS[:2])
    run_build(folder, BuildOptions(rdf=None))
    assert load(run, graph) == 0
    before = neo4j.graph(graph)
    assert load(folder, graph) == 2
    assert f"holds a graph {graph!r} of another run" in capsys.readouterr().err
    assert neo4j.graph(graph) == before
    assert load(folder, graph, "--replace") == 0
    same(neo4j.graph(graph), expected_graph(folder, graph))


def test_filters(run, neo4j, graph):
    options = ("--min-confidence", "0.6", "--relations", "place of birth, spouse")
    assert load(run, graph, *options) == 0
    wanted = expected_graph(
        run,
        graph,
        lambda row: (
            row["confidence"] >= 0.6 - 1e-7 and row["predicate"] in ("place of birth", "spouse")
        ),
    )
    assert 0 < len(wanted[1]) < len(table_rows(run, "relations"))
    same(neo4j.graph(graph), wanted)


def test_run_and_build_load(tmp_path, tiny_model, neo4j, graph, capsys):

    write_corpus(tmp_path / "in.parquet")
    options = ("--neo4j-uri", neo4j.uri, "--graph", graph, "--neo4j-lexical")
    assert run_corpus(tmp_path / "in.parquet", tmp_path / "out", tiny_model, *options) == 0
    assert "5 documents" in capsys.readouterr().out
    loaded = neo4j.graph(graph)
    assert len(loaded[0]) > 20
    manifest = read_manifest(tmp_path / "out")
    assert manifest["state"] == "done"
    assert manifest["loads"][graph]["counts"]["neo4j_documents"] == 5
    assert main(["build", str(tmp_path / "out"), *options]) == 0
    assert neo4j.graph(graph) == loaded


def test_documents_that_come_and_go(tmp_path, tiny_model, neo4j, graph):
    first = write_corpus(tmp_path / "a.parquet", TEXTS[:2])
    second = write_corpus(tmp_path / "b.parquet", TEXTS[1:])
    out, only = tmp_path / "out", tmp_path / "only"
    to = ("--neo4j-uri", neo4j.uri, "--graph", graph, "--neo4j-lexical", "--no-rdf")
    other = f"{graph} other"

    def loaded(name):
        parts = neo4j.graph(name)
        for row in (row for part in parts for row in part):
            assert row["properties"].pop("graph") == name
        return parts

    assert run_corpus(first, out, tiny_model, *to) == 0
    before = loaded(graph)
    assert main(["run", str(second), "--into", str(out), *to]) == 0
    assert len(loaded(graph)[0]) > len(before[0])
    assert main(["remove", str(out), "--documents", "a0,a1", *to]) == 0
    assert run_corpus(second, only, tiny_model, *to[:3], other, *to[4:]) == 0
    try:
        same(loaded(graph), loaded(other))
    finally:
        neo4j.delete(other)


def test_text_and_evidence(run, neo4j, graph):
    assert load(run, graph, "--neo4j-lexical") == 0
    # From a relationship to the sentences that say it, as a retriever would go.
    found = neo4j.query(
        "MATCH (a:__Entity__ {graph: $graph})-[r:PLACE_OF_BIRTH]->(b:__Entity__) "
        "UNWIND r.evidence AS id "
        "MATCH (e:Evidence {graph: $graph, id: id})-[:FROM_CHUNK]->(c:Chunk)"
        "-[:FROM_DOCUMENT]->(d:Document) "
        "RETURN a.name AS subject, b.name AS object, c.text AS text, d.id AS document, "
        "e.relation = r.id AS same",
        graph=graph,
    )
    triples = [t for t in table_rows(run, "triples") if t["relation"] == "place of birth"]
    assert {(row["document"], row["text"]) for row in found} == {
        (t["document_id"], t["evidence_text"]) for t in triples
    }
    for row in found:
        assert row["same"]
        assert row["object"].lower() in " ".join(row["text"].split()).lower()
    # Every triple is evidence, every sentence a chunk, every mention counted.
    evidence = neo4j.query("MATCH (e:Evidence {graph: $graph}) RETURN e.id AS id", graph=graph)
    assert sorted(row["id"] for row in evidence) == [
        t["triple_id"] for t in table_rows(run, "triples")
    ]
    chunks = neo4j.query(
        "MATCH (c:Chunk {graph: $graph})-[:FROM_DOCUMENT]->(d) "
        "RETURN d.id AS document_id, c.index AS sentence_index, c.begin AS begin, c.end AS end, "
        "c.text AS text, c.id AS id ORDER BY document_id, sentence_index",
        graph=graph,
    )
    for row in chunks:
        assert row.pop("id") == f"{row['document_id']}#{row['sentence_index']}"
    sentences = table_rows(run, "sentences")
    assert chunks == sorted(sentences, key=lambda s: (s["document_id"], s["sentence_index"]))
    following = neo4j.query(
        "MATCH (a:Chunk {graph: $graph})-[:NEXT_CHUNK]->(b) "
        "RETURN b.index - a.index AS step, split(a.id, '#')[0] = split(b.id, '#')[0] AS same",
        graph=graph,
    )
    documents = table_rows(run, "documents")
    assert len(following) == sum(max(d["sentences"] - 1, 0) for d in documents)
    assert all(row == {"step": 1, "same": True} for row in following)
    counted = neo4j.query(
        "MATCH (n)-[r:MENTIONED_IN {graph: $graph}]->(d:Document) "
        "RETURN n.id AS entity, d.id AS document, r.count AS count",
        graph=graph,
    )
    wanted: dict = {}
    for m in table_rows(run, "mentions"):
        key = (m["entity_id"], m["document_id"])
        wanted[key] = wanted.get(key, 0) + 1
    assert {(row["entity"], row["document"]): row["count"] for row in counted} == wanted
    assert max(wanted.values()) > 1
    links = neo4j.query(
        "MATCH (n)-[r:FROM_CHUNK {graph: $graph}]->(c) WHERE n:Entity OR n:Value "
        "RETURN n.id AS entity, c.id AS chunk",
        graph=graph,
    )
    assert sorted((row["entity"], row["chunk"]) for row in links) == sorted(
        {
            (m["entity_id"], f"{m['document_id']}#{m['sentence_index']}")
            for m in table_rows(run, "mentions")
        }
    )
    [document] = neo4j.query(
        "MATCH (d:Document {graph: $graph, id: 'm3'}) RETURN properties(d) AS d", graph=graph
    )
    properties = document["d"]
    del properties["version"]
    assert properties == {
        "id": "m3",
        "graph": graph,
        "source_file": "corpus.parquet",
        "source_row": 10,
        "url": "https://example.org/3",
        "year": 1903,
        "tags": ["a", "b"],
        "mixed": '[1, "a"]',
        "nested": '{"a": [1]}',
        "huge": str(2**70),
        "metadata_id": "not ours",
        "`odd` \u0060 key": "yes",
    }
    # Writers side by side write the same; without the option the text goes again.
    before = neo4j.graph(graph)
    assert load(run, graph, "--neo4j-lexical", "--neo4j-writers", "2") == 0
    assert neo4j.graph(graph) == before
    assert load(run, graph) == 0
    found = neo4j.graph(graph)
    for row in found[0]:
        row["labels"] = [label for label in row["labels"] if label != "__Entity__"]
    same(found, expected_graph(run, graph))


def test_text_needs_the_table_of_sentences(tmp_path, neo4j, graph, capsys):
    folder = make_run(tmp_path / "run", sentences=False)
    assert load(folder, graph, "--neo4j-lexical") == 2
    line = capsys.readouterr().err
    assert "--neo4j-lexical: " in line
    assert "--sentences" in line
    assert neo4j.graph(graph) == ([], [])


def server_of(neo4j):
    environment = neo4j.environment
    return Neo4jServer(
        uri=neo4j.uri,
        database=environment.get("NEO4J_DATABASE"),
        username=environment.get("NEO4J_USERNAME", "neo4j"),
        password="env:NEO4J_PASSWORD",
    )


def entity_rows(names, aliases=()):
    rows = [
        {
            "entity_id": f"{number:024x}",
            "kind": "entity",
            "name": name,
            "type": "PER",
            "aliases": list(aliases),
            "mentions": 1,
            "documents": 1,
        }
        for number, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, TABLE_SCHEMAS["entities"])


HOSTILE = [
    "`",
    "``) DETACH DELETE n //",
    "\\u0060",
    "\u0060",
    "'); MATCH (n) DETACH DELETE n; //",
    '"}) SET n:Admin',
    "$rows",
    "a\x00b",
    "\n",
    "\\",
    "',\\",
    "\x1f",
    "",
]


@examples(15, shared_fixtures=True)
@given(st.lists(TEXT | st.sampled_from(HOSTILE), max_size=30), TEXT.filter(str.strip))
def test_names_stay_data(neo4j, monkeypatch, names, suffix):
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    names = [*HOSTILE, *names]
    graph = f"test {uuid.uuid4().hex} {suffix}"
    sink = Neo4jSink(LABEL_SCHEMA, server_of(neo4j), Neo4jOptions(graph, f"run.{suffix}"))
    sink.open()
    try:
        sink.prepare()
        before = neo4j.query("MATCH (n) RETURN count(n) AS n")
        written = sink.write(Rows("entities", 0, 1, entity_rows(names, names)))
        assert list(written.rejected) == []
        nodes, _ = neo4j.graph(graph)
        found = {row["properties"]["id"]: row["properties"] for row in nodes}
        assert [found[i]["name"] for i in sorted(found)] == names
        assert all(row["aliases"] == names and row["graph"] == graph for row in found.values())
        assert all(row["labels"] == ["Entity", "PER"] for row in nodes)
        labels = {row["label"] for row in neo4j.query("CALL db.labels()")}
        assert "Admin" not in labels
    finally:
        sink.close()
        neo4j.delete(graph)
    after = neo4j.query("MATCH (n) RETURN count(n) AS n")
    assert after == before


@pytest.mark.parametrize("name", ["", "a b", "a`b", "1a", "a\\u0060", "a\n", "a-b", "a\u200bb"])
def test_only_plain_names_become_labels(name):
    with pytest.raises(ValueError, match="is no label"):
        quoted(name)
    assert quoted("Käse_1") == "`Käse_1`"


def test_many_rows_that_are_refused_are_not_a_server_that_refuses_all(neo4j, graph):
    """Only if no row of a large batch passes, it is not the rows."""
    too_long = ["x" * 10_000] * 100
    foreign_index(neo4j)
    sink = Neo4jSink(LABEL_SCHEMA, server_of(neo4j), Neo4jOptions(graph, "run.v"))
    sink.open()
    try:
        sink.prepare()
        written = sink.write(Rows("entities", 0, 1, entity_rows([*too_long, "short"])))
        assert (len(written.rejected), written.counts["neo4j_entities"]) == (100, 1)
        with pytest.raises(Neo4jUnavailableError, match=r"every row is refused: .*too large"):
            sink.write(Rows("entities", 0, 1, entity_rows(too_long)))
    finally:
        sink.close()
        neo4j.query("DROP INDEX foreign_aliases")


def foreign_index(neo4j):
    """Somebody else's index, which does not take an alias of more than 8164 bytes."""
    neo4j.query("CREATE INDEX foreign_aliases FOR (n:Entity) ON (n.aliases)")
    neo4j.query("CALL db.awaitIndexes(300)")


def test_what_the_server_refuses_is_kept(tmp_path, neo4j, graph, capsys):
    foreign_index(neo4j)
    try:
        check_what_the_server_refuses(tmp_path, neo4j, graph, capsys)
    finally:
        neo4j.query("DROP INDEX foreign_aliases")


def check_what_the_server_refuses(tmp_path, neo4j, graph, capsys):
    folder = make_run(tmp_path / "run")
    path = next((graph_folder(tmp_path / "run") / "entities").glob("*.parquet"))
    table = pq.read_table(path)
    names = table["name"].to_pylist()
    position = table["kind"].to_pylist().index("entity")
    guilty = table["entity_id"][position].as_py()
    # More than an index of Neo4j takes: the name is cut, and whole among the aliases.
    names[position] = "x" * 10_000
    pq.write_table(table.set_column(table.column_names.index("name"), "name", [names]), path)
    list_again(folder)
    assert load(folder, graph, "--max-rejected", "0") == 1
    assert load(folder, graph) == 0
    of_it = [
        row
        for row in table_rows(folder, "relations")
        if guilty in (row["subject_id"], row["object_id"])
    ]
    assert f"{1 + len(of_it)} rejected" in capsys.readouterr().out
    first, *others = sorted(rejected(folder), key=lambda row: -len(row["payload"]))
    assert first["stage"] == "neo4j"
    assert "too large to index" in first["error"]
    assert json.loads(first["payload"])["id"] == guilty
    assert [row["error"] for row in others] == ["a node at one of its ends is not there"] * len(
        of_it
    )
    assert {json.loads(row["payload"])["id"] for row in others} == {
        row["relation_id"] for row in of_it
    }
    nodes, relationships = neo4j.graph(graph)
    assert len(nodes) == len(table_rows(folder, "entities")) - 1
    assert len(relationships) == len(table_rows(folder, "relations")) - len(of_it)
    pq.write_table(table, path)
    list_again(folder)
    assert load(folder, graph) == 0
    assert rejected(folder) == []
    same(neo4j.graph(graph), expected_graph(folder, graph))


@pytest.mark.parametrize("length", [6_999, 7_001, 8_164, 8_165, 40_000])
@pytest.mark.parametrize("character", ["x", "東"])
def test_texts_that_are_longer_than_an_index_takes(neo4j, graph, length, character):
    name = character * (length // len(character.encode()))
    options = Neo4jOptions(graph, "run.v", lexical=True)
    sink = Neo4jSink(LABEL_SCHEMA, server_of(neo4j), options)
    sink.open()
    try:
        sink.prepare()
        entities = entity_rows([name], ["other"])
        assert list(sink.write(Rows("entities", 0, 1, entities)).rejected) == []
        documents = pa.Table.from_pylist(
            [{"document_id": name, "title": name}], TABLE_SCHEMAS["documents"]
        )
        assert list(sink.write(Rows("documents", 0, 1, documents)).rejected) == []
        sentence = {"document_id": name, "sentence_index": 0, "begin": 0, "end": 1, "text": name}
        sentences = pa.Table.from_pylist([sentence], TABLE_SCHEMAS["sentences"])
        sentences = with_contents(sentences, [], [])
        assert list(sink.write(Rows("sentences", 0, 1, sentences)).rejected) == []
    finally:
        sink.close()
    (entity,) = neo4j.query("MATCH (n:Entity {graph: $graph}) RETURN n", graph=graph)
    (document,) = neo4j.query(
        "MATCH (c:Chunk {graph: $graph})-[:FROM_DOCUMENT]->(n:Document) RETURN n, c.text AS text",
        graph=graph,
    )
    assert document["text"] == document["n"]["title"] == name
    if len(name.encode()) <= MOST_BYTES:
        assert (entity["n"]["name"], entity["n"]["aliases"]) == (name, ["other"])
        assert document["n"]["id"] == name
        assert "whole_id" not in document["n"]
    else:
        assert entity["n"]["name"].endswith("…")
        assert name.startswith(entity["n"]["name"][:-1])
        assert entity["n"]["aliases"] == [name, "other"]
        assert document["n"]["whole_id"] == name
        assert len(document["n"]["id"]) < 300


def test_years_before_christ_load(neo4j, graph):
    rows = entity_rows(["44 BC"])
    for column, value in (("kind", "value"), ("type", "TIME"), ("value", "-0043")):
        rows = rows.set_column(rows.column_names.index(column), column, [[value]])
    index = rows.column_names.index("datatype")
    rows = rows.set_column(index, "datatype", [["xsd:gYear"]])
    sink = Neo4jSink(LABEL_SCHEMA, server_of(neo4j), Neo4jOptions(graph, "run.v"))
    sink.open()
    try:
        sink.prepare()
        assert list(sink.write(Rows("entities", 0, 1, rows)).rejected) == []
    finally:
        sink.close()
    # `value` is the text that the tables hold; an astronomical year is what it is as a number.
    (found,) = neo4j.query(
        "MATCH (n:Value:TIME {graph: $graph}) RETURN n.value AS value, toInteger(n.value) AS year",
        graph=graph,
    )
    assert found == {"value": "-0043", "year": -43}


@pytest.mark.parametrize(
    ("options", "variables", "message"),
    [
        (["--neo4j-uri", "bolt://127.0.0.1:FREE"], {}, "bolt://127.0.0.1:FREE: no Neo4j answers"),
        (["--neo4j-uri", "neo4j://127.0.0.1:FREE"], {}, "neo4j://127.0.0.1:FREE: no Neo4j answ"),
        (["--neo4j-uri", "http://h"], {}, "--neo4j-uri: 'http://h' is not like neo4j://"),
        (["--neo4j-uri", "bolt://a:pass@h"], {}, "--neo4j-uri: no user and no password in it"),
        (["--neo4j-password", "canary-x"], {}, "--neo4j-password: give env:NAME or file:PATH"),
        (["--neo4j-password", "env:NOT_SET"], {}, "env:NOT_SET: this variable is not set"),
        (["--neo4j-password", "file:/no/such"], {}, "file:/no/such: No such file"),
        ([], {"NEO4J_PASSWORD": "canary-x"}, "URI: the server does not accept user 'neo4j', the p"),
        (["--neo4j-database", "nosuch"], {}, "URI: the server has no database 'nosuch'"),
        (["--neo4j-writers", "0"], {}, "--neo4j-writers: 0 is not 1 or more"),
        (["--graph", " "], {}, "--graph: the name is empty"),
        (["--min-confidence", "2"], {}, "--min-confidence: 2.0 is not between 0 and 1"),
        (["--relations", "nope"], {}, "--relations: the label schema has no relation 'nope'"),
        ([], {"NEO4J_URI": ""}, "--neo4j-uri: name the server, here or in NEO4J_URI"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    run, neo4j, graph, monkeypatch, capsys, options, variables, message
):
    port = str(free_port())
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load(run, graph, *(option.replace("FREE", port) for option in options)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("pfn-kg: ")
    assert message.replace("FREE", port).replace("URI: the", f"{neo4j.uri}: the") in line
    assert "canary" not in line
    assert not list(Path(run).glob(".load-*"))


@pytest.mark.parametrize("option", [["--neo4j-lexical"], ["--min-confidence", "0.5"]])
def test_options_of_a_load_need_a_server(run, capsys, option):
    assert main(["build", run, *option]) == 2
    assert f"{option[0]}: only together with --neo4j-uri" in capsys.readouterr().err


def test_no_password_travels_or_is_written(tmp_path, neo4j, graph, monkeypatch, capfd):
    folder = make_run(tmp_path / "run")
    secret = neo4j.environment["NEO4J_PASSWORD"]
    (tmp_path / "password").write_text(secret + "\n")
    monkeypatch.delenv("NEO4J_PASSWORD")
    monkeypatch.setenv("NEO4J_PASSWORD_FILE", str(tmp_path / "password"))
    server = server_of(neo4j).changed(password=f"file:{tmp_path / 'password'}")
    sink = Neo4jSink(LABEL_SCHEMA, server, Neo4jOptions(graph, "run.v"))
    sink.open()
    assert secret.encode() not in pickle.dumps(sink)
    sink.close()
    pipeline = beam.Pipeline()
    _ = (
        pipeline
        | beam.Create(find_parts(str(graph_folder(folder)), ["entities", "relations"]))
        | WriteGraph(sink, folder)
    )
    assert secret.encode() not in pipeline.to_runner_api().SerializeToString()
    assert load(folder, graph) == 0
    same(neo4j.graph(graph), expected_graph(folder, graph))
    for path in Path(folder).rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes()
    said = capfd.readouterr()
    assert secret not in said.out + said.err
    assert os.environ.get("NEO4J_PASSWORD") is None


def test_a_table_that_is_missing(tmp_path, neo4j, graph, capsys):
    folder = make_run(tmp_path / "run")
    next((graph_folder(tmp_path / "run") / "relations").glob("*")).unlink()
    assert load(folder, graph) == 2
    assert "relations" in capsys.readouterr().err
    assert read_finished(folder).manifest.state == "done"


def test_on_prism(run, neo4j, graph, monkeypatch):
    beam_options = prism_options()
    if not beam_options:
        pytest.skip("PFN_KG_PRISM names no Prism binary")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    options = ("--neo4j-lexical", "--min-confidence", "0.6")
    assert load(run, graph, *options) == 0
    wanted = neo4j.graph(graph)
    neo4j.delete(graph)
    assert load(run, graph, *options, "--", *beam_options) == 0
    assert neo4j.graph(graph) == wanted


def test_counts_are_of_what_is_there(tmp_path, neo4j, graph, capsys, caplog):
    """A constraint of others refuses rows; no count is negative, and a line says why."""
    folder = make_run(tmp_path / "run")
    capsys.readouterr()
    neo4j.query("CREATE CONSTRAINT foreign_id FOR (n:__Entity__) REQUIRE n.id IS UNIQUE")
    second = f"{graph}-second"
    try:
        assert load(folder, graph, "--neo4j-lexical") == 0
        assert " 0 rejected" in capsys.readouterr().out
        assert load(folder, second, "--neo4j-lexical", "--max-rejected", "0") == 1
        said = capsys.readouterr()
        counts = read_manifest(folder)["loads"][second]["counts"]
        found = {
            label: neo4j.query(
                f"MATCH (n:{label} {{graph: $graph}}) RETURN count(*) AS n", graph=second
            )[0]["n"]
            for label in ("Entity", "Value", "Document", "Chunk")
        }
        assert counts["neo4j_entities"] == found["Entity"] + found["Value"]
        assert counts["neo4j_documents"] == found["Document"]
        assert counts["neo4j_sentences"] == found["Chunk"] > 0
        assert found["Entity"] == 0
        assert counts["rejected"] > len(table_rows(folder, "sentences"))
        assert f"graph {second!r}: {found['Value']} nodes, " in said.out
        assert f"{counts['rejected']} rows were rejected, more than 0" in said.err
        entities = neo4j.query("MATCH (n:Entity {graph: $graph}) RETURN count(*) AS n", graph=graph)
        refused = [row for row in rejected(folder) if "already exists with" in row["error"]]
        assert len(refused) == entities[0]["n"]
    finally:
        neo4j.query("DROP CONSTRAINT foreign_id")
        neo4j.delete(graph)
        neo4j.delete(second)
    (hint,) = [line for line in caplog.messages if "constraint" in line]
    assert f"{len(refused)} rows were refused by a constraint that pfn-kg did not make" in hint
