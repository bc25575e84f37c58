"""An almost untrained model's output is bounded, a trained one's is not."""

import json
import logging

import pytest
import torch

from helpers.training_data import DOCUMENT, options
from pfn_kg.pfn.evaluation import bounded_decoding
from pfn_kg.pfn.evaluation.bounded_decoding import Floors, bounded_floors
from pfn_kg.pfn.evaluation.predictions import predict_reading
from pfn_kg.pfn.readers.records import AnnotatedDocument, Reading
from pfn_kg.pipeline.cli import main

pytestmark = pytest.mark.quick

WORDS = [
    "the",
    "young",
    "woman",
    "from",
    "Oslo",
    "met",
    "an",
    "old",
    "friend",
    "of",
    "John",
    "Smith",
    "in",
    "London",
    "last",
    "year",
]


@pytest.fixture(scope="module")
def reading():
    found = Reading()
    for number in range(20):
        found.add("d", number, WORDS[number % 5 :] + WORDS[: number % 5], [], [])
    found.documents.append(AnnotatedDocument(0, 20, [], []))
    return found


def untrained(random_extractor, **changes):
    """Half of all cells are accepted."""
    extractor = random_extractor(**changes)
    with torch.no_grad():
        for unit in (extractor.model.ner, extractor.model.re):
            unit.label.bias.zero_()
    return extractor


def count(extractor, reading, floors):
    read = predict_reading(
        extractor, reading, entity_floor=floors.entity, relation_floor=floors.relation
    )
    found = read.documents or read.sentences
    return [sum(len(heads[place]) for heads in found) for place in (0, 1)]


@pytest.mark.parametrize("window_tokens", [0, 60])
def test_of_an_untrained_model_little_is_decoded(
    random_extractor, reading, window_tokens, monkeypatch, caplog
):
    extractor = untrained(random_extractor, window_tokens=window_tokens)
    words = sum(len(sentence.tokens) for sentence in reading)
    monkeypatch.setattr(bounded_decoding, "_MOST_TRIPLES", 600)
    asked = Floors(0.02, 0.02)
    with caplog.at_level(logging.WARNING):
        floors = bounded_floors(extractor, reading, entity=0.02, relation=0.02)
    assert floors.raised
    assert "the model has hardly learnt" in caplog.text
    all_mentions, all_triples = count(extractor, reading, asked)
    mentions, triples = count(extractor, reading, floors)
    assert all_mentions > 5 * words
    assert mentions < 2 * words
    assert all_triples > 6000
    # The few sentences that are tried give the size, not the number.
    assert 0 < triples < 3 * 600


def test_of_a_trained_model_everything_is(random_extractor, reading, caplog):
    extractor = random_extractor()
    with torch.no_grad():
        for unit in (extractor.model.ner, extractor.model.re):
            unit.label.bias.sub_(6)
    assert bounded_floors(extractor, reading, entity=0.3, relation=0.3) == Floors(0.3, 0.3)
    assert not caplog.records


def test_a_reading_of_short_sentences(random_extractor):
    short = Reading()
    short.add("d", 0, ["Oslo"], [], [])
    assert (
        bounded_floors(untrained(random_extractor), short, entity=0.5, relation=0.5).entity >= 0.5
    )


def test_a_training_without_a_step_ends(tmp_path, capfd):
    (tmp_path / "data.json").write_text(json.dumps([DOCUMENT] * 3))
    arguments = options(tmp_path / "data.json", tmp_path / "out", epochs=0)
    assert main(["train", *arguments]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert 0 <= metrics["dev"]["triple"]["f1"] <= 1
    assert metrics["thresholds"]["entity"] <= 1
