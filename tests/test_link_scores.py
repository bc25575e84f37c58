"""Entities scored across documents: figures by hand, invariants, kinds, and the file of ids."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.readers.docred import GoldDocument, GoldMention
from pfn_kg.pfn.readers.entity_links import read_entity_links
from pfn_kg.pipeline.graph_evaluation import linked_mentions
from pfn_kg.pipeline.link_scores import NOT_FOUND, LinkedMention, score_links
from pfn_kg.pipeline.name_kinds import KINDS, Named, NameKinds
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.entity_keys import EntityKeys

pytestmark = pytest.mark.quick

SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [
            *({"name": n} for n in ("PER", "ORG", "LOC", "MISC")),
            {"name": "NUM", "kind": "value"},
        ],
        "relations": [],
    }
)
KINDS_OF = NameKinds(EntityKeys.of(SCHEMA, NameRules()))


def mention(document, identity, entity, name="Paris", type_="LOC"):
    return LinkedMention(document, identity, entity, Named(name, type_))


def test_figures_by_hand():
    mentions = [
        mention("1", "Q1", "x"),
        mention("1", "Q1", "x"),  # a pair inside a document is none
        mention("2", "Q1", "x"),
        mention("3", "Q1", "y", "Parisian"),
        mention("4", "Q2", "x"),  # another Paris
        mention("5", "Q1", None),
    ]
    found = score_links(mentions, KINDS_OF.of)
    # Gold: 2 with 2, 3 and 5; 2 with 3, 5; 3 with 5: 2 + 2 + 2 + 1 + 1 + 1.
    pairwise = found["pairwise"]
    assert pairwise["support"] == 9
    assert pairwise["recall"] == pytest.approx(2 / 9)
    assert pairwise["precision"] == pytest.approx(2 / 5)
    assert found["missed"] == {
        "demonym": {"pairs": 3, "names": 1},
        NOT_FOUND: {"pairs": 4, "names": 2},
    }
    assert found["false"] == {"homonym": {"pairs": 3, "names": 1}}
    assert (found["mentions"], found["found"]) == (6, 5)
    b_cubed = found["b_cubed"]
    assert b_cubed["precision"] == pytest.approx((3 * 3 / 4 + 1 / 4 + 1) / 5)
    assert b_cubed["recall"] == pytest.approx((3 * 3 / 5 + 1 / 5 + 1) / 6)


MENTIONS = st.lists(
    st.builds(
        mention,
        st.sampled_from("123"),
        st.sampled_from(["Q1", "Q2"]),
        st.sampled_from(["x", "y", None]),
        st.sampled_from(["Paris", "Parisian", "U.S."]),
    ),
    max_size=9,
)


@given(MENTIONS, st.randoms())
def test_missed_and_false_pairs_add_up_in_any_order(mentions, rng):
    found = score_links(mentions, KINDS_OF.of)
    missed = sum(kind["pairs"] for kind in found["missed"].values())
    false = sum(kind["pairs"] for kind in found["false"].values())
    support = found["pairwise"]["support"]
    right = support - missed
    assert found["pairwise"]["recall"] == pytest.approx(right / support if support else 0)
    said = right + false
    assert found["pairwise"]["precision"] == pytest.approx(right / said if said else 0)
    shuffled = list(mentions)
    rng.shuffle(shuffled)
    assert score_links(shuffled, KINDS_OF.of) == found
    gold = [m._replace(entity=m.identity) for m in mentions]
    perfect = score_links(gold, KINDS_OF.of)
    assert perfect["missed"] == perfect["false"] == {}
    assert perfect["b_cubed"]["f1"] == pytest.approx(1 if mentions else 0)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (("the Thames", "LOC"), ("Thames", "LOC"), "homonym"),
        (("Nokia", "ORG"), ("Nokia", "MISC"), "type"),
        (("German", "LOC"), ("Germany", "LOC"), "demonym"),
        (("Parisian", "LOC"), ("Paris", "LOC"), "demonym"),
        (("U.S.", "LOC"), ("United States", "LOC"), "abbreviation"),
        (("BRH", "ORG"), ("Borough of Red Hill", "ORG"), "abbreviation"),
        (("Deutschland", "LOC"), ("Germany", "LOC"), "translation"),
        (("Lovelace", "PER"), ("Ada Lovelace", "PER"), "person"),
        (("York", "LOC"), ("New York", "LOC"), "place"),
        (("Senate", "ORG"), ("US Senate", "ORG"), "part"),
        (("Ada", "PER"), ("Bea", "PER"), "other"),
    ],
)
def test_kinds(one, other, kind):
    assert kind in KINDS
    assert KINDS_OF.of(Named(*one), Named(*other)) == kind
    assert KINDS_OF.of(Named(*other), Named(*one)) == kind


def gold(title):
    spans = [(0, 4, "LOC"), (5, 9, "NUM")]
    clusters = [[GoldMention(b, e, t, 0)] for b, e, t in spans]
    return GoldDocument(title, "Rome 1200 .", clusters, set())


def test_the_mentions_of_things_with_an_id(tmp_path):
    path = tmp_path / "links.json"
    ids = [{"wikidata": "Q220", "wikipedia": "Rome"}, {"wikidata": "Q1"}]
    path.write_text(json.dumps([{"title": "b", "entities": ids}]))
    documents = [gold("a"), gold("b")]
    links = read_entity_links(path, documents)
    assert links == {1: ["Q220", "Q1"]}
    kinds = {t.name: t.kind for t in SCHEMA.entity_types}
    rows = [{"document_id": "000001", "begin": 0, "end": 4, "type": "ORG", "entity_id": "e"}]
    # Values are left out, and so is the document without ids.
    assert linked_mentions(documents, links, rows, kinds) == [
        mention("000001", "Q220", "e", "Rome", "ORG")
    ]
    assert linked_mentions(documents, links, [], kinds) == [mention("000001", "Q220", None, "Rome")]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"title": "a", "entities": [None]}], "record 1: field entities: 1 are there, and the"),
        ([{"title": "z", "entities": []}], "has the title of none of the documents"),
        ([{"title": "a", "entities": [None, None]}] * 2, "record 2: field title: 'a' is there"),
        ([{"title": "b", "entities": [None, None]}], "2 documents have the title 'b'"),
        ([{"title": "a", "entities": [{"wikidata": 7}, None]}], "entities.0.wikidata"),
        ([{"title": "a"}], "record 1: field entities"),
    ],
)
def test_wrong_files_are_named(tmp_path, records, message):
    path = tmp_path / "links.json"
    path.write_text(json.dumps(records))
    with pytest.raises(ConfigurationError, match=message):
        read_entity_links(path, [gold("a"), gold("b"), gold("b")])
