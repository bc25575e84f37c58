"""The answers that README and docs/how-to/ask_exact_questions.md show are those of the graph.

PFN_KG_WRITE_ANSWERS=1 writes them anew, as another shipped model needs it.
"""

import os
import re
import shlex
import shutil

import pytest

from helpers.corpora import ROOT
from pfn_kg.pipeline.cli import main

README = ROOT / "README.md"
PAGE = ROOT / "docs" / "how-to" / "ask_exact_questions.md"
#: A query, or a question on the command line, and the answer that follows it.
QUERY = re.compile(r"```sparql\n(?P<query>.*?)```\n\n```text\n(?P<answer>.*?)```", re.DOTALL)
QUESTION = re.compile(
    r"```sh\n(?P<command>pfn-kg search [^\n]*)\n```\n\n```text\n(?P<answer>.*?)```", re.DOTALL
)


@pytest.fixture
def place(example_run, tmp_path, monkeypatch):
    """The current folder, in which the README's first command was run."""
    shutil.copytree(example_run[0], tmp_path / "runs" / "example", symlinks=True)
    monkeypatch.chdir(tmp_path)
    # Text that is printed for a page has no colours and no width.
    monkeypatch.setenv("NO_COLOR", "1")


def check(page, pattern, arguments_of, capsys):
    """Runs what a page asks; gives how many answers it shows."""
    text = page.read_text(encoding="utf-8")
    said = []
    for match in pattern.finditer(text):
        capsys.readouterr()
        assert main(arguments_of(match)) == 0
        said.append(capsys.readouterr().out)
    if os.environ.get("PFN_KG_WRITE_ANSWERS") == "1":
        answers = iter(said)
        text = pattern.sub(lambda m: m[0][: -len(m["answer"]) - 3] + next(answers) + "```", text)
        page.write_text(text, encoding="utf-8")
    assert [match["answer"] for match in pattern.finditer(text)] == said
    return len(said)


def test_exact_questions(place, capsys):
    count = check(PAGE, QUERY, lambda m: ["query", "runs/example", m["query"]], capsys)
    assert count == PAGE.read_text(encoding="utf-8").count("```sparql") > 8


def test_the_questions_of_the_readme(place, capsys):
    assert main(["build", "runs/example", "--sentences"]) == 0
    assert check(README, QUESTION, lambda m: shlex.split(m["command"])[1:], capsys) == 3


@pytest.fixture(scope="module")
def turtle(example_run, tmp_path_factory):
    """All of the graph in one file, with its ontology and its statistics."""
    folder = tmp_path_factory.mktemp("turtle") / "out"
    assert main(["export", str(example_run[0]), "--output", str(folder)]) == 0
    whole = folder / "graph.ttl"
    parts = [folder / "ontology.ttl", folder / "void.ttl", *sorted(folder.glob("*-of-*.ttl"))]
    whole.write_text("".join(part.read_text(encoding="utf-8") for part in parts), "utf-8")
    return whole


@pytest.mark.parametrize("standard", ["rdf", "rdfs", "owl"])
def test_langchain_reads_the_schema(turtle, standard):
    community = pytest.importorskip(
        "langchain_community.graphs.rdf_graph", reason="needs the extra langchain"
    )
    graph = community.RdfGraph(source_file=str(turtle), standard=standard)
    schema = graph.get_schema
    assert "/relation/place_of_birth> (place_of_birth, Where the person was born)" in schema
    assert "/type/per> (per, People, also those of fiction)" in schema
    # The names in the schema are those that queries find facts by.
    (iri,) = set(re.findall(r"<([^>]*/relation/place_of_birth)>", schema))
    assert graph.query(f"SELECT ?who {{ ?who <{iri}> ?where }}")
