"""Thresholds between scores, and calibration where scores say nothing."""

import logging
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.evaluation.scores import Judged
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.training.calibration_fit import fit_calibration, fit_relation_calibration
from pfn_kg.pfn.training.choose_thresholds import _calibrate
from pfn_kg.pfn.training.clear_threshold import clear_threshold

pytestmark = pytest.mark.quick

# With few digits, so that equal scores and scores on the threshold occur.
SCORES = st.lists(st.integers(0, 20).map(lambda n: n / 20), max_size=12)


@given(SCORES, st.integers(1, 19).map(lambda n: n / 20), st.floats(0, 1e-6))
def test_it_decides_as_before_and_no_score_is_on_it(scores, threshold, noise):
    found = np.array(scores) * (1 - noise)
    is_accepted = found >= threshold
    cleared = clear_threshold(threshold, found[is_accepted], found[~is_accepted])
    assert ((found >= cleared) == is_accepted).all()
    assert cleared not in found.tolist()
    assert 0 <= cleared <= 1


def test_it_moves_no_further_than_it_must():
    assert clear_threshold(0.35, [0.9], [0.1]) == 0.35
    assert clear_threshold(0.35, [0.35, 0.9], [0.1]) == pytest.approx(0.3499)
    # Rounded to four digits it would be one of the scores.
    assert 0.35001 < clear_threshold(0.350015, [0.35002], [0.35001]) < 0.35002
    # Nothing parts equal scores.
    assert clear_threshold(0.5, [0.3], [0.3]) == 0.5


def judged(scores, right):
    found = Judged.empty()
    found.mentions.scores.extend(scores)
    found.mentions.right.extend(right)
    found.triples.scores.extend(scores)
    found.triples.right.extend(right)
    found.triples.relations.extend("r" for _ in scores)
    found.triples.across.extend(False for _ in scores)
    return found


def test_scores_that_do_not_rank_are_not_calibrated(caplog):
    """The better the score, the less often right: both slopes would be 0, and all scores one."""
    rng = random.Random(1)
    scores = [rng.uniform(0.02, 0.98) for _ in range(2000)]
    right = [rng.random() < 0.02 * (1 - score) for score in scores]
    assert not fit_calibration(scores, right).ranks
    of_all = judged(scores, right)
    assert not fit_relation_calibration(of_all.triples).table.ranks
    config = PFNConfig(entity_threshold=0.5, relation_threshold=0.5)
    with caplog.at_level(logging.WARNING):
        assert _calibrate(config, of_all) == {}
    assert config.calibration is None
    assert (config.entity_threshold, config.relation_threshold) == (0.5, 0.5)
    assert [record.getMessage().partition(" are")[0] for record in caplog.records] == [
        "scores of mentions",
        "scores of triples",
    ]


def test_scores_that_rank_are():
    rng = random.Random(2)
    scores = [round(rng.uniform(0.02, 0.98), 2) for _ in range(2000)]
    right = [rng.random() < score**2 for score in scores]
    config = PFNConfig(entity_threshold=0.5, relation_threshold=0.5)
    fitted = _calibrate(config, judged(scores, right))
    of_entities = Calibration(**fitted["entity"])
    after = of_entities.of_scores(np.array(scores))
    # Dozens of scores are 0.5.
    assert scores.count(0.5) > 5
    assert ((after >= config.entity_threshold) == (np.array(scores) >= 0.5)).all()
