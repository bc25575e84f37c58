"""Calibration: fitted to what is right, kept in the checkpoint, and told by merged facts."""

import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from extraction_folders import Doc, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from pfn.calibration import Calibration, reliability
from pfn.calibration_fit import fit_calibration
from pipeline.cli import main


@settings(max_examples=15, deadline=None)
@given(temperature=st.floats(0.4, 3), bias=st.floats(-1, 1), seed=st.integers(0, 100))
def test_calibration_finds_what_scores_mean(temperature, bias, seed):
    rng = random.Random(seed)
    scores = [rng.uniform(0.02, 0.98) for _ in range(4000)]
    true = Calibration(temperature, bias)
    right = [rng.random() < true.of_score(score) for score in scores]
    fitted = fit_calibration(scores, right)
    calibrated = [fitted.of_score(score) for score in scores]
    assert reliability(calibrated, right).error < 0.04
    assert sorted(scores) == [s for _, s in sorted(zip(calibrated, scores, strict=True))]


def test_reliability():
    found = reliability([0.85, 0.95, 0.15, 1.0], [True, False, False, True])
    assert found.bins == [(0.15, 0.0, 1), (0.85, 1.0, 1), (0.975, 0.5, 2)]
    assert found.error == pytest.approx((0.15 + 0.15 + 2 * 0.475) / 4)
    assert reliability([], []).error == 0


def test_certainty_stays_what_it_is():
    scores = np.array([0.0, 1.0, 0.5], np.float32)
    found = Calibration(0.5, 0.0).of_scores(scores)
    assert found.tolist() == [0, 1, 0.5]
    assert Calibration().of_scores(scores) is scores


def test_the_confidence_of_a_fact_is_calibrated_document_by_document(tmp_path):
    def document(id_, text, *scores):
        mentions = (("Ada", "PER", 0.9), ("London", "LOC", 0.9))
        return Doc(id_, text, mentions, [("Ada", "place of birth", "London", s) for s in scores])

    docs = [
        document("a", "Ada was born in London.", 0.8),
        document("b", "London is where Ada was born.", 0.6),
    ]
    folder = write_folder(tmp_path / "graph", docs)
    manifest = json.loads((tmp_path / "graph" / "manifest.json").read_text())
    confidences = []
    of_fact = Calibration(1.5, -0.4)
    for calibration in (None, {"fact": of_fact._asdict()}):
        manifest["model"]["calibration"] = calibration
        (tmp_path / "graph" / "manifest.json").write_text(json.dumps(manifest))
        assert main(["build", folder]) == 0
        (relation,) = pq.read_table(tmp_path / "graph" / "relations").to_pylist()
        assert relation["document_count"] == 2
        confidences.append(relation["confidence"])
        triples = pq.read_table(tmp_path / "graph" / "triples").to_pylist()
        assert sorted(t["score"] for t in triples) == pytest.approx([0.6, 0.8])
    first, second = of_fact.of_score(0.8), of_fact.of_score(0.6)
    assert confidences == pytest.approx([1 - 0.2 * 0.4, 1 - (1 - first) * (1 - second)])
