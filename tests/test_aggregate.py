"""Aggregation: the same entities and relations however the rows come."""

import itertools
import math
from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.schemas.shuffled_rows import NAME_SCHEMA, SUPPORT_SCHEMA
from pfn_kg.transforms.tables.aggregate import (
    CONFIDENCE_CAP,
    EVIDENCE_LISTED,
    aggregate_entities,
    aggregate_relations,
    fewer_support,
)

pytestmark = pytest.mark.quick


def id_(number):
    return number.to_bytes(12, "big")


def name_rows(rows):
    return pa.Table.from_pylist(
        [
            {
                "entity_id": id_(entity),
                "kind": "entity",
                "type": "PER",
                "name": name,
                "mentions": mentions,
                "own": mentions,
                "documents": documents,
            }
            for entity, name, mentions, documents in rows
        ],
        NAME_SCHEMA,
    )


def support_rows(rows):
    return pa.Table.from_pylist(
        [
            {
                "relation_id": id_(relation),
                "subject_id": id_(relation + 100),
                "predicate": "r",
                "object_id": id_(relation + 200),
                "triples": triples,
                "documents": 1,
                "score": score,
                "triple_id": id_(number),
                "sentence_key": id_(sentence),
            }
            for number, (relation, triples, score, sentence) in enumerate(rows)
        ],
        SUPPORT_SCHEMA,
    )


NAMES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["A", "B", "Ab", "Ba", "😀"]),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    max_size=20,
)
SUPPORT = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, 3),
        st.floats(0, 1, width=32),
        st.integers(0, 3),
    ),
    max_size=20,
)


@given(NAMES, st.randoms())
def test_entities(rows, random):
    expected = defaultdict(lambda: [defaultdict(int), 0])
    for entity, name, mentions, documents in rows:
        expected[entity][0][name] += mentions
        expected[entity][1] += documents
    table = aggregate_entities(name_rows(rows), "https://x/")
    assert table["entity_id"].to_pylist() == [id_(e).hex() for e in sorted(expected)]
    for row, (_, (names, documents)) in zip(
        table.to_pylist(), sorted(expected.items()), strict=True
    ):
        by_rank = sorted(names, key=lambda n: (-names[n], -len(n), n))
        assert [row["name"], *row["aliases"]] == by_rank
        assert (row["mentions"], row["documents"]) == (sum(names.values()), documents)
    random.shuffle(rows)
    assert aggregate_entities(name_rows(rows), "https://x/").equals(table)


def test_of_two_iris_of_one_entity_the_first_stays():
    names = name_rows([(0, "A", 1, 1), (0, "B", 2, 1), (1, "C", 1, 1)])
    for iris in (["x:b", "x:a", "x:c"], ["x:a", "x:b", "x:c"]):
        place = names.column_names.index("same_as")
        table = names.set_column(place, NAME_SCHEMA.field("same_as"), pa.array(iris))
        found = aggregate_entities(table, "https://x/")["same_as"].to_pylist()
        assert found == ["x:a", "x:c"]


@given(SUPPORT, st.integers(0, 20))
def test_relations(rows, cut):
    support = support_rows(rows)
    table = aggregate_relations(support)
    expected = defaultdict(list)
    for number, (relation, *rest) in enumerate(rows):
        expected[relation].append((number, *rest))
    assert table["relation_id"].to_pylist() == [id_(r).hex() for r in sorted(expected)]
    for row, (_, found) in zip(table.to_pylist(), sorted(expected.items()), strict=True):
        best = {}
        for number, _, score, sentence in found:
            best[sentence] = min(best.get(sentence, (1.0, 0)), (-score, number))
        confidence = min(1 - math.prod(1 + score for score, _ in best.values()), CONFIDENCE_CAP)
        assert abs(row["confidence"] - confidence) < 1e-6
        listed = [id_(number).hex() for _, number in sorted(best.values())][:EVIDENCE_LISTED]
        assert row["evidence"] == listed
        assert row["evidence_count"] == sum(f[1] for f in found)
        assert row["document_count"] == len(found)
    turned = pa.concat_tables([support.slice(cut), support.slice(0, cut)])
    assert aggregate_relations(turned).equals(table)


@given(SUPPORT, st.lists(st.integers(0, 20), max_size=3), st.integers(1, 4))
def test_what_is_left_of_frequent_relations_makes_the_same(rows, cuts, most):
    support = support_rows(rows)
    whole = aggregate_relations(support, most)
    places = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    left = [
        fewer_support(support.slice(begin, end - begin), most)
        for begin, end in itertools.pairwise(places)
    ]
    together = pa.concat_tables([support.schema.empty_table(), *left])
    assert aggregate_relations(together, most).equals(whole)
    again = fewer_support(together, most)
    assert aggregate_relations(again, most).equals(whole)
    assert again.schema == support.schema
    if rows:
        counts = pc.value_counts(again["relation_id"]).field("counts")
        # What has one hash, such as all that these tests make up, is looked at together.
        assert len(again) <= most or pc.max(counts).as_py() <= most


def test_a_very_frequent_relation_is_a_thousand_rows():
    rows = [(n % 2, 1, 0.5 + n % 499 / 1000, n) for n in range(5000)]
    support = support_rows(rows)
    left = fewer_support(support)
    assert len(left) == 2000
    relations = aggregate_relations(left)
    assert relations.equals(aggregate_relations(support))
    assert relations["document_count"].to_pylist() == [2500, 2500]
