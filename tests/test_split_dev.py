"""A development set out of training data, and the words about too few examples."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.training_data import DOCUMENT, options
from pfn_kg.pfn.readers.records import Annotated, AnnotatedDocument, Reading
from pfn_kg.pfn.training.split_dev import FEWEST_SENTENCES, split_dev, too_few
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick

PARTIAL = Annotated(relations=frozenset())


def reading(lengths, annotated=None):
    """Documents of so many sentences; with `annotated`, documents of their own."""
    found = Reading()
    for number, length in enumerate(lengths):
        begin = len(found)
        for index in range(length):
            found.add(str(number), index, [f"w{number}.{index}"], [(0, 1, "T")], [])
        if annotated:
            clusters = [[(index, 0)] for index in range(length)]
            found.documents.append(
                AnnotatedDocument(begin, len(found), clusters, [], annotated[number])
            )
    return found


@given(st.lists(st.integers(1, 4), min_size=2, max_size=30), st.integers(0, 3), st.booleans())
def test_whole_documents_are_parted(lengths, seed, has_documents):
    data = reading(lengths, [Annotated()] * len(lengths) if has_documents else None)
    parts = split_dev(data, seed)
    assert parts == split_dev(data, seed)
    names = [{sentence.document_id for sentence in part} for part in parts]
    assert not names[0] & names[1]
    assert len(names[1]) == max(1, round(0.15 * len(lengths)))
    assert sorted(s.text for part in parts for s in part) == sorted(s.text for s in data)
    for part in parts:
        assert [s.text for s in part] == [s.text for s in data if s in part]
        if has_documents:
            assert [d.begin for d in part.documents] == [0, *(d.end for d in part.documents)][:-1]
            assert part.documents[-1].end == len(part)


def test_documents_annotated_in_part_are_for_training():
    data = reading([1] * 10, [PARTIAL] * 8 + [Annotated()] * 2)
    train, dev = split_dev(data, 13)
    assert (len(train), len(dev)) == (9, 1)
    assert not dev.is_partial
    with pytest.raises(ConfigurationError, match="dev: is missing, and `train` has too few"):
        split_dev(reading([1, 1], [PARTIAL, Annotated()]), 13)


def test_too_few_examples_are_named():
    few = Reading()
    for number in range(FEWEST_SENTENCES):
        rare = number < 3
        few.add(
            "d",
            number,
            ["Anna", "saw", "Oslo"],
            [(0, 1, "PER"), (2, 3, "LOC")],
            [(0, "rare" if rare else "often", 1)],
        )
    assert too_few(few) == ["1 of 2 relations have fewer than 20 examples: rare (3)"]
    lines = too_few(few.first(10))
    assert lines[0].startswith("10 training sentences are few; below 200")
    assert lines[1].startswith("2 of 2 entity types have fewer than 20 examples: LOC (10), PER")


def test_the_command(tmp_path, capsys):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([DOCUMENT | {"title": str(n)} for n in range(7)]))
    arguments = options(path, tmp_path / "out", epochs=0)
    without = arguments[: arguments.index("--dev")] + arguments[arguments.index("--dev") + 2 :]
    quick = ["--no-tune-thresholds", "--no-calibrate"]
    assert main(["train", *without, *quick]) == 0
    said = capsys.readouterr().err
    assert f"no --dev: 3 sentences of {path} choose the best epoch" in said
    assert "18 training sentences are few" in said
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["sentences"] == {"train": 18, "dev": 3}


def test_all_that_is_missing_is_said_at_once(capsys):
    assert main(["train"]) == 2
    said = capsys.readouterr().err
    assert "these are missing: --train, --format, --output" in said
    assert main(["train", "--train", "x", "--format", "spert"]) == 2
    assert "--output: is missing" in capsys.readouterr().err
