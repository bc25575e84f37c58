"""Names that are nearly alike: what makes them one, and what never does."""

import itertools
import random

import apache_beam as beam
import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.eager import eager
from helpers.examples import examples
from pfn_kg.transforms.merging.capped_blocks import CappedBlocks
from pfn_kg.transforms.merging.clusters import Candidate, Pair, cluster
from pfn_kg.transforms.merging.components import ROUNDS, components_of, links_of
from pfn_kg.transforms.merging.heirs_of_pairs import _Cluster
from pfn_kg.transforms.merging.near_names import (
    BLOCK_NAMES,
    BLOCK_SCHEMA,
    EDGE_SCHEMA,
    are_alike,
    blocks_of,
    edges_of,
    similar_names,
    words_of,
)
from pfn_kg.transforms.merging.redirects import VOTE_SCHEMA, elect
from pfn_kg.transforms.names.canonical_names import canonical_name
from pfn_kg.transforms.plumbing.shards import decode, encode

pytestmark = pytest.mark.quick

WORDS = st.lists(
    st.sampled_from(["ada", "adda", "of", "the", "north", "south", "xiv", "xvi", "1815", "1816"]),
    min_size=1,
    max_size=4,
)


def alike(one, other, similarity=0.9):
    keys = [canonical_name(one), canonical_name(other)]
    return bool(list(similar_names(keys, similarity)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Charlotte Brontë", "Charlotte Bronte"),
        ("Microsoft Corporation", "Microsoft Corporaton"),
        ("Centre Georges Pompidou", "Center Georges Pompidou"),
    ],
)
def test_spellings_of_one_name(one, other):
    assert alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Louis XIV of France", "Louis XVI of France"),
        ("Boeing 737 Classic Aircraft", "Boeing 747 Classic Aircraft"),
        (
            "University of North Carolina at Chapel Hill",
            "University of South Carolina at Chapel Hill",
        ),
        ("International Business Machines", "International Business Machines B"),
    ],
)
def test_other_things_however_long_the_name(one, other):
    assert not alike(one, other, 0.85)


@given(WORDS, WORDS)
def test_alikeness_has_no_direction_and_meets_in_a_block(one, other):
    assert are_alike(one, other) == are_alike(other, one)
    assert are_alike(one, one)
    shared = set(blocks_of("T", one)) & set(blocks_of("T", other))
    assert bool(shared) >= bool(set(one) & set(other))
    assert not shared & set(blocks_of("U", other))


def id_(number):
    return number.to_bytes(12, "big")


PAIRS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.9, 0.95, 1.0])).filter(
        lambda p: p[0] < p[1]
    ),
    max_size=25,
)


def pairs_of(found, fixed):
    candidates = [Candidate(id_(n), n % 3, "x" * (n % 4), n in fixed) for n in range(10)]
    return [Pair(s, candidates[a], candidates[b]) for a, b, s in found]


@given(PAIRS, st.sets(st.integers(0, 9), max_size=3), st.integers(1, 6), st.randoms())
def test_clusters(found, fixed, most, shuffler):
    pairs = pairs_of(found, fixed)
    heirs, left_out = cluster(pairs, most)
    again = pairs + pairs[:3]
    shuffler.shuffle(again)
    assert cluster(again, most) == (heirs, left_out)
    # No chain, and what goes to another is joined to it by pairs.
    assert not heirs.keys() & set(heirs.values())
    graph = nx.Graph((p.one.id, p.other.id) for p in pairs)
    members = {}
    for id__, heir in heirs.items():
        assert nx.has_path(graph, id__, heir)
        members.setdefault(heir, {heir}).add(id__)
    for heir, of_heir in members.items():
        assert len(of_heir) <= most
        named = of_heir & {id_(n) for n in fixed}
        assert named <= {heir}
    if not left_out:
        assert len(members) == sum(len(c) > 1 for c in nx.connected_components(graph))


@given(PAIRS, PAIRS)
def test_entities_that_people_keep_apart_are_in_no_cluster(found, held):
    apart = {}
    for one, other, _ in held:
        for end, away in ((one, other), (other, one)):
            apart[id_(end)] = apart.get(id_(end), frozenset()) | {id_(away)}
    heirs, left_out = cluster(pairs_of(found, ()), apart=apart)
    of = [heirs.get(id_(n), id_(n)) for n in range(10)]
    assert all(of[one] != of[other] for one, other, _ in held)
    if not held:
        assert (heirs, left_out) == cluster(pairs_of(found, ()))


@given(PAIRS)
def test_components_of_small_graphs_are_found(found):
    links = [(id_(a), id_(b)) for a, b, _ in found]
    labels = components_of(links)
    for component in nx.connected_components(nx.Graph(links)):
        assert {labels.get(node, node) for node in component} == {min(component)}


def test_long_chains_are_cut_the_same_way_each_time():
    numbers = list(range(500))
    random.Random(0).shuffle(numbers)
    links = [(id_(a), id_(b)) for a, b in itertools.pairwise(numbers)]
    labels = components_of(links, ROUNDS)
    turned = [(b, a) for a, b in reversed(links)]
    assert components_of(turned, ROUNDS) == labels
    assert all(end <= node for node, end in labels.items())


def block_rows(rows):
    """Rows of blocks: (number of the block, id, name)."""
    return pa.table(
        {
            "block": pa.array([n.to_bytes(8, "big") for n, _, _ in rows], pa.binary(8)),
            "entity_id": pa.array([id_(i) for _, i, _ in rows], pa.binary(12)),
            "key": [key for _, _, key in rows],
            "name": [key for _, _, key in rows],
            "count": [1] * len(rows),
            "is_fixed": [False] * len(rows),
        },
        schema=BLOCK_SCHEMA,
    )


@examples(10)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_blocks_are_trimmed_the_same_whatever_the_parts(seed, parts):
    shuffler = random.Random(seed)
    rows = [(n % 3 // 2, n, f"name {n}") for n in range(3 * BLOCK_NAMES)]
    shuffler.shuffle(rows)
    combine = CappedBlocks()
    accumulators = [combine.create_accumulator() for _ in range(parts)]
    for begin in range(0, len(rows), 100):
        which = shuffler.randrange(parts)
        part = encode(block_rows(rows[begin : begin + 100]))
        accumulators[which] = combine.add_input(accumulators[which], part)
    found = decode(combine.extract_output(combine.merge_accumulators(accumulators)))
    expected = []
    for block in (0, 1):
        of_block = sorted(row for row in rows if row[0] == block)
        expected += of_block[: BLOCK_NAMES + 1]
    assert found.equals(block_rows(expected))
    edges, too_large = edges_of(found, 1.0)
    assert (len(edges), too_large) == (0, 1)


def test_a_pair_that_meets_twice_is_one_edge():
    rows = [(n, i, key) for n in (1, 2) for i, key in ((7, "ada lovelace"), (3, "ada lovelacee"))]
    edges, too_large = edges_of(block_rows(rows), 0.9)
    assert [(row["a"], row["b"]) for row in edges.to_pylist()] == [(id_(3), id_(7))]
    assert too_large == 0
    # Two names of one entity are no pair.
    assert len(edges_of(block_rows([(1, 3, "ada lovelace"), (1, 3, "ada lovelacee")]), 0.9)[0]) == 0


def test_of_a_pair_that_comes_more_than_once_the_greatest_similarity_counts():
    """An entity with several names meets another one in several blocks."""
    # 0 and 2 are named by the alias table, so 1 can be joined to one of them alone.
    ends = {0: ("Ada", 1, True), 1: ("Adda", 1, False), 2: ("Addda", 1, True)}

    def edge(a, b, similarity):
        name_a, count_a, fixed_a = ends[a]
        name_b, count_b, fixed_b = ends[b]
        return {
            "a": id_(a), "b": id_(b), "similarity": similarity,
            "a_name": name_a, "a_count": count_a, "a_is_fixed": fixed_a,
            "b_name": name_b, "b_count": count_b, "b_is_fixed": fixed_b,
            "label": id_(0), "is_whole": True,
        }  # fmt: skip

    weak, strong, other = edge(0, 1, 0.91), edge(0, 1, 0.99), edge(1, 2, 0.95)
    schema = EDGE_SCHEMA.append(pa.field("label", pa.binary(12)))
    schema = schema.append(pa.field("is_whole", pa.bool_()))
    for rows in ([weak, strong, other], [strong, weak, other], [other, strong, weak]):
        parts = [encode(pa.Table.from_pylist([row], schema)) for row in rows]
        found = eager(
            lambda groups: (
                groups
                | beam.ParDo(_Cluster("fuzzy", {}), {"entities": 1}).with_outputs(
                    _Cluster.COUNTS, main="heirs"
                )
            ),
            [(0, parts)],
        )
        ((_, heirs),) = found["heirs"]
        assert list(links_of([heirs])) == [(id_(1), id_(0))]
        (counts,) = found["counts"]
        assert counts == {"fuzzy_pairs": 2, "fuzzy_pairs_left_out": 1, "merged.fuzzy": 1}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 3), st.booleans()),
        max_size=12,
    ),
    st.sets(st.sampled_from("abc")),
    st.randoms(),
)
def test_heirs_have_most_of_the_mentions(votes, alive, shuffler):
    def table(found):
        columns = [pa.array([v[n] for v in found], f.type) for n, f in enumerate(VOTE_SCHEMA)]
        return pa.table(columns, schema=VOTE_SCHEMA)

    ids = pa.array(sorted(alive), pa.string())
    heirs = elect(table(votes), ids)
    assert heirs.keys() == {v[0] for v in votes} - alive
    for old, heir in heirs.items():
        mine = [v for v in votes if v[0] == old]
        mine = [v for v in mine if v[3]] or mine
        total = {e: sum(v[2] for v in mine if v[1] == e) for e in {v[1] for v in mine}}
        assert heir == min(total, key=lambda e: (-total[e], e))
    shuffler.shuffle(votes)
    assert elect(table(votes), ids) == heirs


def test_words_are_those_of_letters_and_digits():
    assert words_of("o'brien & sons, 3rd") == ["o", "brien", "sons", "3rd"]
