"""`pfn-kg search` and `Graph.search`: ranking, the index on disk, and how answers are printed."""

import json
import math
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import Doc, write_folder
from helpers.golden import check_golden
from pfn_kg import ConfigurationError, Graph
from pfn_kg.pipeline import search_graph
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.search import place as place_module
from pfn_kg.pipeline.search.bm25 import bm25
from pfn_kg.pipeline.search.pagerank import pagerank
from pfn_kg.pipeline.search.place import INDEX_FOLDER
from pfn_kg.pipeline.search.rank import (
    VECTOR_WEIGHT,
    Ranking,
    named_entities,
    rank,
)
from pfn_kg.pipeline.search.sparse import rows_of
from pfn_kg.pipeline.search_graph import index_of, search

#: Who leads to Ada leads to Łódź only by a fact: no word of the question is in "lodz".
DOCS = [
    Doc(
        "engine",
        "Ada Lovelace wrote of the Analytical Engine.",
        (("Ada Lovelace", "PER", 0.9),),
        title="The Engine",
    ),
    Doc(
        "ada",
        "Ada Lovelace was born in Łódź. It rained.",
        (("Ada Lovelace", "PER", 0.9), ("Łódź", "LOC", 0.9)),
        (("Ada Lovelace", "place of birth", "Łódź", 0.8),),
        title="Ada Lovelace",
    ),
    Doc(
        "lodz",
        "Łódź has many mills.",
        (("Łódź", "LOC", 0.9),),
        title="Łódź",
    ),
    Doc(
        "grace",
        "Grace Hopper was born in Paris.",
        (("Grace Hopper", "PER", 0.9), ("Paris", "LOC", 0.9)),
        (("Grace Hopper", "place of birth", "Paris", 0.7),),
        title="Grace Hopper",
    ),
    Doc("rain", "The rain fell on mills.", title="Rain"),
]
QUESTION = "Who wrote of the Analytical Engine?"


def make(folder, docs=DOCS, **options):
    path = write_folder(folder, docs)
    run_build(path, BuildOptions(rdf=None, **{"sentences": True, **options}))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("search") / "run")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The temporary folder of the machine, which is empty."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(place_module.tempfile, "gettempdir", lambda: str(place))
    return place


def index_files(folder):
    place = Path(folder) / INDEX_FOLDER
    return {path.name: path.read_bytes() for path in sorted(place.glob("*/*"))}


def test_words_find_a_sentence_with_its_entities_and_facts(folder):
    found = search(folder, "Where was ADA LOVELACE born?")
    assert [entity.name for entity in found.entities] == ["Ada Lovelace"]
    first = found.sentences[0]
    assert (first.text, first.document_id) == ("Ada Lovelace was born in Łódź.", "ada")
    assert first.title == "Ada Lovelace"
    [fact] = [fact for fact in first.facts if fact.stated]
    assert (fact.subject, fact.predicate, fact.object) == (
        "Ada Lovelace",
        "place of birth",
        "Łódź",
    )
    assert found.complete


def test_the_graph_reaches_what_shares_no_word(folder):
    index = index_of(read_finished(folder))
    ids = index.documents["document_id"].to_pylist()
    ranks = rank(index, QUESTION).documents
    words, graph = (dict(zip(ids, scores, strict=True)) for scores in ranks[:2])
    assert words["lodz"] == 0 < graph["lodz"] < graph["ada"] < graph["engine"]
    assert graph["grace"] == 0
    assert "lodz" in [document.document_id for document in search(folder, QUESTION).documents]


def test_sentences_are_those_of_the_documents(folder):
    texts = {doc.id: doc.text for doc in DOCS}
    found = search(folder, "born Łódź mills rain")
    assert found.sentences
    for sentence in found.sentences:
        assert texts[sentence.document_id][sentence.begin : sentence.end] == sentence.text
    scores = [sentence.score for sentence in found.sentences]
    assert scores == sorted(scores, reverse=True)


def test_letters_count_without_case_and_accents(folder):
    assert [entity.name for entity in search(folder, "LODZ").entities] == ["Łódź"]


def test_a_long_name_hides_the_names_in_it(tmp_path):
    docs = [
        Doc("a", "New York State voted.", (("New York State", "LOC", 0.9),)),
        Doc("b", "New York slept.", (("New York", "LOC", 0.9),)),
    ]
    index = index_of(read_finished(make(tmp_path / "run", docs)))
    names = index.entities["name"].to_pylist()
    found = named_entities(index, ["is", "new", "york", "state", "larger", "than", "new", "york"])
    assert [[names[entity] for entity in group] for group in found] == [
        ["New York State"],
        ["New York"],
    ]


def test_the_limit_counts_sentences_and_documents(folder):
    everything, one = search(folder, "Łódź mills"), search(folder, "Łódź mills", limit=1)
    assert len(everything.sentences) > 1 < len(everything.documents)
    assert one.sentences == everything.sentences[:1]
    assert one.documents == everything.documents[:1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("???",), "pfn-kg: QUESTION: there is no word in it"),
        (("Ada", "--limit", "0"), "pfn-kg: --limit: "),
    ],
)
def test_bad_calls(folder, capsys, arguments, said):
    assert main(["search", folder, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(said)


def test_bad_calls_from_python(folder, tmp_path):
    with pytest.raises(ConfigurationError, match="at least 1, not 0"):
        Graph.open(folder).search("Ada", limit=0)
    with pytest.raises(ConfigurationError, match=r"no manifest\.json"):
        search(str(tmp_path), "Ada")


def test_a_graph_without_its_sentences_searches_evidence(tmp_path, capsys):
    path = make(tmp_path / "run", sentences=False)
    found = search(path, "Where was Ada Lovelace born?")
    assert not found.complete
    assert {sentence.text for sentence in found.sentences} <= {
        "Ada Lovelace was born in Łódź.",
        "Grace Hopper was born in Paris.",
    }
    assert found.sentences[0].document_id == "ada"
    assert found.sentences[0].facts[0].object == "Łódź"
    assert main(["search", path, "Ada"]) == 0
    assert "`pfn-kg build" in capsys.readouterr().err


def test_an_empty_graph_has_no_answer(tmp_path, capsys):
    path = make(tmp_path / "run", [Doc("a", "Nothing.")])
    assert main(["search", path, "Ada"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "pfn-kg: no sentence found\n")


def test_text(folder, capsys):
    assert main(["search", folder, "Where was Ada Lovelace born?", "--limit", "3"]) == 0
    check_golden("search.txt", capsys.readouterr().out)


def test_json_is_the_answer_of_graph_search(folder, capsys):
    assert main(["search", folder, QUESTION, "--format", "json", "--limit", "2"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads(json.dumps(asdict(Graph.open(folder).search(QUESTION, limit=2))))


def test_the_index_is_made_once(tmp_path, monkeypatch):
    path = make(tmp_path / "run")
    first = search(path, QUESTION)
    before = index_files(path)
    assert before

    def fail(*_, **__):
        raise AssertionError("it was made again")

    monkeypatch.setattr(search_graph, "build_index", fail)
    assert search(path, QUESTION) == first
    assert index_files(path) == before
    assert not list((Path(path) / INDEX_FOLDER).glob("*.new"))


def test_another_build_gets_another_index_and_the_old_one_goes(tmp_path):
    path = make(tmp_path / "run")
    search(path, QUESTION)
    [old] = (Path(path) / INDEX_FOLDER).iterdir()
    run_build(path, BuildOptions(rdf=None, sentences=True))
    search(path, QUESTION)
    [new] = (Path(path) / INDEX_FOLDER).iterdir()
    assert new.name != old.name


def test_a_folder_that_cannot_be_written_has_its_index_elsewhere(tmp_path, elsewhere):
    path = make(tmp_path / "run")
    (Path(path) / INDEX_FOLDER).write_text("in the way")
    first = search(path, QUESTION)
    [place] = elsewhere.iterdir()
    assert len(list(place.iterdir())) == 1
    assert search(path, QUESTION) == first


def test_without_any_place_the_index_stays_in_memory(tmp_path, elsewhere):
    path = make(tmp_path / "run")
    expected = search(path, QUESTION)
    shutil.rmtree(Path(path) / INDEX_FOLDER)
    (Path(path) / INDEX_FOLDER).write_text("in the way")
    elsewhere.rmdir()
    elsewhere.write_text("in the way")
    assert search(path, QUESTION) == expected


@settings(max_examples=2, deadline=None)
@given(order=st.permutations(DOCS), shard_rows=st.integers(1, 9))
def test_the_order_of_documents_changes_no_byte_and_no_rank(
    tmp_path_factory, folder, order, shard_rows
):
    path = make(tmp_path_factory.mktemp("order") / "run", order, shard_rows=shard_rows)
    assert search(path, QUESTION) == search(folder, QUESTION)
    assert index_files(path) == index_files(folder)


def test_bm25_of_one_word():
    # Two of three texts have the word, once and twice.
    postings = rows_of(np.array([0, 0]), np.array([0, 2]), np.array([1, 2]), 1)
    scores = bm25(postings, [0, 0], np.array([4, 4, 4]))
    rarity = math.log(1 + 1.5 / 2.5)
    assert scores == pytest.approx([rarity, 0, rarity * 2 * 2.2 / (2 + 1.2)])


CELLS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=20
)


@given(CELLS, st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(any))
def test_pagerank_is_a_fixed_point(cells, seeds):
    """It is what a dense solver says, wherever no rank is lost at nodes without edges."""
    one, other, weight = (np.array(column) for column in zip(*cells, strict=True))
    edges = rows_of(
        np.concatenate([one, other, np.arange(6)]),
        np.concatenate([other, one, np.arange(6)]),
        np.concatenate([weight, weight, np.ones(6)]),
        6,
    )
    dense = np.zeros((6, 6))
    for node in range(6):
        columns, values = edges.row(node)
        dense[node, columns] = values
    start = np.array(seeds) / sum(seeds)
    exact = np.linalg.solve(np.eye(6) - 0.5 * dense / dense.sum(axis=0), 0.5 * start)
    assert pagerank(edges, np.array(seeds, float)) == pytest.approx(exact, abs=2e-6)


@given(CELLS, st.randoms())
def test_the_order_of_cells_is_no_matter(cells, random):
    shuffled = list(cells)
    random.shuffle(shuffled)
    one, other = (rows_of(*map(np.array, zip(*part, strict=True)), 6) for part in (cells, shuffled))
    for left, right in zip(one, other, strict=True):
        assert left.tobytes() == right.tobytes()


def test_scores_are_fused_as_shares_of_the_best():
    words, graph = np.array([4.0, 0, 2]), np.array([0.1, 0.2, 0])
    vectors = np.array([0.0, 0.5, 0.25])
    assert Ranking(words, graph, 3).fused().tolist() == [1 + 3 / 2, 3, 0.5]
    assert Ranking(words, graph, 3, vectors).fused() == pytest.approx(
        [1 + 3 / 2, 3 + VECTOR_WEIGHT, 0.5 + VECTOR_WEIGHT / 2]
    )
    none = np.zeros(3)
    assert Ranking(none, none, 3, none).fused().tolist() == [0, 0, 0]


@examples(50)
@given(
    st.lists(st.floats(0, 9), min_size=4, max_size=4),
    st.lists(st.floats(0, 9), min_size=4, max_size=4),
    st.sampled_from([0.5, 4.0, 2.0**20]),
)
def test_the_unit_of_scores_is_no_matter(words, graph, unit):
    # Powers of two, so that no rounding is in the way.
    plain = Ranking(np.array(words), np.array(graph), 3).fused()
    assert Ranking(np.array(words) * unit, np.array(graph), 3).fused() == pytest.approx(plain)
    assert Ranking(np.array(words), np.array(graph) * unit, 3).fused() == pytest.approx(plain)


def test_ids_are_in_json_only(folder, capsys):
    assert main(["search", folder, QUESTION]) == 0
    assert not re.search(r"\b[0-9a-f]{24}\b", capsys.readouterr().out)
