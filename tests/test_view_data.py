"""The data of `pfn-kg view`: search, entities, facts, documents, neighbourhoods, figures."""

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.output_folders import graph_folder, table_rows
from helpers.view_graphs import ARABIC, MARKUP, TURNED, view_folder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.view.data.documents import document, find_documents
from pfn_kg.pipeline.view.data.entities import documents_of_entity, entity, node
from pfn_kg.pipeline.view.data.facts import fact, facts_of_entity
from pfn_kg.pipeline.view.data.filters import FactFilter
from pfn_kg.pipeline.view.data.metadata import link_of
from pfn_kg.pipeline.view.data.neighbourhood import neighbourhood
from pfn_kg.pipeline.view.data.overview import best_facts, overview, rejected_rows, sample_facts
from pfn_kg.pipeline.view.data.search import search
from pfn_kg.pipeline.view.data.spans import Span, cut
from pfn_kg.pipeline.view.data.store import NotInGraphError, Store
from pfn_kg.pipeline.view.index.dates import dates_of
from pfn_kg.pipeline.view.index.place import INDEX_FOLDER, index_name, open_index
from pfn_kg.transforms.names.search_forms import keys_of, search_form, words_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return view_folder(tmp_path_factory.mktemp("view") / "run")


@pytest.fixture(scope="module")
def store(folder):
    run = read_finished(folder)
    store = Store(run, open_index(run))
    yield store
    store.close()


def names(found):
    return [(row["name"], row["type"]) for row in found.rows]


def id_of(store, name, type_):
    (row,) = (r for r in search(store, name).rows if (r["name"], r["type"]) == (name, type_))
    return row["id"]


ADA, LONDON = ("Ada Lovelace", "PER"), ("London", "LOC")


# Search


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Ada Lovelace", ADA),
        ("aDA lov", ADA),
        ("lovelace", ADA),  # a later word, and an alias
        ("lovelace ada", ADA),  # in another order
        ("lodz", ("Łódź", "LOC")),
        ("ŁÓDŹ", ("Łódź", "LOC")),
        ("1815", ("1815", "TIME")),  # a value
        ("the london", LONDON),  # an alias
        (ARABIC, (ARABIC, "PER")),
        (MARKUP[:12], (MARKUP, "PER")),
        ("evilrlo", ("EvilRLO Ltd", "PER")),
    ],
)
def test_names_are_found(store, text, first):
    found = search(store, text)
    assert names(found)[0] == first
    assert found.corrected == []


@pytest.mark.parametrize("text", ["Lovlace", "lvoelace", "lovelacce", "lovelade", "ada lovelade"])
def test_typing_errors_are_found(store, text):
    found = search(store, text)
    assert names(found) == [ADA]
    assert found.corrected == ["lovelace"]


def test_what_is_not_there_is_not_found(store):
    assert search(store, "Grace Hopper") == ([], [])
    assert search(store, "1851") == ([], [])  # another year is no typing error
    assert search(store, "%") == ([], [])
    assert search(store, "' OR 1=1 --").rows == []


def test_a_search_has_limits(store):
    assert len(search(store, "", limit=3).rows) == 3
    assert names(search(store, "", limit=1)) == [LONDON]  # most mentions
    assert {row["type"] for row in search(store, "", type_="PER").rows} == {"PER"}
    assert {row["kind"] for row in search(store, "", kind="value").rows} == {"value"}
    assert names(search(store, "l", type_="LOC")) == [LONDON, ("Łódź", "LOC")]


@examples(200)
@given(st.text(max_size=30))
def test_a_name_is_found_from_each_of_its_words_on(text):
    form = search_form(text)
    assert search_form(form) == form
    keys = list(keys_of(form))
    assert len({key for key, _ in keys}) == len(keys)
    for key, is_whole in keys:
        assert form.startswith(key) if is_whole else key in form
    if form:
        assert keys[0] == (form, True)
    for word in words_of(form)[:12]:
        assert any(key.startswith(word) for key, _ in keys)


def test_search_forms():
    assert search_form("ÅNGSTRÖM  Straße") == "angstrom strasse"
    assert search_form("Ærøskøbing") == "aeroskobing"
    assert [key for key, _ in keys_of("東京大学")] == ["東京大学", "京大学", "大学", "学"]


@examples(20, shared_fixtures=True)
@given(st.text(max_size=12))
def test_no_query_breaks_the_search(store, text):
    assert len(search(store, text, limit=5).rows) <= 5


# Entities


def test_an_entity(store, folder):
    found = entity(store, id_of(store, *ADA))
    (row,) = (r for r in table_rows(folder, "entities") if r["entity_id"] == found["id"])
    assert found["mentions"] == row["mentions"] == 4
    assert found["document_count"] == 2
    assert found["facts_out"] + found["facts_in"] == sum(
        found["id"] in (r["subject_id"], r["object_id"]) for r in table_rows(folder, "relations")
    )
    assert {d["id"] for d in found["documents"]} == {"ada", "more/ada"}
    spellings = {s["text"]: s["reason"] for s in found["spellings"]}
    assert spellings["Ada Lovelace"] == ""
    assert "case" in spellings["ADA LOVELACE"]
    assert "last word" in spellings["Lovelace"]
    assert {(r["name"], r["outgoing"]): r["count"] for r in found["relations"]} == {
        ("place of birth", True): 2,
        ("date of birth", True): 1,
        ("place of birth", False): 1,
    }
    number = node(store, found["id"])["number"]
    assert [d["id"] for d in documents_of_entity(store, number, offset=1)] == ["more/ada"]


def test_a_value(store):
    found = entity(store, id_of(store, "1815", "TIME"))
    assert (found["kind"], found["value"]) == ("value", "1815")
    assert (
        "article"
        in {s["text"]: s["reason"] for s in entity(store, id_of(store, *LONDON))["spellings"]}[
            "the London"
        ]
    )


def test_an_id_of_an_earlier_build_leads_to_the_heir(tmp_path):
    path = view_folder(tmp_path / "run")
    aliases = pa.table({"alias": ["Łódź"], "type": ["LOC"], "canonical_name": ["Lodsch"]})
    pa.csv.write_csv(aliases, tmp_path / "aliases.csv")
    (old,) = (r["entity_id"] for r in table_rows(path, "entities") if r["name"] == "Łódź")
    run_build(path, BuildOptions(aliases=str(tmp_path / "aliases.csv")))
    run = read_finished(path)
    store = Store(run, open_index(run))
    found = entity(store, old)
    assert found["name"] == "Lodsch"
    assert found["id"] != old
    assert old in found["old_ids"]
    assert {s["text"]: s["reason"] for s in found["spellings"]}["Łódź"] == (
        "The alias table lists it."
    )
    store.close()


def test_unknown_ids(store):
    for call in (entity, fact, document, neighbourhood):
        with pytest.raises(NotInGraphError, match="nowhere"):
            call(store, "nowhere")


# Facts


def test_facts_of_an_entity(store, folder):
    number = node(store, id_of(store, *ADA))["number"]
    out = facts_of_entity(store, number, outgoing=True)
    assert out["total"] == 3
    confidences = [row["confidence"] for row in out["rows"]]
    assert confidences == sorted(confidences, reverse=True)
    known = {r["relation_id"]: r for r in table_rows(folder, "relations")}
    for row in out["rows"]:
        assert known[row["id"]]["object_id"] == row["other_id"]
        assert known[row["id"]]["confidence"] == row["confidence"]
    second = facts_of_entity(store, number, outgoing=True, offset=1, limit=1)
    assert second == {"total": 3, "rows": [out["rows"][1]]}
    assert facts_of_entity(store, number, outgoing=False)["total"] == 1


def test_filters_of_facts(store):
    number = node(store, id_of(store, *LONDON))["number"]

    def ids(**filter_):
        rows = facts_of_entity(store, number, outgoing=False, filter_=FactFilter(**filter_))["rows"]
        return {row["other_name"] for row in rows}

    everyone = {"Ada Lovelace", MARKUP, "EvilRLO Ltd"}
    assert ids() == everyone
    assert ids(relations=("spouse",)) == set()
    assert ids(relations=("spouse", "place of birth")) == everyone
    assert ids(document="ada") == ids(document="more/ada") == {"Ada Lovelace"}
    assert ids(document="nowhere") == set()
    # Two documents of 2004-05-06 and of 2010 state it; the other ones have no date.
    for since, until, found in [
        ("2004-05-06", None, True),
        ("2004-05-07", "2009", False),
        ("2004", "2004", True),
        (None, "2004-05", True),
        (None, "2003", False),
        ("2010-06", None, True),  # a document of 2010 may be of June or later
        ("2011", None, False),
    ]:
        assert ids(since=since, until=until) == ({"Ada Lovelace"} if found else set())
    assert ids(document="ada", since="2005") == set()
    (best,) = (
        row["confidence"]
        for row in facts_of_entity(store, number, outgoing=False)["rows"]
        if row["other_name"] == "Ada Lovelace"
    )
    assert "Ada Lovelace" in ids(min_confidence=best)
    assert "Ada Lovelace" not in ids(min_confidence=min(1.0, best + 0.0001))


def test_a_fact_with_its_evidence(store, folder):
    number = node(store, id_of(store, *ADA))["number"]
    rows = facts_of_entity(store, number, outgoing=True)["rows"]
    (row,) = (r for r in rows if r["other_name"] == "London")
    found = fact(store, row["id"])
    assert found["subject"]["name"] == "Ada Lovelace"
    assert found["object"]["name"] == "London"
    assert found["predicate"]["description"] == "Where someone was born."
    assert found["evidence_count"] == len(found["evidence"]) == 2
    scores = [piece["score"] for piece in found["evidence"]]
    assert scores == sorted(scores, reverse=True)
    by_document = {piece["document"]["id"]: piece for piece in found["evidence"]}
    # The offsets count the emoji before the name as one.
    marked = {
        mark: piece["text"] for piece in by_document["ada"]["pieces"] for mark in piece["marks"]
    }
    assert marked == {"subject": "Ada Lovelace", "object": "London"}
    assert by_document["ada"]["document"]["link"] == "https://example.org/ada"
    assert by_document["more/ada"]["document"]["link"] is None  # javascript: is none
    assert len(fact(store, row["id"], limit=1)["evidence"]) == 1


def test_rules_that_spoke(store):
    number = node(store, id_of(store, *LONDON))["number"]
    (row,) = facts_of_entity(store, number, outgoing=True)["rows"]
    (rule,) = fact(store, row["id"])["rules"]
    assert rule["name"] == "argument_types"
    assert "does not allow" in rule["text"]


# Documents


def test_a_document(store):
    found = document(store, "ada")
    assert found["text_from"] == "extractions"
    text = "".join(piece["text"] for piece in found["pieces"])
    assert text.startswith("😀 Ada Lovelace was born")
    assert [m["name"] for m in found["mentions"]] == [
        "Ada Lovelace", "London", "1815", "Ada Lovelace", "Łódź", "Ada Lovelace",
    ]  # fmt: skip
    for place, mention in enumerate(found["mentions"]):
        covered = "".join(p["text"] for p in found["pieces"] if place in p["marks"])
        assert covered == text[mention["begin"] : mention["end"]]
    assert found["fact_count"] == len(found["facts"]) == 3
    assert (found["date"], found["link"]) == ("2004-05-06", "https://example.org/ada")


def test_a_document_whose_extractions_are_gone(folder, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, symlinks=True)
    shutil.rmtree(copy / "extractions")
    run = read_finished(str(copy))
    store = Store(run, open_index(run))
    found = document(store, "ada")
    assert found["text_from"] == "sentences"
    assert "".join(p["text"] for p in found["pieces"]) == (
        "😀 Ada Lovelace was born in London in 1815. Lovelace lived in Łódź. Ada Lovelace sang."
    )
    store.close()
    shutil.rmtree(graph_folder(copy) / "sentences")
    store = Store(run, open_index(run))
    found = document(store, "ada")
    assert (found["text_from"], found["pieces"]) == (None, [])
    assert len(found["mentions"]) == 6
    store.close()


def test_a_long_document_is_shown_in_parts(store, monkeypatch):
    from pfn_kg.pipeline.view.data import documents

    monkeypatch.setattr(documents, "PART_CHARACTERS", 30)
    whole, begin, facts = "", 0, []
    while begin < document(store, "ada")["characters"]:
        part = document(store, "ada", begin=begin)
        whole += "".join(piece["text"] for piece in part["pieces"])
        facts += part["facts"]
        begin = part["end"]
    assert whole.endswith("Ada Lovelace sang.")
    assert len(facts) == 3


def test_documents_are_found(store):
    assert [d["id"] for d in find_documents(store, "ADA")] == ["ada", "more/ada"]
    assert [d["id"] for d in find_documents(store, "of ada")] == ["more/ada"]
    assert find_documents(store, "%") == []


@examples(200)
@given(
    st.text(max_size=20),
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25))),
    st.integers(0, 3),
)
def test_the_pieces_are_the_text(text, bounds, start):
    spans = [Span(min(b), max(b), number) for number, b in enumerate(bounds)]
    pieces = cut(text, spans, start)
    assert "".join(piece["text"] for piece in pieces) == text
    assert all(piece["text"] for piece in pieces)
    for span in spans:
        covered = "".join(piece["text"] for piece in pieces if span.mark in piece["marks"])
        assert covered == text[max(0, span.begin - start) : max(0, span.end - start)]


def test_links_and_dates():
    assert link_of({"Source": "ftp://x.org/1", "link": "http://x.org/2"}) == "http://x.org/2"
    assert link_of({"url": "https:///nowhere"}) is None
    assert link_of({"url": ["https://x.org"]}) is None
    texts = ['{"edition": 1999, "published": "2001-02-03T04:05:06Z"}', '{"published": "no"}', "[]"]
    assert dates_of([*texts, None]) == ["2001-02-03", None, None, None]
    assert dates_of(['{"edition": 1999}']) == [None]


# Neighbourhoods


def test_a_neighbourhood(store, folder):
    ada = id_of(store, *ADA)
    found = neighbourhood(store, ada)
    ids = {row["id"] for row in found["nodes"]}
    rows = table_rows(folder, "relations")
    assert ids == {ada} | {
        other
        for r in rows
        for own, other in ((r["subject_id"], r["object_id"]), (r["object_id"], r["subject_id"]))
        if own == ada
    }
    assert {edge["id"] for edge in found["edges"]} == {
        r["relation_id"] for r in rows if r["subject_id"] in ids and r["object_id"] in ids
    }
    assert found["hidden"] == 0


def test_a_walk(store):
    ada, london = id_of(store, *ADA), id_of(store, *LONDON)
    first = neighbourhood(store, ada, limit=1)
    assert len(first["nodes"]) == 2
    assert first["hidden"] == 2
    shown = [row["id"] for row in first["nodes"]]
    second = neighbourhood(store, london, shown=[*shown, "nowhere"])
    assert set(shown) < {row["id"] for row in second["nodes"]}
    assert {MARKUP, "EvilRLO Ltd"} <= {row["name"] for row in second["nodes"]}
    filtered = neighbourhood(store, london, filter_=FactFilter(document="markup"))
    assert {row["name"] for row in filtered["nodes"]} == {"London", MARKUP}


def test_a_picture_has_a_limit(store, monkeypatch):
    from pfn_kg.pipeline.view.data import neighbourhood as module

    monkeypatch.setattr(module, "MOST_SHOWN", 3)
    found = neighbourhood(store, id_of(store, *LONDON))
    assert len(found["nodes"]) == 3
    assert found["hidden"] > 0


# Figures


def test_the_overview(store, folder):
    found = overview(store)
    tables = {name: table_rows(folder, name) for name in ("entities", "relations", "documents")}
    kinds = [row["kind"] for row in tables["entities"]]
    assert found["counts"]["entities"] == kinds.count("entity")
    assert found["counts"]["values"] == kinds.count("value")
    assert found["counts"]["facts"] == len(tables["relations"]) == sum(found["confidence"])
    assert found["counts"]["documents"] == len(tables["documents"])
    assert sum(row["count"] for row in found["types"]) == len(kinds)
    assert sum(row["count"] for row in found["relations"]) == len(tables["relations"])
    assert sum(found["degree"]) == kinds.count("entity")
    assert found["years"] == [{"name": "2004", "count": 1}, {"name": "2010", "count": 1}]
    assert {row["name"] for row in found["rules"]} == {
        "across_rival",
        "argument_types",
        "max_objects",
    }
    assert [(r["stage"], r["error"], r["count"]) for r in found["rejected"]] == [
        ("read", "empty text", 1)
    ]
    (row,) = rejected_rows(store)
    assert row["payload"] == "<b>payload</b>"


def test_best_facts_and_a_sample(store, folder):
    facts = table_rows(folder, "relations")
    best = best_facts(store, limit=3)
    assert best[0]["confidence"] == max(row["confidence"] for row in facts)
    assert all(len(found["evidence"]) == 1 for found in best)
    sample = sample_facts(store, size=100)
    ids = [found["id"] for found in sample]
    assert sorted(ids) == sorted(row["relation_id"] for row in facts)
    assert [found["id"] for found in sample_facts(store, size=100)] == ids
    samples = {sample_facts(store, size=1, seed=seed)[0]["id"] for seed in range(20)}
    assert len(samples) > 1


# The index


def test_the_index_is_made_once_for_a_snapshot(tmp_path):
    path = view_folder(tmp_path / "run")
    said = []
    first = open_index(read_finished(path), said.append)
    assert first.parent == Path(path) / INDEX_FOLDER
    stamp = first.stat().st_mtime_ns
    assert open_index(read_finished(path), said.append) == first
    assert first.stat().st_mtime_ns == stamp
    assert len(said) == 1
    run_build(path, BuildOptions(relation_threshold=0.75))
    second = open_index(read_finished(path), said.append)
    assert second != first
    # Nothing else lies there: no index of an earlier snapshot, and no half of one.
    assert [entry.name for entry in second.parent.iterdir()] == [second.name]


def test_an_index_that_fails_leaves_nothing(tmp_path, monkeypatch):
    from pfn_kg.pipeline.view.index import place

    path = view_folder(tmp_path / "run")

    def fail(run, new):
        new.write_bytes(b"half")
        raise duckdb.Error("no memory")

    monkeypatch.setattr(place, "build_index", fail)
    with pytest.raises(duckdb.Error, match="no memory"):
        open_index(read_finished(path))
    assert list((Path(path) / INDEX_FOLDER).iterdir()) == []


def test_a_folder_that_can_not_be_written(tmp_path, monkeypatch):
    path = view_folder(tmp_path / "run")
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    # Rights stop no root, so a file stands where the folder would be.
    (Path(path) / INDEX_FOLDER).write_text("in the way")
    found = open_index(read_finished(path))
    assert found.is_relative_to(elsewhere)
    assert found.name == index_name(read_finished(path))
    assert found.parent.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no owners of files")
def test_a_temporary_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    path = view_folder(tmp_path / "run")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (Path(path) / INDEX_FOLDER).write_text("in the way")
    place = tmp_path / f"pfn-kg-view-{os.getuid()}"
    open_index(read_finished(path))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    place.rename(tmp_path / "pfn-kg-view-12345")
    with pytest.raises(OSError, match="belongs to another user"):
        open_index(read_finished(path))


def test_the_view_changes_no_table(tmp_path):
    from pfn_kg.pipeline.verify import verify

    path = view_folder(tmp_path / "run")
    run = read_finished(path)
    Store(run, open_index(run)).close()
    assert verify(path) == []


def test_turned_names_are_shown_without_what_turns(store):
    # The graph's names have no such characters; mentions and evidence keep the text.
    assert TURNED not in {row["name"] for row in search(store, "").rows}
    found = document(store, "turned")
    assert TURNED in "".join(piece["text"] for piece in found["pieces"])
