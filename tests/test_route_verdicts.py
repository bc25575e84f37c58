"""Verdicts of the graph's rules reach the files whose rows they concern, and no others."""

from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.extraction_folders import DOCS, LABEL_SCHEMA, born_in, write_folder
from helpers.output_folders import graph_folder, table_rows
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.rules import Rules
from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.facts.graph_rules import GraphRules, Verdict
from pfn_kg.transforms.graph.route_verdicts import _by_file, _route, claims
from pfn_kg.transforms.plumbing.ids import content_id, from_arrow, shard_of, to_hex
from pfn_kg.transforms.plumbing.shards import decode, encode

RULED, OTHER = "place of birth", "spouse"
RULES = GraphRules(LABEL_SCHEMA, Rules(max_objects="drop"))


def ids_of(kind, numbers):
    return pa.array([content_id(kind, str(n)) for n in numbers], ID_TYPE)


def hexadecimal(column):
    return to_hex(from_arrow(pa.chunked_array([column]))).to_pylist()


@pytest.mark.quick
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30),
    st.dictionaries(st.integers(0, 5), st.sampled_from(["max_objects", "acyclic"])),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_each_file_gets_the_verdicts_on_its_rows(triples, against, relations, files, pieces):
    plan = {"relations": relations, "triples": files}
    table = pa.table(
        {
            # A relation has one predicate.
            "relation": [RULED if n % 2 == 0 else OTHER for n, _ in triples],
            "relation_id": ids_of("r", [n for n, _ in triples]),
            "triple_id": ids_of("t", range(len(triples))),
        }
    )
    joined = defaultdict(lambda: {"verdicts": [], "claims": []})
    for begin in range(0, len(table), pieces):
        for number, part in claims(table.slice(begin, pieces), RULES, plan):
            joined[number]["claims"].append(part)
    against = {n: rule for n, rule in against.items() if n % 2 == 0}
    for n, rule in against.items():
        ids = pa.table({"relation_id": hexadecimal(ids_of("r", [n]))})
        for number, verdict in _by_file(Verdict(rule, 1, encode(ids)), plan):
            joined[number]["verdicts"].append(verdict)
    got = defaultdict(set)
    for group in joined.items():
        for place, verdict in _route(group, plan):
            ids = decode(verdict.relation_ids)["relation_id"].to_pylist()
            assert verdict.relations == len(ids) == len(set(ids))
            got[place] |= {(verdict.rule, id_) for id_ in ids}
    expected = defaultdict(set)
    for n, rule in against.items():
        id_ = hexadecimal(ids_of("r", [n]))[0]
        number = shard_of(from_arrow(pa.chunked_array([ids_of("r", [n])])), relations)[0]
        expected["relations", number].add((rule, id_))
        if files == 1:
            expected["triples", 0].add((rule, id_))
        for row, (relation, _) in enumerate(triples):
            if relation == n and files > 1:
                of = shard_of(from_arrow(pa.chunked_array([ids_of("t", [row])])), files)[0]
                expected["triples", of].add((rule, id_))
    assert got == expected


@pytest.mark.parametrize("policy", ["drop", "flag"])
def test_many_files_are_judged_as_one_is(tmp_path, policy):
    born = [
        born_in(f"d{n}", name, place, score)
        for n, (name, place, score) in enumerate(
            [
                ("Ada Lovelace", "Bonn", 0.7),
                ("Ada Lovelace", "Paris", 0.9),
                ("Grace Hopper", "Bonn", 0.9),
                ("Grace Hopper", "Rome", 0.8),
                ("Grace Hopper", "Rome", 0.7),
            ]
        )
    ]
    found = {}
    for files, shard_rows in (("one", 1000), ("many", 1)):
        folder = write_folder(tmp_path / files, [*DOCS, *born])
        options = BuildOptions(shard_rows=shard_rows, rules=Rules(max_objects=policy), rdf=None)
        counts = run_build(folder, options)
        assert counts["violations.max_objects"] == 3
        found[files] = [
            sorted(table_rows(folder, table), key=str) for table in ("relations", "triples")
        ]
    assert len(list((graph_folder(tmp_path / "many") / "triples").iterdir())) > 5
    assert found["one"] == found["many"]
