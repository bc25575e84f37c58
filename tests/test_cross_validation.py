"""Folds, their development sets, and the driver that trains on each."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.training_data import ENCODER
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.pfn.training.cross_validation import read_folds, split_fold, summarise
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError


def data_set(documents):
    """Sentences of documents that have so many of them."""
    found = Reading()
    for document, count in enumerate(documents):
        for index in range(count):
            found.add(f"doc{document}", index, [f"w{document}-{index}"], [], [])
    return found


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=20).flatmap(
        lambda documents: st.tuples(st.just(documents), st.integers(2, len(documents)))
    ),
    st.integers(0, 5),
)
def test_drawn_folds_part_the_data_by_document(drawn, seed):
    documents, count = drawn
    data = data_set(documents)
    folds = read_folds(str(count), data, seed)
    assert folds == read_folds(str(count), data, seed)
    assert len(folds) == count
    assert sorted(index for fold in folds for index in fold) == list(range(len(data)))
    of = [{data[index].document_id for index in fold} for fold in folds]
    assert all(of)
    assert sum(map(len, of)) == len(documents)
    # No fold has two documents more than another.
    assert max(map(len, of)) - min(map(len, of)) <= 1


def test_a_fold_is_test_and_15_percent_of_the_rest_is_dev():
    data = data_set([1] * 100)
    splits = split_fold(data, [5, 3, 99], 13)
    assert {name: len(found) for name, found in splits.items()} == {
        "train": 82,
        "dev": 15,
        "test": 3,
    }
    assert splits["test"] == [data[3], data[5], data[99]]
    assert sorted(s.document_id for found in splits.values() for s in found) == sorted(
        s.document_id for s in data
    )
    assert splits == split_fold(data, [99, 3, 5], 13)
    assert splits["dev"] != split_fold(data, [5, 3, 99], 14)["dev"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "folds: .*: "),
        ("[]", "not a list of two or more lists of numbers"),
        ("[[1], []]", "not a list of two or more lists of numbers"),
        ("[[1], [true]]", "not a list of two or more lists of numbers"),
        ('{"folds": [[0], [1]]}', "not a list of two or more lists of numbers"),
        ("[[0], [9]]", "fold 2: there is no sentence 9"),
        ("[[0, 1], [2, 1, 2]]", "fold 2: sentence 2 is there 2 times"),
    ],
)
def test_wrong_folds(tmp_path, content, message):
    (tmp_path / "folds.json").write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        read_folds(str(tmp_path / "folds.json"), data_set([1, 1, 1]), 13)


def test_wrong_number_of_folds():
    for count in ("1", "4"):
        with pytest.raises(ConfigurationError, match="is not between 2 and the number of doc"):
            read_folds(count, data_set([1, 1, 1]), 13)
    with pytest.raises(ConfigurationError, match=r"folds: nowhere\.json: No such file"):
        read_folds("nowhere.json", data_set([1, 1]), 13)


def scores(f1):
    of = {"precision": f1, "recall": f1, "f1": f1}
    kinds = {"entity": of, "triple": of}
    return kinds | {"macro": kinds, "official": kinds}


def test_summary():
    found = summarise([scores(0.5), scores(0.7)])
    assert found["mean"]["entity"]["f1"] == pytest.approx(0.6)
    assert found["mean"]["macro"]["triple"]["recall"] == pytest.approx(0.6)
    assert found["deviation"]["official"]["triple"]["f1"] == pytest.approx(0.02**0.5)
    assert summarise([scores(0.5)])["deviation"]["entity"]["f1"] == 0


@pytest.fixture
def arguments(tmp_path):
    """Cross-validation of eight sentences, one with entities that overlap."""
    sentences = []
    for name in ("Anna", "John", "Mary", "Bell", "Smith", "London", "Paris"):
        sentences.append(
            {
                "tokens": [name, "works", "for", "Acme", "."],
                "entities": [
                    {"type": "PER", "start": 0, "end": 1},
                    {"type": "ORG", "start": 3, "end": 4},
                ],
                "relations": [{"type": "works_for", "head": 0, "tail": 1}],
            }
        )
    overlapping = json.loads(json.dumps(sentences[0]))
    overlapping["entities"].append({"type": "ORG", "start": 2, "end": 4})
    (tmp_path / "all.json").write_text(json.dumps([*sentences, overlapping]))
    (tmp_path / "folds.json").write_text('{"test_indices_per_fold": [[0, 1, 7], [2, 3, 4]]}')
    (tmp_path / "training.yaml").write_text(
        "data: all.json\nfolds: folds.json\nformat: spert\noverlapping_entities: drop\n"
        f"paper: ade\nencoder: {ENCODER}\nepochs: 1\nhidden_size: 8\nthreads: 1\n"
        "tune_thresholds: false\n"
    )
    return [
        *("train", "--config", str(tmp_path / "training.yaml")),
        *("--data-folder", str(tmp_path), "--output", str(tmp_path / "out")),
    ]


def test_the_command(arguments, tmp_path, capsys):
    assert main([*arguments, "--fold", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "1 of 2 folds"
    # One fold is no row of the paper's table.
    assert not any(line.startswith("this training") for line in lines)
    # What is finished is not trained again.
    written = (tmp_path / "out" / "fold-02" / "metrics.json").stat().st_mtime_ns
    assert main([*arguments, "--resume"]) == 0
    assert (tmp_path / "out" / "fold-02" / "metrics.json").stat().st_mtime_ns == written
    out, err = capsys.readouterr()
    assert "--folds: of 8 sentences 0 are tested more than once and 2 never" in err
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(results["folds"]) == ["1", "2"]
    lines = out.splitlines()
    assert [line.partition(":")[0] for line in lines[:4]] == [
        "fold 1",
        "fold 2",
        "mean",
        "macro mean",
    ]
    assert lines[4].startswith("ADE, macro-F1")
    assert lines[-2].startswith("this training")
    assert lines[-1] == str(tmp_path / "out" / "results.json")
    first = json.loads((tmp_path / "out" / "fold-01" / "metrics.json").read_text())
    # Of three test sentences one has entities that overlap.
    assert first["sentences"] == {"train": 4, "dev": 1, "test": 2}
    assert first["skipped"]["test"] == {"sentence with overlapping entities": 1}
    assert (tmp_path / "out" / "fold-02" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fold", "3"], "--fold: '3' is not one of 1 to 2"),
        (["--train", "x"], "--train: has no use where --data and --folds are given"),
        (["--overlapping-entities", "x"], "--overlapping-entities: 'x' is not one of keep, drop"),
        (["--data", "x.json"], "--data: there is no file"),
        (["--paper", "x"], "--paper: 'x' is not one of nyt"),
    ],
)
def test_wrong_options(arguments, capsys, options, message):
    assert main([*arguments, *options]) == 2
    assert message in capsys.readouterr().err


def test_folds_need_data(capsys):
    command = ["train", "--format", "spert", "--encoder", "e", "--output", "o"]
    assert main(["train", "--data", "x"]) == 2
    assert "these are missing: --folds, --format, --output" in capsys.readouterr().err
    assert main([*command, "--folds", "2"]) == 2
    assert "--data: is missing" in capsys.readouterr().err
    assert main([*command, "--train", "a", "--dev", "b", "--fold", "1"]) == 2
    assert "--fold: has no use where --folds is not given" in capsys.readouterr().err
