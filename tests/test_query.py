"""Questions in SPARQL: what they answer, in which form, and what is said of wrong ones."""

import contextlib
import csv
import io
import json
import socket
import sys
import threading
from itertools import islice
from pathlib import Path

import pyoxigraph
import pytest

from helpers.corpora import process
from helpers.extraction_folders import DOCS, write_folder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.commands.query import table
from pfn_kg.pipeline.graph import Graph
from pfn_kg.pipeline.manifest import ExportManifest, write_manifest
from pfn_kg.pipeline.no_network import no_new_files
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.errors import ConfigurationError

BORN = """SELECT ?name ?place ?year WHERE {
  ?person rdfs:label ?name ; relation:place_of_birth/rdfs:label ?place ;
    relation:date_of_birth ?year
}"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", DOCS)
    run_build(folder, BuildOptions(rdf=RdfOptions(provenance="statement"), label_language="en"))
    return folder


@pytest.fixture
def ask(capsys):
    """Asks; gives what is printed to standard output, if all went well."""

    def call(*arguments):
        assert main(["query", *map(str, arguments)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return call


@pytest.fixture
def refused(capsys):
    """Asks what must be refused; gives the line it says."""

    def call(*arguments):
        assert main(["query", *map(str, arguments)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        return said.err

    return call


def test_a_table_for_people(run, ask):
    assert ask(run, BORN) == (
        "name          place   year\n------------  ------  ----\nADA LOVELACE  London  1815\n"
    )


def test_results_for_machines(run, ask):
    found = json.loads(ask(run, BORN, "--format", "json"))
    assert found["head"]["vars"] == ["name", "place", "year"]
    (row,) = found["results"]["bindings"]
    assert row["name"] == {"type": "literal", "value": "ADA LOVELACE", "xml:lang": "en"}
    assert row["year"]["datatype"] == "http://www.w3.org/2001/XMLSchema#gYear"
    rows = list(csv.reader(io.StringIO(ask(run, BORN, "--format", "csv"))))
    assert rows == [["name", "place", "year"], ["ADA LOVELACE", "London", "1815"]]


def test_ask(run, ask):
    question = 'ASK { ?x rdfs:label "London"@en }'
    assert ask(run, question) == "true\n"
    assert json.loads(ask(run, question, "--format", "json"))["boolean"] is True
    assert ask(run, 'ASK { ?x rdfs:label "Paris"@en }') == "false\n"


@pytest.mark.parametrize(
    "question",
    [
        "CONSTRUCT { ?s skos:prefLabel ?o } WHERE { ?s rdfs:label ?o ; a type:per }",
        'DESCRIBE ?s WHERE { ?s rdfs:label "ADA LOVELACE"@en ; a type:per }',
    ],
)
def test_graphs_come_as_turtle(run, ask, question, refused):
    text = ask(run, question)
    found = list(pyoxigraph.parse(text, format=pyoxigraph.RdfFormat.TURTLE))
    assert any(quad.object == pyoxigraph.Literal("ADA LOVELACE", language="en") for quad in found)
    # No more prefixes than are used.
    assert "@prefix oa:" not in text
    assert "--format: CONSTRUCT" in refused(run, question, "--format", "json")


def test_what_terms_look_like(run, ask):
    text = ask(run, "SELECT ?s ?p ?o WHERE { ?s rdf:predicate ?p . ?x term:none ?o } LIMIT 1")
    assert text.splitlines() == ["s  p  o", "-  -  -"]
    text = ask(run, "SELECT ?s ?p ?x ?b WHERE { ?s rdf:predicate ?p BIND(BNODE() AS ?b) } LIMIT 1")
    line = text.splitlines()[2]
    assert line.startswith("statement:")
    assert "  relation:" in line
    assert "  _:" in line
    text = ask(run, "SELECT (<http://x/a.b> AS ?i) (1/0 AS ?unbound) (true AS ?t) {}")
    assert text.splitlines()[2].split() == ["<http://x/a.b>", "true"]


def test_no_cell_breaks_the_table():
    found = table(["a", "b"], [["x\ny\x1b[0m", "1"], ["日本", "\u202e2"], ["e\u0301", "😀"]])
    assert found == (
        "a            b\n"
        "-----------  -------\n"
        "x\\ny\\x1b[0m  1\n"
        "日本         \\u202e2\n"
        "e\u0301            😀"
    )


def test_the_question_from_a_file_and_from_standard_input(run, ask, tmp_path, monkeypatch):
    file = tmp_path / "born.rq"
    file.write_text(BORN)
    assert "ADA LOVELACE" in ask(run, f"@{file}")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BORN.encode())))
    assert "ADA LOVELACE" in ask(run, "-")


@pytest.mark.parametrize(
    ("to", "gzip"), [("turtle", []), ("ntriples", ["--gzip"]), ("trig", ["--gzip"])]
)
def test_exports_answer_as_the_run_does(run, ask, tmp_path, capsys, to, gzip):
    out = tmp_path / "out"
    options = ["--to", to, "--provenance", "rdf12", "--label-language", "en", *gzip]
    assert main(["export", run, "--output", str(out), *options]) == 0
    capsys.readouterr()
    assert ask(out, BORN) == ask(run, BORN)
    reified = "SELECT ?s { ?statement rdf:reifies <<( ?s relation:date_of_birth ?o )>> }"
    assert ask(out, reified).count("entity:") == 1
    terms = "SELECT ?t { ?statement rdf:reifies ?t } ORDER BY ?statement LIMIT 1"
    assert ask(out, terms).splitlines()[2].startswith("<<( entity:")
    if to == "trig":
        graphs = "SELECT DISTINCT ?g { GRAPH ?g { ?s relation:date_of_birth ?o } } ORDER BY ?g"
        assert ask(out, graphs).splitlines()[2:] == ["document:a", "document:b"]


def test_the_ontology_answers_too_but_not_the_statistics(run, ask):
    question = (
        "SELECT ?l WHERE { ?s relation:place_of_birth ?o . relation:place_of_birth rdfs:label ?l }"
    )
    assert "place of birth" in ask(run, question)
    void = "ASK { ?s a <http://rdfs.org/ns/void#Dataset> }"
    assert ask(run, void) == "false\n"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "SPARQL: line 1, column 1: a syntax error after '', at ''"),
        ("SELECT ?x", "line 1, column 10: a syntax error after 'SELECT ?x', at ''"),
        ("SELECT *\nWHERE { ?s ?p }", "line 2, column 16: a syntax error after"),
        ("SELECT * { ?s nope:p ?o }", "no namespace is known for the prefix nope:"),
        ("INSERT DATA { <a:a> <a:a> <a:a> }", "a syntax error after 'INSERT"),
        ("SELECT * { ?s ?p 'é\x00\ud83d }".encode("utf-8", "replace").decode(), "line 1, column"),
        ("ASK \udcff {}", "SPARQL: the query: not UTF-8"),
        ("@absent.rq", "SPARQL: absent.rq: No such file"),
    ],
)
def test_wrong_questions(run, refused, question, message):
    assert message in refused(run, question)


def test_folders_that_hold_no_graph(tmp_path, run, refused, capsys):
    question = "ASK {}"
    assert "no manifest.json there" in refused(tmp_path / "absent", question)
    folder = write_folder(tmp_path / "extracted", DOCS)
    assert "its graph is not finished" in refused(folder, question)
    run_build(folder, BuildOptions(rdf=None))
    assert "rdf: no RDF there; write it by `pfn-kg build" in refused(folder, question)
    out = tmp_path / "import"
    assert main(["export", run, "--to", "neo4j-import", "--output", str(out)]) == 0
    capsys.readouterr()
    assert "an export to neo4j-import, not RDF" in refused(out, question)
    out = tmp_path / "out"
    assert main(["export", run, "--output", str(out)]) == 0
    capsys.readouterr()
    (entities,) = out.glob("entities-*")
    entities.write_text("entity:x a")
    assert "entities-00000-of-00001.ttl: not readable as RDF: " in refused(out, question)
    write_manifest(str(out), ExportManifest(export="rdf", state="moving"))
    assert "its export is not finished" in refused(out, question)


SERVICES = [
    "SELECT * { SERVICE <http://localhost:PORT/> { ?a ?b ?c } }",
    "SELECT * { sErViCe SILENT <http://localhost:PORT/> { ?a ?b ?c } }",
    "SELECT * { VALUES ?s { <http://localhost:PORT/> } SERVICE ?s { ?a ?b ?c } }",
    "# a comment\nSELECT * { { SELECT * { SERVICE#>\n<http://localhost:PORT/>{?a ?b ?c} } } }",
    "SELECT * { FILTER('#' != \"'\") SERVICE <http://localhost:PORT/> { ?a ?b ?c } }",
    "SELECT * { ?x ?y 1.SERVICE<http://localhost:PORT/>{ ?a ?b ?c } }",
    "SELECT * { ?x ?y true.SERVICE<http://localhost:PORT/>{ ?a ?b ?c } }",
    "PREFIX : <http://localhost:PORT/> SELECT * { SERVICE:x{ ?a ?b ?c } }",
    "SELECT * { BIND(1<2 AS ?t) SERVICE <http://localhost:PORT/> { ?a ?b ?c } FILTER(?t>0) }",
    "ASK { FILTER EXISTS { SERVICE <http://localhost:PORT/> { ?a ?b ?c } } }",
]


@pytest.fixture(scope="module")
def server():
    """A server that counts who comes."""
    came = []
    with socket.create_server(("localhost", 0)) as listening:

        def wait():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    came.append(1)
                    connection.close()

        threading.Thread(target=wait, daemon=True).start()
        yield listening.getsockname()[1], came


@pytest.mark.parametrize("question", SERVICES)
def test_no_query_leaves_this_machine(run, refused, server, question):
    port, came = server
    assert "SERVICE asks another server" in refused(run, question.replace("PORT", str(port)))
    assert came == []


@pytest.mark.parametrize("question", [q for q in SERVICES if not q.startswith("PREFIX")])
def test_nor_could_one_that_is_not_recognised(server, question):
    """The operating system refuses, whatever the text was taken for."""
    port, came = server
    store = pyoxigraph.Store()
    with no_new_files(), contextlib.suppress(OSError, RuntimeError):
        answer = store.query(question.replace("PORT", str(port)))
        bool(answer) if isinstance(answer, pyoxigraph.QueryBoolean) else list(answer)
    assert came == []
    with pytest.raises(OSError, match="Too many open files"), no_new_files():
        Path(__file__).read_bytes()
    assert Path(__file__).read_bytes()


def test_the_server_of_these_tests_can_be_reached(server):
    port, came = server
    with contextlib.suppress(OSError):
        list(pyoxigraph.Store().query(SERVICES[0].replace("PORT", str(port))))
    assert came


def test_the_word_elsewhere_is_no_service(run, ask):
    question = (
        "# SERVICE <http://x/> {\nSELECT ?service { ?service a type:per . "
        'FILTER(?service != <http://x/SERVICE>) FILTER(\'SERVICE\' != """a" SERVICE """) '
        "FILTER NOT EXISTS { ?service wd:SERVICE 'x'@service } }"
    )
    assert "entity:" in ask(run, question)


def test_a_graph_in_python_refuses_too(run):
    with pytest.raises(ConfigurationError, match="SERVICE asks another server"):
        Graph.open(run).sparql(SERVICES[0])


def test_limit(run, ask, capsys):
    question = "SELECT ?s ?p ?o { ?s ?p ?o } ORDER BY ?s ?p ?o"
    everything = list(csv.reader(io.StringIO(ask(run, question, "--format", "csv"))))
    for form in ("csv", "json", "table"):
        assert main(["query", run, question, "--limit", "3", "--format", form]) == 0
        said = capsys.readouterr()
        assert "there are more than 3 rows" in said.err
        if form == "csv":
            assert list(csv.reader(io.StringIO(said.out))) == everything[:4]
        elif form == "json":
            assert len(json.loads(said.out)["results"]["bindings"]) == 3
        else:
            assert len(said.out.splitlines()) == 5
    construct = "CONSTRUCT WHERE { ?s ?p ?o }"
    assert main(["query", run, construct, "--limit", "2"]) == 0
    said = capsys.readouterr()
    assert len(list(pyoxigraph.parse(said.out, format=pyoxigraph.RdfFormat.TURTLE))) == 2
    assert "there are more than 2 triples" in said.err
    most = str(len(everything) - 1)
    assert main(["query", run, question, "--limit", most, "--format", "csv"]) == 0
    assert "more than" not in capsys.readouterr().err


def test_timeout(run):
    crossed = " . ".join(f"?a{i} ?b{i} ?c{i}" for i in range(8))
    asked = process("query", run, f"SELECT (COUNT(*) AS ?n) {{ {crossed} }}", "--timeout", "0.5")
    out, err = asked.communicate(timeout=300)
    assert asked.returncode == 1
    assert out == ""
    assert err == "pfn-kg: the query takes longer than 0.5 s (--timeout)\n"


def test_no_cell_is_a_formula(run, ask):
    question = (
        "SELECT ?x { VALUES ?x { '=1+1' '+A1' '-2' '-2+A1' '@x' '\\t=1' 'a=b' 'a\\n=\"b\"' -44 } }"
    )
    rows = list(csv.reader(io.StringIO(ask(run, question, "--format", "csv"), newline="")))
    assert [row[0] for row in rows[1:]] == [
        "'=1+1",
        "'+A1",
        "-2",
        "'-2+A1",
        "'@x",
        "'\t=1",
        "a=b",
        'a\n="b"',
        "-44",
    ]
    raw = ask(run, question, "--format", "csv", "--raw")
    assert next(islice(csv.reader(io.StringIO(raw, newline="")), 1, None)) == ["=1+1"]
    assert main(["query", run, question, "--raw"]) == 2


def test_json_is_what_the_store_itself_writes(run, ask):
    question = (
        "SELECT ?a ?b ?c ?d ?e ?f ?g { BIND('x' AS ?a) BIND('x'@en AS ?b) BIND(1.5 AS ?c) "
        "BIND(<http://x/é> AS ?d) BIND(<<( <http://s> <http://p> 'é\\n' )>> AS ?e) "
        "BIND(1/0 AS ?f) }"
    )
    answer = Graph.open(run).sparql(question)
    expected = json.loads(answer.serialize(format=pyoxigraph.QueryResultsFormat.JSON))
    assert json.loads(ask(run, question, "--format", "json")) == expected
    rows = "SELECT ?s ?o { ?s rdfs:label ?o } ORDER BY ?s ?o"
    answer = Graph.open(run).sparql(rows)
    expected = answer.serialize(format=pyoxigraph.QueryResultsFormat.CSV).decode()
    assert list(csv.reader(io.StringIO(ask(run, rows, "--format", "csv", "--raw")))) == list(
        csv.reader(io.StringIO(expected))
    )


def test_help_loads_nothing_heavy():
    import subprocess

    code = (
        "import sys; from pfn_kg.pipeline.cli import main; main(['query', '--help']);"
        "assert not {'pyoxigraph', 'rdflib', 'apache_beam', 'pyarrow'} & set(sys.modules)"
    )
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=root)


@pytest.mark.parametrize(
    ("sparql", "first"),
    [
        ("SELECT * WHERE { ?x relation:place_of_borth ?y }", "relation:place_of_birth"),
        ("SELECT * WHERE { ?x relation:date_of_birt ?y }", "relation:date_of_birth"),
        ("ASK { ?x a type:person }", "relation:date_of_birth"),
        ("CONSTRUCT { ?x a ?y } WHERE { ?x a type:person ; a ?y }", "relation:date_of_birth"),
    ],
)
def test_what_there_is_to_ask_for_where_nothing_is_found(run, capsys, sparql, first):
    for options in ([], ["--format", "json"]) if "CONSTRUCT" not in sparql else ([],):
        assert main(["query", run, sparql, *options]) == 0
        hint = capsys.readouterr().err.splitlines()[-1]
        assert hint.startswith("pfn-kg: nothing found; classes are ")
        classes, properties = hint.partition("classes are ")[2].split("; properties are ")
        assert {"type:loc", "type:per"} <= set(classes.split(", "))
        assert properties.split(", ")[0] == first
        # Only what the data use: nobody is a spouse here.
        assert "spouse" not in hint


def test_no_hint_where_something_is_found(run, capsys):
    for options in ([], ["--limit", "0"]):
        assert main(["query", run, "SELECT * WHERE { ?x a type:per }", *options]) == 0
        assert "nothing found" not in capsys.readouterr().err
