"""The paper's analyses on cases worked out by hand, the figures, Table 1."""

import importlib.util
import json
import xml.etree.ElementTree as ElementTree

import pytest

from pfn_kg.pfn.evaluation.analyses import analyse, in_triple, patterns, published_patterns
from pfn_kg.pfn.evaluation.gold_spans import GoldSentence
from pfn_kg.pfn.evaluation.paper_results import beside_paper, table_1
from pfn_kg.pfn.evaluation.plots import write_plots
from pfn_kg.pfn.evaluation.scores import score
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.records import HeadExtraction, HeadTriple, Mention

A, B, C, D = ((place, place + 1, "X" if place < 4 else "Y") for place in (0, 2, 4, 6))
TEXT = "a b c d"
THRESHOLDS = {"entity_threshold": 0.5, "relation_threshold": 0.5}


def found(entities, triples=()):
    return HeadExtraction(
        [Mention(b, e, TEXT[b:e], type_, 0.9) for b, e, type_ in entities],
        [HeadTriple(s[0], r, o[0], 0.9) for s, r, o in triples],
    )


def gold(entities, triples=()):
    return GoldSentence(TEXT, set(entities), set(triples))


@pytest.mark.parametrize(
    ("triples", "expected"),
    [
        ([(A, "r", B)], ["normal"]),
        ([(A, "r", B), (C, "r", D)], ["normal"]),
        # "Adam and Joe were born in the USA", and "Adam was born in the USA and lived there".
        ([(A, "born", C), (B, "born", C)], ["seo"]),
        ([(A, "born", C), (A, "lived", C)], ["epo"]),
        ([(A, "born", C), (A, "lived", C), (A, "lived", D)], ["epo", "seo"]),
        ([(A, "r", B), (B, "r", A)], ["seo"]),
        ([(A, "r", A)], ["normal"]),
        ([(A, "r", A), (A, "r", B)], ["seo"]),
    ],
)
def test_patterns(triples, expected):
    assert patterns(triples) == expected


@pytest.mark.parametrize(
    ("triples", "expected"),
    [
        ([("A", "r", "B")], ["normal"]),
        ([("A", "r", "B"), ("C", "r", "D")], ["normal"]),
        # Listed twice, and an entity that is subject and object.
        ([("A", "r", "B"), ("A", "r", "B")], ["epo"]),
        ([("A", "r", "A")], ["seo"]),
        ([("A", "r", "B"), ("A", "r", "B"), ("A", "r", "C")], ["epo", "seo"]),
        ([("A", "r", "B"), ("B", "s", "A")], ["seo"]),
    ],
)
def test_patterns_as_the_literature_counts(triples, expected):
    assert published_patterns(triples) == expected


def test_sentences_grouped_by_listed_triples():
    sentences = [gold([A, B], [(A, "r", B)]), gold([A])]
    listed = [[("a", "r", "b")] * 2, []]
    predictions = [found([A, B], [(A, "r", B)]), found([A])]
    analyses = analyse(predictions, sentences, listed=listed, **THRESHOLDS)
    assert analyses["overlap"]["epo"]["sentences"] == 1
    assert analyses["overlap"]["normal"]["sentences"] == 0
    assert analyses["triples_per_sentence"]["2"]["sentences"] == 1
    # Scores are of distinct triples.
    assert analyses["triples_per_sentence"]["2"]["support"] == 1


def test_triples_by_pattern_and_by_number():
    sentences = [
        gold([A, B], [(A, "r", B)]),
        gold([A, B, C], [(A, "r", C), (B, "r", C)]),
        gold([A, B], [(A, "r", B), (A, "s", B)]),
        gold([A, B, C, D], [(A, r, o) for r in "rst" for o in (B, C)]),
        gold([A]),
    ]
    predictions = [
        found([A, B], [(A, "r", B)]),
        found([A, C], [(A, "r", C)]),
        found([A, B], [(A, "r", B), (A, "s", B), (B, "r", A)]),
        found([]),
        # Without a gold triple: counts for the whole and in no group.
        found([A, B], [(A, "r", B)]),
    ]
    analyses = analyse(predictions, sentences, **THRESHOLDS)
    overlap = analyses["overlap"]
    assert {n: (s["sentences"], s["support"]) for n, s in overlap.items()} == {
        "normal": (1, 1),
        "seo": (2, 8),
        "epo": (2, 8),
    }
    assert overlap["normal"]["f1"] == 1
    assert (overlap["seo"]["precision"], overlap["seo"]["recall"]) == (1, 1 / 8)
    assert (overlap["epo"]["precision"], overlap["epo"]["recall"]) == (2 / 3, 2 / 8)
    number = analyses["triples_per_sentence"]
    assert {n: (s["sentences"], s["support"]) for n, s in number.items()} == {
        "1": (1, 1),
        "2": (2, 4),
        "3": (0, 0),
        "4": (0, 0),
        "5+": (1, 6),
    }
    assert (number["2"]["precision"], number["2"]["recall"]) == (3 / 4, 3 / 4)


def test_entities_in_triples_and_outside():
    sentence = gold([A, B, C, D], [(A, "r", B)])
    # A and C are taken to be in a triple; B is found outside of one; (6, 7, X) is wrong.
    wrong = (6, 7, "X")
    prediction = ({A, B, C, wrong}, {(A, "r", C)})
    scores = in_triple([prediction], [sentence])
    assert scores["total"]["precision"] == 3 / 4
    assert scores["total"]["recall"] == 3 / 4
    assert (scores["in_triple"]["precision"], scores["in_triple"]["recall"]) == (1, 1)
    outside = scores["out_of_triple"]
    assert (outside["precision"], outside["recall"]) == (1 / 2, 1 / 2)
    assert (scores["in_triple"]["ratio"], outside["ratio"]) == (1 / 2, 1 / 2)
    assert scores["difference"] == {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2}


def test_macro_is_the_mean_over_classes():
    sentences = [gold([A, B, C], [(A, "r", B), (B, "s", C)])]
    predictions = [found([A, B], [(A, "r", B), (B, "r", A)])]
    scores = score(predictions, sentences, **THRESHOLDS)
    # Type X: all right; type Y: nothing found.
    assert scores["macro"]["entity"]["f1"] == pytest.approx(1 / 2)
    assert scores["entity"]["f1"] == pytest.approx(4 / 5)
    assert scores["macro"]["triple"]["precision"] == pytest.approx((1 / 2 + 0) / 2)
    assert scores["macro"]["triple"]["f1"] == pytest.approx(1 / 3)


def test_nothing_at_all():
    analyses = analyse([found([])], [gold([])], **THRESHOLDS)
    assert analyses["in_triple"]["total"]["f1"] == 0
    assert analyses["overlap"]["epo"]["sentences"] == 0


def test_table_1_is_the_papers():
    table = table_1()
    assert list(table) == ["nyt", "webnlg", "ade", "ace05", "ace04", "scierc"]
    ours = {name: [r for r in part["rows"] if r["method"] == "PFN"] for name, part in table.items()}
    assert {name: (rows[-1]["ner"], rows[-1]["re"]) for name, rows in ours.items()} == {
        "nyt": (95.8, 92.4),
        "webnlg": (98.0, 93.6),
        "ade": (91.3, 83.2),
        "ace05": (89.0, 66.8),
        "ace04": (89.3, 62.5),
        "scierc": (66.8, 38.4),
    }
    assert sum(len(part["rows"]) for part in table.values()) == 34


def test_beside_the_paper():
    figures = {
        "entity": {"f1": 0.9},
        "triple": {"f1": 0.8},
        "macro": {"entity": {"f1": 0.7}, "triple": {"f1": 0.6}},
    }
    micro = beside_paper("scierc", figures, method="ours", encoder="MiniLM").splitlines()
    assert micro[0].startswith("SciERC, micro-F1")
    assert micro[-1].split() == ["ours", "MiniLM", "90.0", "80.0"]
    assert micro[-2].split() == ["PFN", "SciBERT", "66.8", "38.4"]
    assert len(set(map(len, micro[1:]))) == 1
    macro = beside_paper("ade", figures, method="ours", encoder="MiniLM").splitlines()
    assert macro[-1].split() == ["ours", "MiniLM", "70.0", "60.0"]
    assert any(
        line.split()[-2:] == ["-", "72.1"]
        for line in beside_paper("nyt", figures, method="ours", encoder="MiniLM").splitlines()
    )


def test_figures_are_drawn_and_are_the_same_twice(tmp_path):
    sentences = [gold([A, B, C], [(A, "r", C), (B, "r", C)]), gold([A, B], [(A, "r", B)])]
    analyses = analyse([found([A, C], [(A, "r", C)]), found([A])], sentences, **THRESHOLDS)
    paths = write_plots(analyses, tmp_path / "one", "50 $ of <data> & more")
    assert [path.name for path in paths] == [
        f"{name}.{kind}"
        for name in ("overlap", "triples_per_sentence", "in_triple")
        for kind in ("png", "svg")
    ]
    text = " ".join(ElementTree.parse(paths[1]).getroot().itertext())
    for word in ("SEO", "EPO", "sentences: 1", "66.7", "50 $ of <data> & more"):
        assert word in text
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    again = write_plots(analyses, tmp_path / "two", "50 $ of <data> & more")
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in again]


@pytest.fixture
def evaluation(tiny_model, tmp_path):
    """`evaluate` on two sentences, as arguments."""
    data = tmp_path / "data.json"
    anna, london = {"type": "PER", "start": 0, "end": 2}, {"type": "LOC", "start": 5, "end": 6}
    paris, rome = ({"type": "LOC", "start": place, "end": place + 1} for place in (0, 2))
    born = {
        "tokens": ["Anna", "Bell", "was", "born", "in", "London", "."],
        "entities": [anna, london],
        "relations": [{"type": "born_in", "head": 0, "tail": 1}],
    }
    cities = {"tokens": ["Paris", "and", "Rome"], "entities": [paris, rome], "relations": []}
    data.write_text(json.dumps([born, cities]))
    return ["evaluate", "--model", str(tiny_model), "--format", "spert", "--data", str(data)]


def test_what_evaluate_prints(evaluation, capsys, tmp_path):
    folder = tmp_path / "figures"
    assert main([*evaluation, "--plots", str(folder), "--paper", "scierc"]) == 0
    out, err = capsys.readouterr()
    for heading in (
        "entities, macro",
        "entity type",
        "relation",
        "entities (Table 3)",
        "overlap (Figure 3)",
        "triples (Figure 4)",
        "SciERC, micro-F1",
    ):
        assert heading in out
    assert out.splitlines()[-1].startswith("this model ")
    assert str(folder / "overlap.svg") in err
    assert len(list(folder.iterdir())) == 6


def test_without_matplotlib(evaluation, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main([*evaluation, "--plots", str(tmp_path / "x")]) == 2
    assert "'.[plots]'` in a clone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--paper", "ace"], "--paper: 'ace' is not one of nyt, webnlg, ade"),
        (["--plots", __file__], f"--plots: {__file__} is no folder"),
        (["--robustness", "one.json"], "--robustness: takes pairs of files, ORIGINAL TRANSFORMED"),
        (["--robustness", "a", "b"], "--data: not together with files of --robustness"),
        (["--robustness", "--paper", "ade"], "--robustness: goes without --plots and --paper"),
        (["--overlapping-entities", "x"], "--overlapping-entities: 'x' is not one of keep, drop"),
    ],
)
def test_wrong_options(evaluation, capsys, options, message):
    assert main([*evaluation, *options]) == 2
    assert message in capsys.readouterr().err
