"""Strict scores and the official code's metric on cases worked out by hand."""

import pytest

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence
from pfn_kg.pfn.evaluation.predictions import sentence_heads
from pfn_kg.pfn.evaluation.scores import score, tune_thresholds
from pfn_kg.schemas.records import DocumentHeads, HeadExtraction, HeadTriple, Mention, Sentence

pytestmark = pytest.mark.quick

TEXT = "Ada Lovelace met NATO in London"
ADA, NATO, LONDON = (0, 12, "PER"), (17, 21, "ORG"), (25, 31, "LOC")
GOLD = GoldSentence(TEXT, {ADA, NATO, LONDON}, {(ADA, "in", LONDON), (NATO, "in", LONDON)})


def heads(mentions, triples=()):
    return HeadExtraction(
        [Mention(b, e, TEXT[b:e], type_, score) for (b, e, type_), score in mentions],
        [HeadTriple(s[0], relation, o[0], score) for s, relation, o, score in triples],
    )


def scored(found, **options):
    return score([found], [GOLD], entity_threshold=0.5, relation_threshold=0.5, **options)


def prf(scores):
    return pytest.approx((scores["precision"], scores["recall"], scores["f1"]))


def test_all_right():
    found = scored(
        heads(
            [(ADA, 0.9), (NATO, 0.9), (LONDON, 0.9)],
            [(ADA, "in", LONDON, 0.9), (NATO, "in", LONDON, 0.5), (ADA, "of", NATO, 0.4)],
        )
    )
    for scores in (found["entity"], found["triple"], found["official"]["triple"]):
        assert prf(scores) == (1, 1, 1)
    assert found["entity"]["support"] == 3
    assert found["triple"]["support"] == 2


def test_wrong_end_of_an_argument_counts_in_both():
    wrong = (0, 3, "PER")
    found = scored(heads([(wrong, 0.9), (NATO, 0.9), (LONDON, 0.9)], [(wrong, "in", LONDON, 0.9)]))
    assert prf(found["entity"]) == (2 / 3, 2 / 3, 2 / 3)
    assert prf(found["triple"]) == (0, 0, 0)
    assert prf(found["official"]["triple"]) == (0, 0, 0)


def test_official_forgives_a_second_span_at_a_head():
    # Two entities begin at Ada: strict counts two triples, one of them wrong; a cell is one.
    wrong = (0, 3, "PER")
    found = scored(heads([(ADA, 0.6), (wrong, 0.9), (LONDON, 0.9)], [(ADA, "in", LONDON, 0.9)]))
    assert prf(found["triple"]) == (1 / 2, 1 / 2, 1 / 2)
    assert prf(found["official"]["triple"]) == (1, 1 / 2, 2 / 3)
    best = scored(
        heads([(ADA, 0.6), (wrong, 0.9), (LONDON, 0.9)], [(ADA, "in", LONDON, 0.9)]),
        head_policy="best",
    )
    assert prf(best["triple"]) == (0, 0, 0)


def test_wrong_type_and_wrong_direction():
    as_place = (17, 21, "LOC")
    found = scored(
        heads(
            [(ADA, 0.9), (as_place, 0.9), (LONDON, 0.9)],
            [(as_place, "in", LONDON, 0.9), (LONDON, "in", ADA, 0.9)],
        )
    )
    assert prf(found["triple"]) == (0, 0, 0)
    assert prf(found["official"]["triple"]) == (0, 0, 0)
    of_type = found["per_type"]["entity"]
    assert prf(of_type["LOC"]) == (1 / 2, 1, 2 / 3)
    assert prf(of_type["ORG"]) == (0, 0, 0)
    assert of_type["ORG"]["support"] == 1
    assert set(found["per_type"]["triple"]) == {"in"}


def test_micro_average_over_sentences():
    nothing = HeadExtraction([], [])
    found = score(
        [heads([(ADA, 0.9)]), nothing], [GOLD, GOLD], entity_threshold=0.5, relation_threshold=0.5
    )
    assert prf(found["entity"]) == (1, 1 / 6, 2 / 7)
    assert prf(found["triple"]) == (0, 0, 0)
    assert found["triple"]["support"] == 4


def test_tuned_thresholds_part_right_from_wrong():
    found = heads(
        [(ADA, 0.38), (NATO, 0.7), (LONDON, 0.9), ((13, 16, "PER"), 0.33)],
        [(ADA, "in", LONDON, 0.66), (NATO, "in", LONDON, 0.9), (ADA, "of", NATO, 0.57)],
    )
    assert tune_thresholds([found], [GOLD]) == (0.35, 0.6)
    # Where all are as good, the middle is taken.
    clear = heads([(s, 0.99) for s in GOLD.entities], [(*t, 0.99) for t in GOLD.triples])
    assert tune_thresholds([clear], [GOLD]) == (0.5, 0.5)


def test_what_was_found_in_a_document_by_sentence():
    sentences = [Sentence(0, 0, 9), Sentence(1, 10, 20)]
    mentions = [Mention(0, 3, "abc", "A", 0.9), Mention(12, 15, "xyz", "B", 0.8)]
    triples = [(0, "r", 4, 0.7), (0, "r", 12, 0.6), (12, "r", 10, 0.5)]
    heads = [HeadTriple(*triple) for triple in triples]
    # An end may be where the next sentence begins.
    tails = [HeadTriple(3, "r", 9, 0.4), HeadTriple(3, "r", 15, 0.3), HeadTriple(20, "r", 12, 0.2)]
    first, second = sentence_heads(DocumentHeads(mentions, heads, tails, 1, 0, {}), sentences)
    assert first.mentions == mentions[:1]
    assert second.mentions == [Mention(2, 5, "xyz", "B", 0.8)]
    assert first.head_triples == heads[:1]
    assert second.head_triples == [HeadTriple(2, "r", 0, 0.5)]
    assert first.tail_triples == tails[:1]
    assert second.tail_triples == [HeadTriple(10, "r", 2, 0.2)]
    # A model without a table of tails says nothing of them, instead of that there are none.
    without = sentence_heads(DocumentHeads(mentions, heads, None, 1, 0, {}), sentences)
    assert [found.tail_triples for found in without] == [None, None]
