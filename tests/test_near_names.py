"""Names that are nearly alike: what makes them one, and what never does."""

import itertools
import random
from hashlib import blake2b

import apache_beam as beam
import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from helpers.eager import eager
from helpers.examples import examples
from pfn_kg.transforms.merging import near_name_pairs
from pfn_kg.transforms.merging.capped_blocks import CappedBlocks
from pfn_kg.transforms.merging.clusters import Candidate, Pair, cluster
from pfn_kg.transforms.merging.components import ROUNDS, components_of, links_of
from pfn_kg.transforms.merging.heirs_of_pairs import _Cluster
from pfn_kg.transforms.merging.letter_sketches import least_differences, sketches
from pfn_kg.transforms.merging.near_name_blocks import (
    BLOCK_BYTES,
    BLOCK_NAMES,
    BLOCK_SCHEMA,
    blocks_of,
)
from pfn_kg.transforms.merging.near_name_pairs import EDGE_SCHEMA, edges_of
from pfn_kg.transforms.merging.near_names import (
    WORD_SIMILARITY,
    NearNames,
    are_alike,
    numbers_of,
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
    names = NearNames([canonical_name(one), canonical_name(other)], similarity)
    ends = np.array([0]), np.array([1])
    found = bool(names.compare(*ends)[0])
    assert names.may_be_alike(*ends)[0] >= found
    return found


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


def names_in_blocks(types, keys, **options):
    """For each name the keys of its blocks."""
    owners, blocks = blocks_of(types, keys, **options)
    found = [[] for _ in keys]
    for owner, block in zip(owners.tolist(), blocks.to_pylist(), strict=True):
        found[owner].append(block)
    return found


@given(WORDS, WORDS)
def test_alikeness_has_no_direction_and_meets_in_a_block(one, other):
    names = [" ".join(one), " ".join(other)]
    forth, back, same = are_alike([*names, names[0]], [*names[::-1], names[0]]).tolist()
    assert (forth, same) == (back, True)
    ones, others, of_other_type = map(set, names_in_blocks("TTU", [*names, names[1]]))
    assert bool(ones & others) >= bool(set(one) & set(other))
    assert not ones & of_other_type


@examples(40)
@given(
    st.lists(
        st.tuples(st.sampled_from("TU"), st.text(max_size=8) | WORDS.map(" ".join)), max_size=8
    ),
    st.integers(0, 3),
)
def test_blocks_are_the_words_and_how_these_begin(names, least_words):
    expected = []
    for type_name, key in names:
        words = words_of(key)
        parts = {*words, " " + " ".join(word[:2] for word in words)}
        if len(words) < max(1, least_words):
            parts = set()
        expected.append(
            sorted(
                blake2b(f"{type_name}\n{part}".encode(), digest_size=BLOCK_BYTES).digest()
                for part in parts
            )
        )
    types, keys = [name[0] for name in names], [name[1] for name in names]
    assert list(map(sorted, names_in_blocks(types, keys, least_words=least_words))) == expected


@given(st.lists(st.text() | st.text("ab"), min_size=1))
def test_sketches_differ_by_no_more_than_names(names):
    found, lengths = sketches(names)
    assert lengths.tolist() == list(map(len, names))
    least = least_differences(np.repeat(found[:1], len(names)), found).tolist()
    assert all(n <= Indel.distance(names[0], o) for n, o in zip(least, names, strict=True))
    assert least[0] == 0


def id_(number):
    return number.to_bytes(12, "big")


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(list(itertools.combinations(range(10), 2))),
        st.sampled_from([0.9, 0.95, 1.0]),
    ).map(lambda pair: (*pair[0], pair[1])),
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


def pair_by_pair(rows, similarity):
    """The edges of rows of (block, id, name), pair by pair, and how many blocks are too large."""
    rows = sorted(rows)
    first = {}
    for number, row in enumerate(rows):
        first.setdefault(row[1], number)
    found, too_large = {}, 0
    for _, of_block in itertools.groupby(rows, key=lambda row: row[0]):
        block = list(of_block)
        if len(block) > BLOCK_NAMES:
            too_large += 1
            continue
        for (_, one, key), (_, other, other_key) in itertools.combinations(block, 2):
            alike = Indel.normalized_similarity(key, other_key)
            ones, others = words_of(key), words_of(other_key)
            if (
                one != other
                and alike >= similarity
                and alike > 0
                and len(ones) == len(others)
                and numbers_of(ones) == numbers_of(others)
                and all(
                    Indel.normalized_similarity(a, b) >= WORD_SIMILARITY
                    for a, b in zip(ones, others, strict=True)
                )
            ):
                ends = tuple(first[id_] for id_ in sorted((one, other)))
                found[ends] = max(alike, found.get(ends, 0))
    edges = [
        {
            "a": id_(rows[a][1]),
            "b": id_(rows[b][1]),
            "similarity": found[a, b],
            **{f"{end}_name": rows[row][2] for end, row in (("a", a), ("b", b))},
        }
        for a, b in sorted(found)
    ]
    return edges, too_large


BLOCK_KEYS = WORDS.map(" ".join) | st.sampled_from(
    ["anna maria bell", "anna marie bell", "ana maria bell", "ann maria belle", "", "i a", "a i"]
)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), BLOCK_KEYS), max_size=40),
    st.sampled_from([0.0, 0.6, 0.85, 0.9, 1.0]),
    st.sampled_from([1, 3, 1 << 18]),
)
def test_edges_are_those_of_all_pairs_one_by_one(rows, similarity, pairs):
    rows = list(dict.fromkeys(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_name_pairs, "_PAIRS", pairs)
        found, too_large = edges_of(block_rows(rows), similarity)
    edges, expected_too_large = pair_by_pair(rows, similarity)
    wanted = ("a", "b", "similarity", "a_name", "b_name")
    assert found.select(wanted).equals(
        pa.Table.from_pylist(edges, pa.schema([EDGE_SCHEMA.field(name) for name in wanted]))
    )
    assert too_large == expected_too_large


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
