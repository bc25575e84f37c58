"""Of mentions that overlap the best one stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.inference.flat_entities import between, flat_mentions
from pfn_kg.schemas.records import HeadTriple, Mention

pytestmark = pytest.mark.quick


@st.composite
def mentions(draw):
    spans = st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from("XY"))
    scores = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])
    return [
        Mention(begin, begin + width, "x" * width, type_, score)
        for (begin, width, type_), score in draw(st.dictionaries(spans, scores)).items()
    ]


def overlap(one, other):
    return one.begin < other.end and other.begin < one.end


@given(mentions(), st.randoms())
def test_what_stays_overlaps_nothing_and_what_goes_something_better(found, rng):
    kept = flat_mentions(found)
    assert kept == [m for m in found if m in kept]
    assert not any(overlap(a, b) for i, a in enumerate(kept) for b in kept[:i])
    for gone in set(found) - set(kept):
        assert any(overlap(gone, m) and m.score >= gone.score for m in kept)
    rng.shuffle(found)
    assert set(flat_mentions(found)) == set(kept)


@given(mentions(), st.sampled_from([0.2, 0.5, 0.8]))
def test_a_threshold_may_come_before_or_after(found, threshold):
    before = flat_mentions([m for m in found if m.score >= threshold])
    assert before == [m for m in flat_mentions(found) if m.score >= threshold]


def test_equal_scores():
    short, long = Mention(3, 6, "abc", "X", 0.5), Mention(0, 6, "ab abc", "Y", 0.5)
    other = long._replace(type="X")
    assert flat_mentions([short, long, other]) == [other]


def test_triples_lose_the_heads_that_are_gone():
    triples = [HeadTriple(0, "r", 5, 0.9), HeadTriple(5, "r", 9, 0.9), HeadTriple(9, "r", 9, 0.1)]
    assert between(triples, {0, 5}) == triples[:1]
    assert between(triples, {5, 9}) == triples[1:]


def test_a_model_can_be_told_so(random_extractor):
    texts = ["Anna Bell was born in London in 1990.", "He met John Smith of Paris there.", ""]
    for variant in ({}, {"tail_table": True}):
        extractor = random_extractor(**variant)
        nested = extractor.predict_heads(texts)
        extractor.config.flat_entities = True
        flat = extractor.predict_heads(texts)
        assert sum(len(f.mentions) for f in flat) < sum(len(n.mentions) for n in nested)
        for n, f in zip(nested, flat, strict=True):
            assert f.mentions == flat_mentions(n.mentions)
            assert f.head_triples == between(n.head_triples, {m.begin for m in f.mentions})
            if n.tail_triples is not None:
                assert f.tail_triples == between(n.tail_triples, {m.end for m in f.mentions})
    # Also over the ends of windows that long sentences are cut into.
    extractor = random_extractor(window_pieces=8, window_overlap=4)
    extractor.config.flat_entities = True
    (found,) = extractor.predict_heads([" ".join(texts * 4)])
    assert found.windows > 1
    assert found.mentions == flat_mentions(found.mentions)
