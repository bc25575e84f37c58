"""Calibration: fitted to what is right, kept in the checkpoint, and told by merged facts."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import read_manifest, table_rows, write_manifest
from pfn_kg.pfn.calibration import Calibration, calibration_of, reliability
from pfn_kg.pfn.training.calibration_fit import fit_calibration
from pfn_kg.pipeline.cli import main

pytestmark = pytest.mark.quick


@examples(15)
@given(
    low=st.floats(0.4, 3), high=st.floats(0.4, 3), bias=st.floats(-1, 1), seed=st.integers(0, 100)
)
def test_calibration_finds_what_scores_mean(low, high, bias, seed):
    rng = random.Random(seed)
    scores = [rng.uniform(0.02, 0.98) for _ in range(4000)]
    true = Calibration(low, high, bias)
    right = [rng.random() < true.of_score(score) for score in scores]
    fitted = fit_calibration(scores, right)
    calibrated = [fitted.of_score(score) for score in scores]
    assert reliability(calibrated, right).error < 0.04


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_calibration_keeps_the_order(items):
    scores = sorted(score for score, _ in items)
    fitted = fit_calibration(scores, [right for _, right in items])
    assert min(fitted.low, fitted.high) >= 0
    calibrated = fitted.of_scores(np.array(scores))
    assert np.all((calibrated >= 0) & (calibrated <= 1))
    assert np.all(np.diff(calibrated) >= 0)


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=9),
    st.floats(0, 3),
    st.floats(0, 3),
    st.floats(-2, 2),
)
def test_logits_and_scores_come_to_the_same(logits, low, high, bias):
    calibration = Calibration(low, high, bias)
    found = calibration.probability(torch.tensor(logits))
    # A score of single precision has lost what distinguishes it from 1.
    kept = [logit for logit in logits if abs(logit) < 8]
    scores = torch.tensor(kept, dtype=torch.float64).sigmoid().numpy()
    expected = torch.tensor(calibration.of_scores(scores))
    of_kept = [f for f, logit in zip(found.double(), logits, strict=True) if abs(logit) < 8]
    torch.testing.assert_close(
        torch.tensor(of_kept, dtype=torch.float64), expected, atol=1e-5, rtol=1e-4
    )
    assert found.isfinite().all()


def test_a_temperature_of_older_checkpoints():
    found = calibration_of({"entity": {"temperature": 2.0, "bias": -0.5}}, "entity")
    logits = torch.tensor([-3.0, 0.0, 2.5])
    torch.testing.assert_close(found.probability(logits), (logits / 2 - 0.5).sigmoid())
    assert calibration_of(None, "fact") == calibration_of({}, "fact") == Calibration()


@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-2, 2), st.floats(0.05, 0.95))
def test_the_score_of_a_probability(low, high, bias, score):
    calibration = Calibration(low, high, bias)
    assert calibration.score_of(calibration.of_score(score)) == pytest.approx(score, abs=1e-4)
    assert Calibration().score_of(score) == score


def test_reliability():
    found = reliability([0.85, 0.95, 0.15, 1.0], [True, False, False, True])
    assert found.bins == [(0.15, 0.0, 1), (0.85, 1.0, 1), (0.975, 0.5, 2)]
    assert found.error == pytest.approx((0.15 + 0.15 + 2 * 0.475) / 4)
    assert reliability([], []).error == 0


def test_without_calibration_scores_stay_what_they_are():
    scores = np.array([0.0, 1.0, 0.5], np.float32)
    assert Calibration().of_scores(scores) is scores
    low, high = Calibration(2, 2).of_scores(scores)[:2]
    assert low < 1e-9
    assert high > 1 - 1e-9


def test_the_confidence_of_a_fact_is_calibrated_document_by_document(tmp_path):
    def document(id_, text, *scores):
        mentions = (("Ada", "PER", 0.9), ("London", "LOC", 0.9))
        return Doc(id_, text, mentions, [("Ada", "place of birth", "London", s) for s in scores])

    docs = [
        document("a", "Ada was born in London.", 0.8),
        document("b", "London is where Ada was born.", 0.6),
    ]
    folder = write_folder(tmp_path / "graph", docs)
    manifest = read_manifest(tmp_path / "graph")
    confidences = []
    of_fact = Calibration(0.7, 0.6, -0.4)
    for calibration in (None, {"fact": of_fact._asdict()}):
        manifest["model"]["calibration"] = calibration
        write_manifest(tmp_path / "graph", manifest)
        assert main(["build", folder]) == 0
        (relation,) = table_rows(tmp_path / "graph", "relations")
        assert relation["document_count"] == 2
        confidences.append(relation["confidence"])
        triples = table_rows(tmp_path / "graph", "triples")
        assert sorted(t["score"] for t in triples) == pytest.approx([0.6, 0.8])
    first, second = of_fact.of_score(0.8), of_fact.of_score(0.6)
    assert confidences == pytest.approx([1 - 0.2 * 0.4, 1 - (1 - first) * (1 - second)])
