"""`pfn-kg diff`: what is new, gone or changed, counted and explained."""

import csv
import io
import json

import pytest

from helpers.extraction_folders import DOCS, Doc, write_folder
from helpers.golden import check_golden
from helpers.output_folders import graph_folder, table_rows
from pfn_kg.pipeline import spill
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main

OTHER = [
    DOCS[0],
    Doc("d", "Something else here."),
    Doc(
        "z",
        "Ada Lovelace was born in Paris. =1 was born in Paris.",
        (("Ada Lovelace", "PER", 0.9), ("Paris", "LOC", 0.9), ("=1", "PER", 0.9)),
        (("Ada Lovelace", "place of birth", "Paris", 0.9), ("=1", "place of birth", "Paris", 0.7)),
        title="Paris",
    ),
]


def make(folder, docs, **options):
    folder = write_folder(folder, docs)
    run_build(folder, BuildOptions(rdf=None, **options))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    above = tmp_path_factory.mktemp("graphs")
    return [
        make(above / "one", DOCS, constraint_policy="keep", shard_rows=3),
        make(above / "two", OTHER, constraint_policy="drop"),
    ]


@pytest.fixture
def diff(capsys):
    def call(*arguments, code=0):
        assert main(["diff", *map(str, arguments)]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def by_id(folder, table, key):
    return {row[key]: row for row in table_rows(folder, table)}


def expected_facts(one, two):
    """The changes of facts as a loop over all rows finds them."""
    sides = [by_id(folder, "relations", "relation_id") for folder in (one, two)]
    evidence = []
    for folder in (one, two):
        of: dict = {}
        for row in table_rows(folder, "triples"):
            of.setdefault(row["relation_id"], {})[row["triple_id"]] = row
        evidence.append(of)
    found = {}
    for id_ in sides[0].keys() | sides[1].keys():
        before, after = (side.get(id_) for side in sides)
        if before and after and before["confidence"] == after["confidence"]:
            continue
        change = "changed" if before and after else "gone" if before else "new"
        triples = [of.get(id_, {}) for of in evidence]
        documents = {
            (triples[0].get(t) or triples[1][t])["document_id"]
            for t in triples[0].keys() | triples[1].keys()
            if (triples[0].get(t) or {}).get("score") != (triples[1].get(t) or {}).get("score")
        }
        found[id_] = (change, sorted(documents))
    return found


@pytest.mark.parametrize("part_rows", [2, 500_000])
def test_all_that_differs_is_found(folders, diff, monkeypatch, part_rows):
    monkeypatch.setattr(spill, "_PART_ROWS", part_rows)
    found = json.loads(diff(*folders, "--format", "json"))
    facts = {row["relation_id"]: (row["change"], row["documents"]) for row in found["facts"]}
    assert facts == expected_facts(*folders)
    assert {change for change, _ in facts.values()} == {"new", "gone", "changed"}
    entities = [by_id(folder, "entities", "entity_id") for folder in folders]
    for row in found["entities"]:
        before, after = (side.get(row["entity_id"]) for side in entities)
        assert row["change"] == ("changed" if before and after else "gone" if before else "new")
        if row["change"] == "changed":
            assert (row["name_before"], row["name"]) == (before["name"], after["name"])
    same = entities[0].keys() & entities[1].keys() - {r["entity_id"] for r in found["entities"]}
    assert all(entities[0][id_]["name"] == entities[1][id_]["name"] for id_ in same)
    assert {row["document_id"]: row["change"] for row in found["documents"]} == {
        "b": "gone",
        "d": "changed",
        "z": "new",
    }
    for name, rows in (("facts", "facts"), ("entities", "entities"), ("documents", "documents")):
        for change, count in found["counts"][name].items():
            assert count == sum(row["change"] == change for row in found[rows])
    assert found["options"] == {"constraint_policy": ["keep", "drop"]}


def test_the_other_way_round(folders, diff):
    there = json.loads(diff(*folders, "--format", "json"))["counts"]
    back = json.loads(diff(*folders[::-1], "--format", "json"))["counts"]
    for name, counts in there.items():
        assert back[name] == {
            "new": counts["gone"],
            "gone": counts["new"],
            "changed": counts["changed"],
        }


def test_for_people(folders, diff):
    said = diff(*folders)
    for name, folder in zip(("one", "two"), folders, strict=True):
        said = said.replace(str(graph_folder(folder)), f"{name}/builds/ID")
    lines = [line.partition(", made ")[0] for line in said.splitlines()]
    check_golden("diff.txt", "\n".join(lines) + "\n")


def test_so_many_of_each_kind(folders, diff):
    said = diff(*folders, "--limit", "1")
    assert "new facts (1 of 2)" in said
    # The most confident one.
    assert "+ 0.90  Ada Lovelace  place of birth  Paris  [z (new)]" in said
    assert "=1  place" not in said
    assert "new facts" not in diff(*folders, "--limit", "0")


def test_csv_has_the_same_rows(folders, diff):
    rows = list(csv.DictReader(io.StringIO(diff(*folders, "--format", "csv"), newline="")))
    found = json.loads(diff(*folders, "--format", "json"))
    assert [row["id"] for row in rows if row["what"] == "fact"] == [
        row["relation_id"] for row in found["facts"]
    ]
    assert len(rows) == sum(len(found[name]) for name in ("facts", "entities", "documents"))
    facts = [row for row in rows if row["what"] == "fact"]
    for row, fact in zip(facts, found["facts"], strict=True):
        assert json.loads(row["documents"]) == fact["documents"]
        assert row["confidence"] == ("" if fact["confidence"] is None else str(fact["confidence"]))
    # No spreadsheet takes a name for a formula.
    assert {row["subject"] for row in facts} >= {"'=1"}


def test_exit_codes(folders, diff):
    assert diff(folders[0], folders[0], "--exit-code").count("0 new, 0 gone, 0 changed") == 3
    diff(*folders)
    diff(*folders, "--exit-code", code=1)


def test_a_difference_within_the_tolerance(folders, diff):
    found = json.loads(diff(*folders, "--format", "json"))
    least = min(
        abs(row["confidence"] - row["confidence_before"])
        for row in found["facts"]
        if row["change"] == "changed"
    )
    count = found["counts"]["facts"]["changed"]
    within = json.loads(diff(*folders, "--format", "json", "--tolerance", least + 0.001))
    assert within["counts"]["facts"]["changed"] < count
    alone = json.loads(diff(*folders, "--format", "json", "--tolerance", 1))
    assert alone["counts"]["facts"]["changed"] == 0


def test_two_snapshots_of_one_folder(tmp_path, diff, capsys):
    folder = make(tmp_path / "run", DOCS)
    first = graph_folder(folder)
    assert main(["diff", folder]) == 2
    assert "no graph is kept from before this one" in capsys.readouterr().err
    run_build(folder, BuildOptions(rdf=None, relation_threshold=0.65))
    found = json.loads(diff(folder, "--format", "json"))
    assert found["before"]["graph"] == str(first)
    assert found["counts"]["facts"]["new"] == 0
    assert found["counts"]["facts"]["gone"] + found["counts"]["facts"]["changed"] > 0
    assert found["documents"] == []
    assert found["options"]["relation_threshold"] == [0.5, 0.65]
    named = diff(first, graph_folder(folder), "--format", "json")
    assert json.loads(named) == found


@pytest.mark.parametrize("arguments", [["nowhere", "nowhere"], ["a", "b", "c"]])
def test_what_cannot_be_compared(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["diff", *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.startswith("pfn-kg: ")
