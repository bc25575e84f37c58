"""The commands predict and schema."""

import io
import json
import sys

import pytest
import yaml

from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.label_schema import LabelSchema

pytestmark = pytest.mark.quick

TEXT = "She met Ada Lovelace in London. In 1990 NATO moved to 👍 Rome."


def test_json(tiny_model, tiny_extractor, capsys):
    options = ["--json", "--relation-threshold", "0.2"]
    assert main(["predict", "--model", str(tiny_model), *options, TEXT, ""]) == 0
    lines = capsys.readouterr().out.splitlines()
    found, empty = map(json.loads, lines)
    assert empty == {"sentences": [], "mentions": [], "triples": []}
    assert found["sentences"] == [{"begin": 0, "end": 31}, {"begin": 32, "end": len(TEXT)}]
    (expected,) = tiny_extractor.extract_documents([TEXT], relation_threshold=0.2)
    assert len(expected.triples)
    for ours, theirs in zip(found["mentions"], expected.mentions, strict=True):
        assert list(ours) == ["begin", "end", "text", "type", "score", "sentence"]
        assert TEXT[ours["begin"] : ours["end"]] == ours["text"]
        assert ours["score"] == pytest.approx(theirs.score, abs=1e-5)
        assert ours["sentence"] == (theirs.begin >= 32)
    for ours, theirs in zip(found["triples"], expected.triples, strict=True):
        assert list(ours) == ["subject", "relation", "object", "score"]
        assert (ours["subject"], ours["relation"], ours["object"]) == theirs[:3]


def test_words_that_the_end_of_a_line_cuts(tiny_model, capsys):
    whole = "She met Ada Lovelace in London."
    cut = whole.replace("London", "Lon-\ndon")
    found = []
    for text, options in ((whole, []), (cut, ["--dehyphenate"]), (whole, ["--dehyphenate"])):
        assert main(["predict", "--model", str(tiny_model), "--json", *options, text]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[2] == found[0]
    assert found[1]["sentences"] == [{"begin": 0, "end": len(cut)}]
    assert [m["text"] for m in found[1]["mentions"]] == [
        m["text"].replace("London", "Lon-\ndon") for m in found[0]["mentions"]
    ]
    assert any("Lon-\ndon" in m["text"] for m in found[1]["mentions"])
    assert all(cut[m["begin"] : m["end"]] == m["text"] for m in found[1]["mentions"])
    assert found[1]["triples"] == found[0]["triples"]


def test_standard_input_for_people(tiny_model, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode()), "ascii"))
    assert main(["predict", "--model", str(tiny_model), "-"]) == 0
    out = capsys.readouterr().out
    assert "LOC  London  [24:30]" in out
    assert "PER  Ada Lovelace  [8:20]" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--entity-threshold", "2"], "--entity-threshold: 2.0 is not between 0 and 1"),
        (["--head-policy", "x"], "--head-policy: 'x' is not one of all, best, longest"),
        (["--token-budget", "0"], "--token-budget: 0 is not 1 or more"),
        (["--model", "nowhere"], "--model: nowhere is neither a folder nor a shipped model"),
        (["--device", "warp"], "--device: 'warp' can't be used"),
    ],
)
def test_wrong_options(tiny_model, capsys, options, message):
    assert main(["predict", "--model", str(tiny_model), *options, "x"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_what_is_not_utf8(tiny_model, capsys):
    assert main(["predict", "--model", str(tiny_model), "a \udcff"]) == 2
    assert "TEXT: not UTF-8" in capsys.readouterr().err


def test_schema_of_model_and_run(tiny_model, tmp_path, capsys):
    assert main(["schema", str(tiny_model)]) == 0
    text = capsys.readouterr().out
    schema = LabelSchema.from_yaml(text)
    assert schema.relation("born_in").max_objects == 1
    edited = yaml.safe_load(text)
    edited["relations"][0]["symmetric"] = True
    (tmp_path / "label_schema.yaml").write_text(yaml.safe_dump(edited))
    assert main(["schema", str(tmp_path)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["relations"][0]["symmetric"] is True
    (tmp_path / "label_schema.yaml").write_text("relations: 3")
    assert main(["schema", str(tmp_path)]) == 2
    assert "label_schema.yaml: entity_types: is missing" in capsys.readouterr().err
