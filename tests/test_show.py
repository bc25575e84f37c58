"""`pfn-kg show`: an entity's facts with their best sentences, for people and for machines."""

import json
import re
import sys

import pytest

from helpers.extraction_folders import DOCS, Doc, write_folder
from helpers.golden import check_golden
from helpers.output_folders import table_rows
from helpers.terminals import Terminal
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.pages import page_of

PAGED = "Ada Lovelace was born in London.\n\nAda Lovelace was \x1b[2Jborn in Paris."
MORE = [
    Doc(
        "paged",
        PAGED,
        (
            ("Ada Lovelace", "PER", 0.9),
            ("London", "LOC", 0.9),
            ("Ada Lovelace", "PER", 0.9, 1),
            ("Paris", "LOC", 0.95),
        ),
        (("Ada Lovelace", "place of birth", "London", 0.6),),
        title="A paged text",
        metadata='{"pages": [0, 34]}',
    ),
    # A person who is only ever called London.
    Doc("f", "London sang.", (("London", "PER", 0.9),)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", [*DOCS, *MORE])
    run_build(folder, BuildOptions(rdf=None, shard_rows=4, constraint_policy="flag"))
    return folder


@pytest.fixture
def show(folder, capsys):
    def call(*arguments):
        assert main(["show", folder, *arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def without_ids(text):
    return re.sub(r"\b[0-9a-f]{24}\b", "ID", text)


def test_an_entity_for_people(show):
    check_golden("show.txt", without_ids(show("Ada Lovelace")))


def test_a_place_with_a_namesake(show):
    said = without_ids(show("London"))
    check_golden("show_namesake.txt", said)
    assert "has this name too: London (PER, 1 mention); see it by its id, ID" in said


def test_a_value(show):
    assert show("1815").splitlines()[0].startswith("1815  (TIME)  ")


def test_json_has_what_the_tables_have(show, folder):
    page = json.loads(show("ada lovelace", "--format", "json"))
    [entity] = [r for r in table_rows(folder, "entities") if r["name"] == page["entity"]["name"]]
    assert page["entity"] == entity
    own = entity["entity_id"]
    facts = {
        row["relation_id"]: row
        for row in table_rows(folder, "relations")
        if own in (row["subject_id"], row["object_id"])
    }
    assert page["fact_count"] == len(page["facts"]) == len(facts)
    triples = {row["triple_id"]: row for row in table_rows(folder, "triples")}
    for fact in page["facts"]:
        row = facts[fact["relation_id"]]
        assert fact["direction"] == ("out" if row["subject_id"] == own else "in")
        assert fact["confidence"] == pytest.approx(row["confidence"], abs=1e-6)
        best, sentence = triples[row["evidence"][0]], fact["sentence"]
        assert sentence["text"] == best["evidence_text"]
        assert sentence["document_id"] == best["document_id"]
        for end in ("subject", "object"):
            begin, stop = sentence[end]
            assert sentence["text"][begin:stop] == best[f"{end}_text"]
    outgoing = [f["confidence"] for f in page["facts"] if f["direction"] == "out"]
    assert outgoing == sorted(outgoing, reverse=True)


def test_the_best_facts_come_first_and_the_rest_is_counted(show):
    every = json.loads(show("Ada Lovelace", "--format", "json"))["facts"]
    [best] = json.loads(show("Ada Lovelace", "--format", "json", "--limit", "1"))["facts"]
    assert best["confidence"] == max(fact["confidence"] for fact in every)
    said = show("Ada Lovelace", "--limit", "1")
    assert f"{len(every) - 1} more facts; see more by --limit\n" in said


def test_an_id_is_a_name(show):
    page = json.loads(show("London", "--format", "json"))
    other = page["namesakes"][0]["entity_id"]
    assert json.loads(show(other, "--format", "json"))["entity"]["type"] == "PER"


@pytest.mark.parametrize(
    ("name", "close"), [("Ada Lovelase", "Ada Lovelace"), ("lovel", "Ada Lovelace")]
)
def test_close_names_where_nothing_is_found(folder, capsys, name, close):
    assert main(["show", folder, name]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"pfn-kg: {folder}: no entity has the name or id {name!r}; close names: '{close}'\n"
    )


def test_nothing_is_close(folder, capsys):
    assert main(["show", folder, "zzzzzz"]) == 2
    assert capsys.readouterr().err.endswith("no entity has the name or id 'zzzzzz'\n")


def test_colours_on_a_terminal_alone(show, folder, monkeypatch):
    plain = show("Ada Lovelace")
    assert "\x1b" not in plain
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["show", folder, "Ada Lovelace"]) == 0
    coloured = terminal.getvalue()
    assert "\x1b[1mAda Lovelace\x1b[0m" in coloured
    # The same text in colour; what a document holds moves no cursor.
    assert [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()] == (
        plain.splitlines()
    )
    assert "\x1b[2J" not in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["show", folder, "Ada Lovelace"]) == 0
    assert terminal.getvalue() == plain


@pytest.mark.parametrize(
    ("metadata", "offset", "page"),
    [
        ('{"pages": [0, 10, 20]}', 0, 1),
        ('{"pages": [0, 10, 20]}', 9, 1),
        ('{"pages": [0, 10, 20]}', 10, 2),
        ('{"pages": [0, 10, 20]}', 99, 3),
        ('{"pages": [5]}', 0, 1),
        ('{"pages": []}', 0, None),
        ('{"pages": "x"}', 0, None),
        ('{"pages": [0, "a"]}', 0, None),
        ("[1]", 0, None),
        ("{", 0, None),
        (None, 0, None),
    ],
)
def test_pages(metadata, offset, page):
    assert page_of(metadata, offset) == page
