"""The invented news items: their annotation is consistent, and findings are counted right."""

import re

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import news, news_items
from helpers.corpora import ROOT
from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.readers.docred import read_docred_documents
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention

pytestmark = pytest.mark.quick

SCHEMA = news_items.shipped_schema()
ITEMS = {part: news_items.news_items(part, SCHEMA) for part in news_items.PARTS}


@pytest.mark.parametrize("part", news_items.PARTS)
def test_annotation_is_consistent(part):
    items = ITEMS[part]
    assert len(items) == 30
    for item in items:
        where = f"{part}, {item.title}"
        assert "[" not in item.text, where
        assert len({item.text for item in items}) == 30
        entities = {}
        for span in item.spans:
            name = item.text[span.begin : span.end]
            assert name == name.strip(), where
            # One name, one entity: the texts have no two people of one name.
            if span.type != "NUM":
                assert entities.setdefault(name, span.entity) == span.entity, f"{where}: {name}"
        # A name that is annotated once is annotated wherever it stands.
        for name in entities:
            places = {m.start() for m in re.finditer(rf"\b{re.escape(name)}\b", item.text)}
            covered = {p for p in places for s in item.spans if s.begin <= p < s.end}
            assert places == covered, f"{where}: {name}"
        assert item.facts <= item.right
        assert not item.right & item.unasked, where
        assert all(subject != object_ for subject, _, object_ in item.right), where


@pytest.mark.parametrize("part", news_items.PARTS)
def test_written_as_docred_it_is_read_back(part, tmp_path):
    path = tmp_path / "news.json"
    news_items.main([str(path), "--part", part])
    for item, document in zip(ITEMS[part], read_docred_documents(path), strict=True):
        keys = list(dict.fromkeys(span.entity for span in item.spans))
        assert {(keys[s], r, keys[o]) for s, r, o in document.facts} == item.right
        found = [
            (key, m.type, document.text[m.begin : m.end].replace(" ", ""))
            for key, cluster in zip(keys, document.clusters, strict=True)
            for m in cluster
        ]
        gold = [(s.entity, s.type, item.text[s.begin : s.end].replace(" ", "")) for s in item.spans]
        assert sorted(found) == sorted(gold)


def test_example_corpus_is_that_of_the_items(tmp_path):
    path = tmp_path / "news.parquet"
    news_items.main([str(path), "--first", "12"])
    written, shipped = pq.read_table(path), pq.read_table(ROOT / "examples/news/news.parquet")
    assert written.equals(shipped)
    assert written["text"].to_pylist() == [item.text for item in ITEMS["A"][:12]]


def test_wrong_items_are_named():
    row = {"title": "x", "text": "[P1 Ann] works.", "facts": ["P1 employer O1"], "also": []}
    with pytest.raises(ConfigurationError, match="'x': P1 employer O1: the text has no O1"):
        news_items._item(row, SCHEMA)
    row["facts"] = ["P1 boss P1"]
    with pytest.raises(ConfigurationError, match="no such relation"):
        news_items._item(row, SCHEMA)


def item(text, facts, also=()):
    return news_items._item({"title": "x", "text": text, "facts": facts, "also": also}, SCHEMA)


def test_consequences_are_no_mistakes():
    made = item(
        "[O1 Holm] of [L1 Graz], [L2 Austria], is owned by [O2 Brill]; [P1 Eva] chairs it.",
        ["O1 headquarters_location L1", "L1 country L2", "O1 owned_by O2", "O1 chairperson P1"],
    )
    assert {
        ("O1", "country", "L2"),
        ("O1", "headquarters_location", "L2"),
        ("O2", "subsidiary", "O1"),
        ("P1", "employer", "O1"),
    } <= made.unasked
    for fact in (("O2", "country", "L2"), ("O2", "owned_by", "O1"), ("P1", "country", "L2")):
        assert fact not in made.unasked | made.right


def heads(made, facts, score=0.9):
    """A model's output with all mentions and the given facts."""
    mentions = [
        Mention(s.begin, s.end, made.text[s.begin : s.end], s.type, score) for s in made.spans
    ]
    begins = {s.entity: s.begin for s in reversed(made.spans)}
    triples = [HeadTriple(begins[s], r, begins[o], score) for s, r, o in sorted(facts)]
    return DocumentHeads(mentions, triples, None, 1, 0, {})


def counted(items, found):
    return news.figures(
        items, found, thresholds=(0.5, 0.5), fact_calibration=Calibration(), schema=SCHEMA
    )


def test_gold_is_all_found_and_all_right():
    items = ITEMS["A"]
    figures = counted(items, [heads(made, made.facts) for made in items])
    assert figures.entities["f1"] == figures.named["f1"] == 1
    assert figures.found == figures.stated == figures.right
    assert not figures.wrong
    assert not figures.unasked
    # All is right that scores 0.9.
    for of_kind in figures.calibration.values():
        assert of_kind.error == pytest.approx(0.1)
        assert 0 <= of_kind.least < 0.05


@given(data=st.data())
def test_each_stated_fact_counts_once(data):
    made = data.draw(st.sampled_from(ITEMS["A"]))
    keys = sorted({span.entity for span in made.spans})
    possible = st.tuples(
        st.sampled_from(keys),
        st.sampled_from([r.name for r in SCHEMA.relations]),
        st.sampled_from(keys),
    ).filter(lambda fact: fact[0] != fact[2])
    known = [*sorted(made.right), *sorted(made.unasked)]
    facts = data.draw(st.sets(st.one_of(possible, *([st.sampled_from(known)] if known else []))))
    figures = counted([made], [heads(made, facts)])
    assert figures.right.total() == len(facts & made.right)
    assert figures.unasked.total() == len(facts & made.unasked)
    assert figures.wrong.total() == len(facts - made.right - made.unasked)
    # A fact is found by what says the same from the other side.
    assert figures.found.total() == sum(
        bool(news_items.same(fact, SCHEMA) & facts) for fact in made.facts
    )


def test_arguments_match_by_overlap_and_entities_by_borders():
    made = item("The firm [O1 Holm Oy] hired [P1 Eva Brill].", ["P1 employer O1"])
    found = heads(made, made.facts)
    short = found.mentions[0]._replace(end=found.mentions[0].end - 3, text="Holm")
    figures = counted([made], [found._replace(mentions=[short, found.mentions[1]])])
    assert figures.right.total() == figures.found.total() == 1
    assert figures.entities["f1"] == 0.5
    assert figures.named["f1"] == 1
    # Of another type, it is none of the named.
    other = found._replace(mentions=[short._replace(type="LOC"), found.mentions[1]])
    assert counted([made], [other]).named["precision"] == 0.5
