"""A finished graph as `pfn_kg.Graph`: tables, names, neighbours, evidence, notebooks."""

import builtins
from pathlib import Path

import networkx as nx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.extraction_folders import DOCS, Doc, write_folder
from helpers.memory_file_system import upload
from helpers.output_folders import all_files, graph_folder
from pfn_kg import ConfigurationError, Graph
from pfn_kg.pipeline import graph as graph_module
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.tables import TABLE_SCHEMAS

MARKUP = "<script>alert(1)</script> & Co"
MORE = [
    Doc(
        "e",
        f"{MARKUP} was born in London. Jack London was born in Oakland.",
        (
            (MARKUP, "PER", 0.9),
            ("London", "LOC", 0.9),
            ("Jack London", "PER", 0.9),
            ("London", "PER", 0.9, 1),
            ("Oakland", "LOC", 0.9),
        ),
        (
            (MARKUP, "place of birth", "London", 0.9),
            ("Jack London", "place of birth", "Oakland", 0.8),
        ),
    ),
    # A person who is only ever called London.
    Doc("f", "London sang.", (("London", "PER", 0.9),)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", [*DOCS, *MORE])
    run_build(
        folder,
        BuildOptions(rdf=RdfOptions(), sentences=True, shard_rows=4, constraint_policy="drop"),
    )
    return folder


@pytest.fixture
def graph(folder):
    return Graph.open(folder)


def entity(graph, name, type_):
    rows = [row for row in graph.find(name).to_pylist() if row["type"] == type_]
    return rows[0]["entity_id"]


def test_the_tables_are_those_of_the_folder(graph, folder):
    for name, schema in TABLE_SCHEMAS.items():
        assert (
            graph.table(name).to_pylist() == pq.read_table(graph_folder(folder) / name).to_pylist()
        )
        assert graph.table(name).schema == schema
    for name in ("entities", "relations", "triples", "mentions", "documents"):
        assert getattr(graph, name) == graph.table(name)
        assert getattr(graph, name) is getattr(graph, name)
    assert len(graph.entities) > 4  # of several files


def test_nothing_is_read_before_it_is_asked_for(folder, monkeypatch):
    read = []

    def read_part(part, columns=None, where=None):
        read.append((part.table, tuple(columns)))
        return real(part, columns, where)

    real = graph_module.read_part
    monkeypatch.setattr(graph_module, "read_part", read_part)
    graph = Graph.open(folder)
    assert read == []
    graph.table("relations", ["predicate", "confidence"])
    assert set(read) == {("relations", ("predicate", "confidence"))}
    read.clear()
    assert graph.table("relations", ["predicate"]).column_names == ["predicate"]
    _ = graph.relations
    read.clear()
    # What is in memory is not read again.
    assert graph.table("relations", ["object_id", "predicate"]).column_names == [
        "object_id",
        "predicate",
    ]
    assert read == []


def test_pandas(graph):
    frame = graph.to_pandas("entities", ["name", "mentions"])
    assert list(frame.columns) == ["name", "mentions"]
    assert frame["mentions"].sum() == graph.mentions.num_rows
    assert list(frame["name"]) == graph.entities["name"].to_pylist()


def test_pandas_that_is_not_there(graph, monkeypatch):
    def import_(name, *arguments):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *arguments)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", import_)
    with pytest.raises(ConfigurationError, match="pandas is not installed"):
        graph.to_pandas("entities")


def test_networkx(graph):
    found = graph.to_networkx()
    assert isinstance(found, nx.MultiDiGraph)
    assert set(found) == set(graph.entities["entity_id"].to_pylist())
    edges = {
        (subject, object_, key): data
        for subject, object_, key, data in found.edges(keys=True, data=True)
    }
    rows = graph.relations.to_pylist()
    assert len(edges) == len(rows) > 0
    for row in rows:
        data = edges[row["subject_id"], row["object_id"], row["relation_id"]]
        assert data == {
            name: row[name]
            for name in ("predicate", "confidence", "evidence_count", "document_count")
        }
    by_kind = {data["kind"]: data for _, data in found.nodes(data=True)}
    assert {"name", "type", "mentions", "documents", "iri"} <= by_kind["entity"].keys()
    assert {"name", "type", "mentions", "documents", "value"} <= by_kind["value"].keys()
    assert "value" not in by_kind["entity"]
    # Nothing in it that the usual formats can't say.
    again = nx.parse_graphml("\n".join(nx.generate_graphml(found)), force_multigraph=True)
    assert len(again.edges) == len(rows)


def test_neighbours(graph):
    facts = graph.neighbours("Ada Lovelace").to_pylist()
    assert [(f["direction"], f["predicate"], f["name"], f["type"]) for f in facts] == [
        ("out", "place of birth", "London", "LOC"),
        ("out", "date of birth", "1815", "TIME"),
    ]
    assert [f["kind"] for f in facts] == ["entity", "value"]
    assert facts[0]["confidence"] >= facts[1]["confidence"] > 0
    # From the other end, by id.
    (london,) = {f["entity_id"] for f in facts if f["name"] == "London"}
    found = graph.neighbours(london).to_pylist()
    assert {(f["direction"], f["name"]) for f in found} >= {("in", "ADA LOVELACE"), ("in", MARKUP)}
    assert {f["relation_id"] for f in found} == {
        row["relation_id"]
        for row in graph.relations.to_pylist()
        if london in (row["subject_id"], row["object_id"])
    }
    # The same when the table is in memory.
    before = graph.neighbours(london)
    assert len(graph.relations) > len(before)
    assert graph.neighbours(london) == before


def test_a_name_in_other_letters(graph):
    # The graph calls her by the second of two names of equal number; the first is an alias.
    for name in ("ADA LOVELACE", "Ada Lovelace", "  ada   lovelace "):
        assert [row["name"] for row in graph.find(name).to_pylist()] == ["ADA LOVELACE"]
        assert graph.neighbours(name) == graph.neighbours("ADA LOVELACE")
    assert graph.find("Ada").num_rows == 0
    assert graph.find("1815")["kind"].to_pylist() == ["value"]


def test_a_name_of_several(graph):
    place, person = entity(graph, "London", "LOC"), entity(graph, "London", "PER")
    rows = graph.find("London")
    assert rows["entity_id"].to_pylist()[0] == place  # most mentions first
    with pytest.raises(ConfigurationError) as error:
        graph.neighbours("London")
    message = str(error.value)
    assert "2 entities have the name 'London'" in message
    assert f"{place} (LOC, " in message
    assert f"{person} (PER, " in message
    assert "\n" not in message


def test_a_name_of_none(graph):
    with pytest.raises(ConfigurationError, match="close names: 'ADA LOVELACE'"):
        graph.neighbours("Ada Lovelice")
    with pytest.raises(ConfigurationError, match=r"no entity has the name or id 'zzzzzz'$"):
        graph.neighbours("zzzzzz")


def test_an_id_of_a_former_build(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(rdf=None))
    graph = Graph.open(folder)
    old = entity(graph, "Ada Lovelace", "PER")
    redirects = next((graph_folder(tmp_path / "run") / "redirects").glob("*.parquet"))
    schema = TABLE_SCHEMAS["redirects"]
    table = pa.Table.from_pylist([{"old_id": "f" * 24, "entity_id": old}], schema)
    pq.write_table(table, redirects)
    assert graph.neighbours("f" * 24) == graph.neighbours(old)


def test_evidence(graph):
    texts = {doc.id: doc.text for doc in [*MORE, *reversed(DOCS)]}
    titles = {}
    seen = 0
    for relation in graph.relations.to_pylist():
        rows = graph.evidence(relation["relation_id"]).to_pylist()
        assert len(rows) == relation["evidence_count"]
        assert [row["triple_id"] for row in rows][: len(relation["evidence"])] == [
            *relation["evidence"]
        ]
        for row in rows:
            text = texts[row["document_id"]]
            assert row["evidence_text"] == text[row["evidence_begin"] : row["evidence_end"]]
            assert row["subject_text"] == text[row["subject_begin"] : row["subject_end"]]
            assert row["object_text"] == text[row["object_begin"] : row["object_end"]]
            assert row["relation"] == relation["predicate"]
            titles[row["document_id"]] = row["title"]
            seen += 1
    assert seen == graph.triples.num_rows
    assert titles["a"] == "Ada"
    assert titles["e"] is None
    with pytest.raises(ConfigurationError, match="no relation has the id 'nothing'"):
        graph.evidence("nothing")


def test_sparql(graph):
    question = (
        'SELECT ?where { ?p rdfs:label "Jack London" ; relation:place_of_birth/rdfs:label ?where }'
    )
    assert [row["where"].value for row in graph.sparql(question)] == ["Oakland"]
    person = graph.label_schema.type_iri("PER")
    assert bool(graph.sparql(f"ASK {{ ?s a <{person}> }}")) is True
    assert bool(graph.sparql(f"ASK {{ <{person}> a ?s . ?s a ?s }}")) is False
    with pytest.raises(ConfigurationError, match="line 1, column"):
        graph.sparql("SELECT nonsense")


def test_sparql_without_rdf(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(rdf=None))
    with pytest.raises(ConfigurationError, match="no RDF there"):
        Graph.open(folder).sparql("ASK {}")


def test_counts_and_repr(graph, folder):
    kinds = graph.entities["kind"].to_pylist()
    assert graph.counts == {
        "entities": kinds.count("entity"),
        "values": kinds.count("value"),
        **{n: graph.table(n).num_rows for n in ("relations", "triples", "mentions", "documents")},
    }
    assert repr(graph).startswith(f"Graph({folder!r}: {kinds.count('entity')} entities, ")


def test_html_shows_names_as_text(graph):
    html = graph._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in html
    assert html.index("London") < html.index("Oakland")  # by mentions
    assert f"{graph.counts['relations']} relations" in html


def test_on_another_file_system(graph, folder, memory):
    upload(all_files(folder), "memory://bucket/run")
    remote = Graph.open("memory://bucket/run/")
    assert remote.directory == "memory://bucket/run"
    assert remote.counts == graph.counts
    assert remote.neighbours("Ada Lovelace") == graph.neighbours("Ada Lovelace")
    relation = graph.relations["relation_id"][0].as_py()
    assert remote.evidence(relation) == graph.evidence(relation)
    question = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
    assert [row["n"].value for row in remote.sparql(question)] == [
        row["n"].value for row in graph.sparql(question)
    ]
    # The folder is resolved once: the manifest is not looked at again.
    del memory["memory://bucket/run/manifest.json"]
    assert remote.documents == graph.documents
    assert len(list(remote.sparql(question))) == 1


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no manifest\.json there"):
        Graph.open(tmp_path)
    folder = write_folder(tmp_path / "run", DOCS)
    with pytest.raises(ConfigurationError, match="its graph is not finished"):
        Graph.open(folder)
    # An export holds no tables, however whole it is.
    run_build(folder, BuildOptions(rdf=None))
    out = str(tmp_path / "out")
    assert main(["export", folder, "--to", "ntriples", "--output", out]) == 0
    with pytest.raises(ConfigurationError, match=f"^{out}: an export to rdf, not a run$"):
        Graph.open(out)


def test_wrong_tables_and_columns(graph, tmp_path):
    with pytest.raises(ConfigurationError, match="'facts' is no table of a graph; tables are doc"):
        graph.table("facts")
    with pytest.raises(ConfigurationError, match="entities: no column 'nam'; columns are entity_"):
        graph.table("entities", ["nam"])
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(rdf=None))
    broken = next((graph_folder(tmp_path / "run") / "entities").glob("*.parquet"))
    broken.write_bytes(b"PAR1 no table PAR1")
    for use in (lambda g: g.entities, lambda g: g.counts, lambda g: g.neighbours("Ada")):
        with pytest.raises(ConfigurationError, match="not a readable table"):
            use(Graph.open(folder))


def test_a_path_object_is_a_folder(folder):
    assert Graph.open(Path(folder)).counts["documents"] == 5
