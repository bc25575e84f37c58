"""Graphs scored against annotated documents: known figures, invariants, and the command."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.readers.docred import GoldDocument, GoldMention, read_docred_documents
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.graph_scores import LOSSES, GraphDocument, score_graph

pytestmark = pytest.mark.quick

# Six mentions of two characters in two sentences: 0, 3, 6 in the first, 10, 13, 16 in the second.
PLACES = [0, 3, 6, 10, 13, 16]


def gold_document(clusters, facts):
    return GoldDocument(
        "title",
        "x" * 20,
        [[GoldMention(p, p + 2, t, int(p >= 10)) for p, t in cluster] for cluster in clusters],
        set(facts),
    )


def graph_document(clusters, triples, confidence=0.5):
    """Entities by name with their (place, type), and (place, relation, place) between them."""
    entity_of = {place: name for name, found in clusters.items() for place, _ in found}
    return GraphDocument(
        [
            {"begin": place, "end": place + 2, "type": type_, "entity_id": name}
            for name, found in clusters.items()
            for place, type_ in found
        ],
        [
            {
                "relation": relation,
                "subject_entity_id": entity_of[subject],
                "object_entity_id": entity_of[object_],
                "subject_begin": subject,
                "subject_end": subject + 2,
                "object_begin": object_,
                "object_end": object_ + 2,
                "confidence": confidence,
                "evidence_sentences": 1 + ((subject >= 10) != (object_ >= 10)),
            }
            for subject, relation, object_ in triples
        ],
    )


def losses(found):
    return {name: loss["facts"] for name, loss in found["loss_by_stage"].items() if loss["facts"]}


def score(gold, graph):
    return score_graph({"d": gold}, {"d": graph})


GOLD = gold_document(
    [[(0, "A"), (10, "A")], [(3, "B")], [(13, "B")]], [(0, "r", 1), (0, "s", 1), (1, "r", 2)]
)


def test_figures_by_hand():
    graph = graph_document(
        {"a": [(0, "A")], "b": [(3, "B"), (13, "B")], "c": [(6, "A")]},
        [(0, "r", 3), (0, "r", 3), (0, "t", 3), (6, "r", 3)],
    )
    found = score(GOLD, graph)
    assert found["mention"] == {
        "precision": pytest.approx(3 / 4),
        "recall": pytest.approx(3 / 4),
        "f1": pytest.approx(3 / 4),
        "support": 4,
    }
    assert (found["entity_cluster"]["precision"], found["entity_cluster"]["recall"]) == (0, 0)
    # 0 is in a cluster of its own: precision 1, recall 1/2. 3 and 13: precision 1/2, recall 1.
    b_cubed = found["entity_cluster"]["b_cubed"]
    assert b_cubed["precision"] == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert b_cubed["recall"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    pairwise = found["entity_cluster"]["pairwise"]
    assert (pairwise["precision"], pairwise["recall"], pairwise["support"]) == (0, 0, 1)
    # Said twice counts once; c is no gold entity.
    fact = found["fact"]
    assert fact["precision"] == pytest.approx(1 / 3)
    assert (fact["recall"], fact["support"]) == (pytest.approx(1 / 3), 3)
    assert found["per_relation"]["r"]["support"] == 2
    assert found["per_relation"]["t"]["precision"] == 0
    assert losses(found) == {"wrong_relation": 1, "beyond_sentence": 1}
    # The triples between the mentions at 0 or 6 and at 3 stand in one sentence.
    assert found["fact_evidence"]["inside"]["facts"] == 3
    assert found["fact_evidence"]["inside"]["precision"] == pytest.approx(1 / 3)
    # One of three facts is right, and each was said with 0.5.
    assert found["calibration"]["bins"] == [(0.5, pytest.approx(1 / 3), 3)]
    assert found["calibration"]["error"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("clusters", "triples", "reason"),
    [
        ({"a": [(0, "A")]}, [], "mention_missed"),
        ({"a": [(0, "A")], "b": [(3, "B")]}, [], "relation_missed"),
        ({"a": [(0, "A")], "b": [(3, "A")]}, [], "wrong_type"),
        ({"a": [(0, "A")], "b": [(3, "B")]}, [(3, "r", 0)], "wrong_direction"),
        ({"a": [(0, "A")], "b": [(3, "B")]}, [(0, "s", 3)], "wrong_relation"),
        ({"a": [(0, "A"), (6, "A")], "b": [(3, "B")]}, [(6, "r", 3)], "merge_error"),
    ],
)
def test_why_a_fact_is_missing(clusters, triples, reason):
    gold = gold_document([[(0, "A")], [(3, "B")], [(13, "B")]], [(0, "r", 1)])
    assert losses(score(gold, graph_document(clusters, triples))) == {reason: 1}
    far = gold_document([[(0, "A")], [(3, "B")], [(13, "B")]], [(0, "r", 2)])
    assert losses(score(far, graph_document(clusters, []))) == {"beyond_sentence": 1}


DOCUMENTS = st.tuples(
    st.dictionaries(
        st.sampled_from(PLACES), st.tuples(st.integers(0, 2), st.sampled_from("AB")), min_size=1
    ),
    st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from("rs"), st.sampled_from(PLACES))),
)


def parts(drawn):
    places, triples = drawn
    clusters: dict[int, list] = {}
    for place, (number, type_) in sorted(places.items()):
        clusters.setdefault(number, []).append((place, type_))
    return clusters, [t for t in triples if t[0] in places and t[2] in places]


@given(DOCUMENTS, DOCUMENTS)
def test_losses_add_up_and_gold_itself_is_perfect(gold_drawn, graph_drawn):
    clusters, triples = parts(gold_drawn)
    order = list(clusters)
    cluster_of = {p: n for n, key in enumerate(order) for p, _ in clusters[key]}
    gold = gold_document(
        list(clusters.values()), {(cluster_of[s], r, cluster_of[o]) for s, r, o in triples}
    )
    said, facts = parts(graph_drawn)
    named = {f"e{key}": value for key, value in said.items()}
    found = score(gold, graph_document(named, facts))
    right = round(found["fact"]["recall"] * len(gold.facts))
    assert sum(losses(found).values()) == len(gold.facts) - right
    for scores in (found["mention"], found["fact"], found["entity_cluster"]["b_cubed"]):
        assert all(0 <= scores[name] <= 1 for name in ("precision", "recall", "f1"))

    same = {f"e{key}": value for key, value in clusters.items()}
    found = score(gold, graph_document(same, triples))
    assert found["mention"]["f1"] == found["entity_cluster"]["f1"] == 1
    assert found["entity_cluster"]["b_cubed"]["f1"] == 1
    assert found["fact"]["f1"] == (1 if gold.facts else 0)
    assert losses(found) == {}


DOCRED = [
    {
        "title": "Curie 😀",
        "sents": [
            ["Marie", "Curie", "was", "born", "in", "Warsaw", "."],
            ["She", "worked", "in", "Paris", ".", "😀"],
        ],
        "vertexSet": [
            [{"sent_id": 0, "pos": [0, 2], "type": "PER", "name": "Marie Curie"}],
            [{"sent_id": 0, "pos": [5, 6], "type": "LOC", "name": "Warsaw"}],
            [{"sent_id": 1, "pos": [3, 4], "type": "LOC", "name": "Paris"}],
        ],
        "labels": [{"h": 0, "t": 1, "r": "born_in"}, {"h": 0, "t": 2, "r": "P937"}],
    },
    {"title": "Curie 😀", "sents": [[]], "vertexSet": [], "labels": []},
]


@pytest.fixture
def gold_file(tmp_path):
    path = tmp_path / "gold.json"
    path.write_text(json.dumps(DOCRED), encoding="utf-8")
    (tmp_path / "rel_info.json").write_text('{"P937": "work location"}')
    return path


def test_documents_are_tokens_joined_by_spaces(gold_file):
    first, second = read_docred_documents(gold_file)
    assert first.text == "Marie Curie was born in Warsaw . She worked in Paris . 😀"
    spelt = [[first.text[m.begin : m.end] for m in cluster] for cluster in first.clusters]
    assert spelt == [["Marie Curie"], ["Warsaw"], ["Paris"]]
    assert first.facts == {(0, "born_in", 1), (0, "work_location", 2)}
    assert second == GoldDocument("Curie 😀", "", [], set())


def test_command(tmp_path, gold_file, tiny_model, capsys):
    output = tmp_path / "out"
    call = ["evaluate-graph", "--gold", str(gold_file), "--format", "docred"]
    call += ["--model", str(tiny_model), "--output", str(output)]
    assert main([*call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"mention", "entity_cluster", "fact", "loss_by_stage", "per_relation"} <= found.keys()
    for name in ("mention", "entity_cluster", "fact"):
        assert {"precision", "recall", "f1", "support"} <= found[name].keys()
    assert list(found["loss_by_stage"]) == list(LOSSES)
    assert (found["mention"]["support"], found["fact"]["support"]) == (3, 2)
    assert found["documents"] == 2
    assert found["counts"]["rejected"] == 1  # a document without a word
    assert found["loss_by_stage"]["beyond_sentence"]["facts"] == 1

    # Again with other options of the build: nothing is extracted.
    [chunk] = (output / "run" / "extractions").glob("*.parquet")
    written = chunk.stat().st_mtime_ns
    assert main([*call, "--relation-threshold", "1", "--json"]) == 0
    strict = json.loads(capsys.readouterr().out)
    assert strict["fact"]["recall"] == 0
    assert strict["mention"] == found["mention"]
    assert chunk.stat().st_mtime_ns == written
    assert main([*call, "--plots", str(tmp_path / "plots")]) == 0
    said = capsys.readouterr().out
    assert "calibration error of the confidence of facts" in said
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {
        "reliability.png",
        "reliability.svg",
    }
    assert said.splitlines()[1].startswith("mentions")
    assert "beyond sentence" in said
    assert not list(Path(output / "run").glob("rdf"))


def test_command_across_documents(tmp_path, gold_file, tiny_model, capsys):
    links = tmp_path / "links.json"
    ids = [{"wikidata": "Q7186"}, {"wikidata": "Q270"}, None]
    links.write_text(json.dumps([{"title": "Curie 😀", "entities": ids}]), encoding="utf-8")
    call = ["evaluate-graph", "--gold", str(gold_file), "--format", "docred", "--limit", "1"]
    call += ["--model", str(tiny_model), "--links", str(links)]
    assert main([*call, "--output", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["links"]
    assert (found["gold"]["mentions"], found["gold"]["found"]) == (2, 2)
    assert found["gold"]["b_cubed"]["f1"] == 1
    assert found["graph"]["mentions"] == 2
    assert main([*call, "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "across documents, gold mentions: 2 of 2 with an id" in said
    links.write_text("[]")
    assert main(call) == 2
    assert "links.json: has the title of none of the documents" in capsys.readouterr().err


def test_graphs_that_are_only_scored_are_told_to_no_catalogue(
    tmp_path, gold_file, tiny_model, monkeypatch
):
    pytest.importorskip("openlineage.client", reason="the extra openlineage is not installed")
    told, config = tmp_path / "events.jsonl", tmp_path / "openlineage.yml"
    config.write_text(f"transport: {{type: file, log_file_path: {told}, append: true}}\n")
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))
    links, kept = tmp_path / "links.json", tmp_path / "kept"
    ids = [{"wikidata": "Q7186"}, {"wikidata": "Q270"}, None]
    links.write_text(json.dumps([{"title": "Curie 😀", "entities": ids}]), encoding="utf-8")
    call = ["evaluate-graph", "--gold", str(gold_file), "--format", "docred", "--limit", "1"]
    call += ["--model", str(tiny_model), "--links", str(links)]
    assert main(call) == 0
    assert not told.exists()
    # The run in a folder that stays is one; the graph of what people annotated is not.
    assert main([*call, "--output", str(kept)]) == 0
    jobs = {json.loads(line)["job"]["name"] for line in told.read_text().splitlines()}
    assert jobs == {f"extract {kept}/run", f"build {kept}/run"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "spert"], "--format: 'spert' is not one of docred"),
        (["--format", "docred", "--limit", "0"], "--limit: 0 is not 1 or more"),
        (["--format", "docred", "--gold", "no.json"], "no.json: No such file"),
        (["--format", "docred", "--model", "no such"], "--model: "),
        (["--format", "docred", "--relation-threshold", "2"], "--relation-threshold: 2.0"),
        (["--format", "docred", "--device", "abacus"], "abacus"),
    ],
)
def test_wrong_calls(gold_file, capsys, options, message):
    assert main(["evaluate-graph", "--gold", str(gold_file), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_wrong_records_are_named(tmp_path, capsys):
    path = tmp_path / "gold.json"
    for change, message in (
        ({"labels": [{"h": 0, "t": 9, "r": "x"}]}, "record 1: field labels.0.t: no entity 9"),
        ({"sents": [["One"]]}, "record 1: field vertexSet.0.0.pos"),
        ({"vertexSet": None}, "record 1: field vertexSet"),
    ):
        path.write_text(json.dumps([DOCRED[0] | change]), encoding="utf-8")
        assert main(["evaluate-graph", "--gold", str(path), "--format", "docred"]) == 2
        assert message in capsys.readouterr().err
    path.write_text("[]")
    assert main(["evaluate-graph", "--gold", str(path), "--format", "docred"]) == 2
    assert "has no document" in capsys.readouterr().err
