"""Resolution (eq. 13): policies, monotony, and the column form against the record form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.resolution import HEAD_POLICIES, TailColumns, resolve, resolve_columns
from pfn_kg.schemas.records import HeadTriple, Mention, Triple

pytestmark = pytest.mark.quick

SCORES = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])
TYPES = ("LOC", "ORG", "PER")
RELATIONS = ("born in", "works for")


@st.composite
def extractions(draw):
    spans = draw(
        st.dictionaries(
            st.tuples(st.integers(0, 6), st.integers(1, 4), st.sampled_from(TYPES)),
            SCORES,
            max_size=12,
        )
    )
    mentions = [
        Mention(begin, begin + width, "x" * width, type_, score)
        for (begin, width, type_), score in spans.items()
    ]
    heads = draw(
        st.dictionaries(
            st.tuples(st.integers(0, 7), st.sampled_from(RELATIONS), st.integers(0, 7)),
            SCORES,
            max_size=12,
        )
    )
    return mentions, [HeadTriple(s, r, o, score) for (s, r, o), score in heads.items()]


def facts(mentions, triples):
    return {(mentions[t.subject], t.relation, mentions[t.object], t.score) for t in triples}


ADA = Mention(0, 3, "Ada", "PER", 0.6)
LONG = Mention(0, 12, "Ada Lovelace", "PER", 0.5)
LONDON = Mention(25, 31, "London", "LOC", 0.9)
BORN = HeadTriple(0, "born in", 25, 0.8)


def test_policies():
    found = {
        policy: resolve(
            [LONDON, LONG, ADA],
            [BORN],
            entity_threshold=0.5,
            relation_threshold=0.5,
            head_policy=policy,
        )
        for policy in HEAD_POLICIES
    }
    assert all(mentions == [ADA, LONG, LONDON] for mentions, _ in found.values())
    assert found["all"][1] == [Triple(0, "born in", 2, 0.8), Triple(1, "born in", 2, 0.8)]
    assert found["best"][1] == [Triple(0, "born in", 2, 0.8)]
    assert found["longest"][1] == [Triple(1, "born in", 2, 0.8)]


def test_a_triple_needs_an_entity_at_both_heads():
    assert resolve([ADA], [BORN], entity_threshold=0, relation_threshold=0)[1] == []
    mentions = [ADA, LONDON._replace(score=0.49)]
    assert resolve(mentions, [BORN], entity_threshold=0.5, relation_threshold=0)[1] == []


def test_scores_at_the_threshold_are_accepted():
    mentions, triples = resolve([ADA, LONDON], [BORN], entity_threshold=0.6, relation_threshold=0.8)
    assert (len(mentions), len(triples)) == (2, 1)


def test_unknown_policy():
    with pytest.raises(ValueError, match="head_policy is 'first', not one of all, best, longest"):
        resolve([], [], entity_threshold=0, relation_threshold=0, head_policy="first")


@given(extractions(), SCORES, SCORES, SCORES, SCORES)
def test_a_higher_threshold_gives_a_subset(extraction, entity, relation, entity_up, relation_up):
    low_m, low_t = resolve(*extraction, entity_threshold=entity, relation_threshold=relation)
    high_m, high_t = resolve(
        *extraction,
        entity_threshold=max(entity, entity_up),
        relation_threshold=max(relation, relation_up),
    )
    assert set(high_m) <= set(low_m)
    assert facts(high_m, high_t) <= facts(low_m, low_t)


@given(extractions(), st.sampled_from(HEAD_POLICIES), st.randoms())
def test_order_does_not_matter(extraction, policy, random):
    options = {"entity_threshold": 0.3, "relation_threshold": 0.3, "head_policy": policy}
    expected = resolve(*extraction, **options)
    mentions, heads = list(extraction[0]), list(extraction[1])
    random.shuffle(mentions)
    random.shuffle(heads)
    assert resolve(mentions, heads, **options) == expected


@given(
    st.lists(extractions(), max_size=4),
    SCORES,
    SCORES,
    st.sampled_from(HEAD_POLICIES),
    st.none() | st.lists(extractions(), min_size=4, max_size=4),
)
def test_columns_agree_with_records(documents, entity, relation, policy, others):
    # What a tail table says of a document are the head triples of another.
    tails = [None] * len(documents) if others is None else [found for _, found in others]
    columns_of_tails = None
    if others is not None:
        said = [(row, t) for row in range(len(documents)) for t in tails[row]]
        columns_of_tails = TailColumns(
            np.array([row << 32 | t.subject for row, t in said], dtype=np.int64),
            np.array([RELATIONS.index(t.relation) for _, t in said], dtype=np.int64),
            np.array([row << 32 | t.object for row, t in said], dtype=np.int64),
            np.array([t.score for _, t in said], dtype=np.float64),
        )
    options = {
        "entity_threshold": entity,
        "relation_threshold": relation,
        "head_policy": policy,
    }
    mentions = [(row, m) for row, (found, _) in enumerate(documents) for m in found]
    heads = [(row, t) for row, (_, found) in enumerate(documents) for t in found]
    columns = resolve_columns(
        heads=np.array([row << 32 | m.begin for row, m in mentions], dtype=np.int64),
        ends=np.array([row << 32 | m.end for row, m in mentions], dtype=np.int64),
        types=np.array([TYPES.index(m.type) for _, m in mentions], dtype=np.int64),
        mention_scores=np.array([m.score for _, m in mentions], dtype=np.float64),
        subject_heads=np.array([row << 32 | t.subject for row, t in heads], dtype=np.int64),
        relations=np.array([RELATIONS.index(t.relation) for _, t in heads], dtype=np.int64),
        object_heads=np.array([row << 32 | t.object for row, t in heads], dtype=np.int64),
        triple_scores=np.array([t.score for _, t in heads], dtype=np.float64),
        tails=columns_of_tails,
        **options,
    )
    accepted = [mentions[i] for i in columns.mentions]
    triples = [
        (accepted[s], heads[h][1].relation, accepted[o], heads[h][1].score)
        for s, h, o in zip(columns.subjects, columns.head_triples, columns.objects, strict=True)
    ]
    expected_mentions, expected_triples, everything = [], [], 0
    for row, extraction in enumerate(documents):
        found, resolved = resolve(*extraction, tail_triples=tails[row], **options)
        everything += len(resolve(*extraction, **options)[1])
        expected_mentions += [(row, m) for m in found]
        expected_triples += [
            ((row, found[t.subject]), t.relation, (row, found[t.object]), t.score) for t in resolved
        ]
    assert accepted == expected_mentions
    assert triples == expected_triples
    assert columns.without_tails == everything - len(triples)
