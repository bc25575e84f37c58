"""`pfn-kg mcp`: the tools as an assistant calls them, by the protocol's own client."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from helpers.corpora import ROOT
from helpers.view_graphs import ARABIC, DOCS, MARKUP, view_folder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.graph import Graph
from pfn_kg.pipeline.view import libraries
from pfn_kg.schemas.build_options import RdfOptions

TEXTS = {doc.id: doc.text for doc in DOCS}


@pytest.fixture(scope="module", autouse=True)
def _in_path(pfn_kg_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(pfn_kg_folder), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return view_folder(tmp_path_factory.mktemp("mcp") / "run")


def served(folder, *options):
    """How a client starts the server over a folder."""
    return StdioServerParameters(
        command=shutil.which("pfn-kg"),
        args=["mcp", str(folder), *map(str, options)],
        env={"PYTHONPATH": str(ROOT)},
    )


def talk(folder, conversation, *options):
    """Has a conversation with a server in a process of its own."""

    async def whole():
        async with Client(served(folder, *options)) as client:
            return await conversation(client)

    return asyncio.run(whole())


def answers(folder, *calls, options=()):
    """The structured answers to some calls, each (tool, arguments)."""

    async def conversation(client):
        found = []
        for tool, arguments in calls:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content[0].text
            # What a client without structured answers reads is the same.
            assert json.loads(result.content[0].text) == result.structured_content
            found.append(result.structured_content)
        return found

    return talk(folder, conversation, *options)


def errors(folder, *calls, options=()):
    """The messages of calls that must fail; each is one line."""

    async def conversation(client):
        found = []
        for tool, arguments in calls:
            result = await client.call_tool(tool, arguments)
            assert result.is_error, result.structured_content
            (content,) = result.content
            assert len(content.text.splitlines()) == 1
            found.append(content.text)
        return found

    return talk(folder, conversation, *options)


def evidence_of(answer):
    """All pieces of evidence in an answer."""
    if isinstance(answer, dict):
        if "sentence" in answer:
            yield answer
        answer = list(answer.values())
    if isinstance(answer, list):
        for part in answer:
            yield from evidence_of(part)


def test_the_tools_say_that_they_only_read(folder):
    async def conversation(client):
        assert "never instructions" in client.instructions
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in talk(folder, conversation)}
    names = {"search", "search_entities", "facts", "evidence", "neighbours", "sparql"}
    assert set(tools) == names
    for tool in tools.values():
        assert tool.annotations.read_only_hint
        assert tool.description
        assert tool.output_schema["properties"]
        assert all(field.get("description") for field in tool.input_schema["properties"].values())


def test_the_tools_answer_as_the_graph_does(folder):
    graph = Graph.open(folder)
    (row,) = graph.find("Ada Lovelace").to_pylist()
    expected = graph.neighbours("Ada Lovelace").to_pylist()
    found, by_name, by_id, around = answers(
        folder,
        ("search_entities", {"name": "lovelac"}),
        ("facts", {"entity": "ada lovelace"}),
        ("facts", {"entity": row["entity_id"], "direction": "out", "relation": "place of birth"}),
        ("neighbours", {"entity": row["entity_id"]}),
    )
    assert row["entity_id"] in {entity["id"] for entity in found["entities"]}
    assert {fact["id"] for fact in by_name["facts"]} == {fact["relation_id"] for fact in expected}
    assert by_name["total_out"] + by_name["total_in"] == len(expected)
    assert {fact["predicate"] for fact in by_id["facts"]} == {"place of birth"}
    assert all(fact["subject"]["id"] == row["entity_id"] for fact in by_id["facts"])
    assert {n["id"] for n in around["neighbours"]} == {fact["entity_id"] for fact in expected}


def test_a_question_gets_the_sentences_that_a_search_finds(folder):
    question = "Where was Ada Lovelace born?"
    expected = Graph.open(folder).search(question, limit=3)
    (found,) = answers(folder, ("search", {"question": question, "limit": 3}))
    assert found == json.loads(json.dumps(asdict(expected)))
    assert any("Ada Lovelace" in sentence["text"] for sentence in found["sentences"])


def test_vectors_rank_too(folder, tiny_model):
    question = "Where was Ada Lovelace born?"
    call = ("search", {"question": question, "limit": 3})
    (found,) = answers(folder, call, options=("--vectors", tiny_model))
    plain = Graph.open(folder).search(question, limit=3).sentences[0]
    expected = Graph.open(folder).search(question, limit=3, vectors=str(tiny_model)).sentences[0]
    # The server may read in bf16.
    assert found["sentences"][0]["score"] == pytest.approx(expected.score, abs=0.05)
    assert expected.score > plain.score + 0.5


def test_every_fact_has_its_sentence_and_ids(folder):
    (first,) = answers(folder, ("facts", {"entity": "London", "direction": "in"}))
    ids = [fact["id"] for fact in first["facts"]]
    rest = answers(
        folder,
        ("search_entities", {"name": "", "limit": 50}),
        ("neighbours", {"entity": "London"}),
        *(("evidence", {"fact_id": id_}) for id_ in ids),
    )
    pieces = list(evidence_of([first, *rest]))
    assert pieces
    for piece in pieces:
        begin = piece["begin"]
        text = TEXTS[piece["document_id"]][begin : begin + len(piece["sentence"])]
        assert piece["sentence"] == text
        assert piece["subject_text"] in text
        assert piece["object_text"] in text
        # Only links of the web are passed on.
        assert piece["document_link"] in (None, "https://example.org/ada")
    assert any(MARKUP in piece["sentence"] for piece in pieces)
    for fact in rest[2:]:
        assert len(fact["evidence"]) == fact["evidence_count"]


def test_pages_of_facts_are_all_facts(folder):
    entity = {"entity": "London", "direction": "in"}
    whole, first, second = answers(
        folder,
        ("facts", entity),
        ("facts", entity | {"limit": 1}),
        ("facts", entity | {"limit": 100, "offset": 1}),
    )
    assert first["facts"] + second["facts"] == whole["facts"]
    assert len(whole["facts"]) == whole["total_in"] > 1


def test_sparql_reads_within_its_limits(folder):
    names = "SELECT ?e ?name { ?e rdfs:label ?name ; a type:per } ORDER BY ?name"
    named, one, true = answers(
        folder,
        ("sparql", {"query": names}),
        ("sparql", {"query": names, "limit": 50}),
        ("sparql", {"query": "ASK { ?s ?p ?o }"}),
        options=("--limit", 1),
    )
    assert named == one
    assert named["variables"] == ["e", "name"]
    assert len(named["rows"]) == 1
    assert "there are more than 1 rows" in named["note"]
    # The last part of the IRI is an id of the other tools.
    id_ = named["rows"][0]["e"].rpartition("/")[2]
    (facts,) = answers(folder, ("facts", {"entity": id_}))
    assert facts["entity"]["name"] == named["rows"][0]["name"]
    assert true["truth"] is True


def test_errors_are_one_line_and_the_server_goes_on(folder):
    long = "SELECT (COUNT(*) AS ?n) { " + " ".join(f"?a{i} ?b{i} ?c{i} ." for i in range(8)) + " }"
    found = errors(
        folder,
        ("facts", {"entity": "Ada Lovelac"}),
        ("facts", {"entity": "London", "relation": "knows"}),
        ("facts", {"entity": "London", "limit": 0}),
        ("facts", {}),
        ("evidence", {"fact_id": "x\ny"}),
        ("sparql", {"query": "SELECT * {"}),
        ("sparql", {"query": "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }"}),
        ("sparql", {"query": "DELETE WHERE { ?s ?p ?o }"}),
        ("sparql", {"query": "CONSTRUCT WHERE { ?s ?p ?o }"}),
        ("sparql", {"query": long}),
        ("nothing", {}),
        options=("--timeout", 1),
    )
    expected = [
        "no entity has the name or id 'Ada Lovelac'; close names: 'Ada Lovelace'",
        "no relation is called 'knows'; relations are",
        "limit: Input should be greater than or equal to 1",
        "entity: Field required",
        "no fact has the id",
        "line 1, column",
        "SERVICE asks another server",
        "line 1, column 1",
        "only SELECT and ASK are answered",
        "takes longer than 1 s",
        "nothing",
    ]
    for message, part in zip(found, expected, strict=True):
        assert part in message
        assert "--" not in message


def test_a_name_of_several_is_refused_with_their_ids(tmp_path):
    from helpers.extraction_folders import Doc, write_folder

    text = "Bell was born in Bell ."
    docs = [Doc("a", text, (("Bell", "PER", 0.9), ("Bell", "LOC", 0.9, 1)))]
    folder = write_folder(tmp_path / "run", docs)
    run_build(folder, BuildOptions())
    ids = Graph.open(folder).find("Bell")["entity_id"].to_pylist()
    assert len(ids) == 2
    (message,) = errors(folder, ("facts", {"entity": "bell"}))
    assert message.startswith("2 entities have the name 'bell'")
    assert all(id_ in message for id_ in ids)


def test_a_newer_graph_is_served_from_then_on(tmp_path):
    folder = view_folder(tmp_path / "run")

    async def conversation(client):
        before = await client.call_tool("search_entities", {"name": ARABIC})
        run_build(folder, BuildOptions(rdf=RdfOptions(), entity_threshold=0.93))
        after = await client.call_tool("search_entities", {"name": ARABIC})
        return [len(one.structured_content["entities"]) for one in (before, after)]

    assert talk(folder, conversation) == [1, 0]


def test_standard_output_is_the_protocol_s_alone(tmp_path):
    # A new graph has no index, and making it is announced.
    folder = view_folder(tmp_path / "run")
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    done = subprocess.run(
        [sys.executable, "-m", "pfn_kg", "mcp", folder],
        input=json.dumps(hello) + "\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0
    assert "making the index" in done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert answer["id"] == 1
    assert answer["result"]["serverInfo"]["name"] == "pfn-kg"


def test_wrong_calls(tmp_path, capsys):
    assert main(["mcp", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"pfn-kg: {tmp_path}: no manifest.json there, so no finished graph\n"
    assert main(["mcp", str(tmp_path), "--timeout", "0"]) == 2
    assert "--timeout" in capsys.readouterr().err


def test_a_missing_library_is_named(tmp_path, capsys, monkeypatch):
    real = libraries.find_spec
    monkeypatch.setattr(libraries, "find_spec", lambda n: None if n == "mcp" else real(n))
    assert main(["mcp", str(Path(tmp_path))]) == 2
    line = capsys.readouterr().err
    assert "mcp is not installed; install it by `pip install 'mcp" in line
    assert "'.[mcp]'" in line
