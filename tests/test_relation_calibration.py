"""Calibration of triples by relation, and apart for pairs across sentences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from pfn_kg.pfn.calibration import Calibration, RelationCalibration
from pfn_kg.pfn.evaluation.scores import JudgedTriples
from pfn_kg.pfn.inference.decoding import RelationShift, decode, decode_tables
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.training.calibration_fit import fit_relation_calibration

TEXT = (
    "Anna Bell was born in London. She works for NATO.\n\nJohn Smith moved from Rome to Paris "
    "in 1990. ACME was founded by Mary Xu. The city of New York is by the Thames."
)
CALIBRATION = RelationCalibration(Calibration(1.4, 0.8, -0.3), -1.5, {"r": 0.9})


def test_the_configuration_keeps_all_parameters():
    assert RelationCalibration.of({"relation": CALIBRATION.as_dict()}) == CALIBRATION
    assert RelationCalibration.of(None) == RelationCalibration()
    assert RelationCalibration().as_dict() == Calibration()._asdict()


@pytest.mark.parametrize("options", [{}, {"positions": "pieces"}, {"tail_table": True}])
def test_pruned_is_full(random_extractor, options):
    extractor = random_extractor(**options)
    extractor.config.calibration = {"relation": CALIBRATION.as_dict()}
    inputs, sentences = extractor.inputs, split_sentences(TEXT)
    parts = [w for (w,) in inputs.encode([TEXT[s.begin : s.end] for s in sentences])]
    window = inputs.join(parts, [s.begin for s in sentences])
    batch = inputs.collate([window, parts[0]])
    with torch.inference_mode():
        tables = extractor.model(**batch, return_tables=True)
    shift = RelationShift.of(extractor.config, batch["sentence_ids"], "cpu")
    expected = decode_tables(
        tables,
        entity_floor=0.4,
        relation_floor=0.4,
        calibration=extractor.config.calibration,
        shift=shift,
    )
    found = decode(extractor.model, batch, entity_floor=0.4, relation_floor=0.4)
    assert len(found.triples.places) > 0
    for ours, theirs in zip(found, expected, strict=True):
        if ours is not None:
            assert ours.places.tolist() == theirs.places.tolist()
            torch.testing.assert_close(ours.scores, theirs.scores, atol=1e-5, rtol=1e-5)


def test_scores_are_shifted_by_relation_and_place(random_extractor):
    extractor = random_extractor()
    sentences = [split_sentences(TEXT)]
    floors = {"entity_floor": 0.0, "relation_floor": 0.0, "window_tokens": 60}
    (plain,) = extractor.predict_documents([TEXT], sentences, **floors)
    extractor.config.calibration = {"relation": CALIBRATION.as_dict()}
    (found,) = extractor.predict_documents([TEXT], sentences, **floors)
    assert [t[:-1] for t in found.head_triples] == [t[:-1] for t in plain.head_triples]
    number = {place: n for n, s in enumerate(sentences[0]) for place in range(s.begin, s.end)}
    across = np.array([number[t.subject] != number[t.object] for t in plain.head_triples])
    assert 0 < across.sum() < len(across)
    expected = CALIBRATION.of_scores(
        np.array([t.score for t in plain.head_triples]),
        [t.relation for t in plain.head_triples],
        across,
    )
    # A pair that stands in two windows has the better of two scores, alike for both.
    np.testing.assert_allclose([t.score for t in found.head_triples], expected, atol=1e-5)


def drawn(counts, truth, seed=5):
    """Triples whose scores are right by the given calibration."""
    rng = np.random.default_rng(seed)
    relations = [name for name, count in counts.items() for _ in range(count)]
    across = rng.random(len(relations)) < 0.4
    scores = rng.beta(0.6, 1.2, len(relations)).clip(0.02, 0.99)
    right = rng.random(len(relations)) < truth.of_scores(scores, relations, across)
    return JudgedTriples(scores.tolist(), right.tolist(), relations, across.tolist())


def test_it_finds_the_shifts_again():
    truth = RelationCalibration(Calibration(1.2, 0.7, -0.5), -1.0, {"r": 0.8, "s": -0.8})
    judged = drawn({"r": 6000, "s": 6000}, truth)
    fitted = fit_relation_calibration(judged)
    scores, across = np.array(judged.scores), np.array(judged.across)
    np.testing.assert_allclose(
        fitted.of_scores(scores, judged.relations, across),
        truth.of_scores(scores, judged.relations, across),
        atol=0.05,
    )


def test_few_examples_say_little():
    truth = RelationCalibration(relations={"rare": 3.0})

    def learned(examples):
        of = fit_relation_calibration(drawn({"often": 4000, "rare": examples}, truth)).relations
        return of["rare"] - of["often"]

    assert abs(learned(3)) < 1.5
    assert learned(3000) == pytest.approx(3, abs=0.3)


@examples(50)
@given(
    items=st.lists(
        st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from("rst"), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_the_order_inside_a_relation_and_place_stays(items):
    fitted = fit_relation_calibration(JudgedTriples(*map(list, zip(*items, strict=True))))
    for relation in "rst":
        for across in (False, True):
            grid = np.linspace(0, 1, 21)
            scores = fitted.of_scores(grid, [relation] * 21, np.full(21, across))
            assert np.isfinite(scores).all()
            assert (np.diff(scores) >= 0).all()
