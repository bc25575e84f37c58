"""The rules of the label schema: what each policy makes of the triples of a graph."""

import itertools
from collections import Counter
from typing import NamedTuple
from unittest import mock

import apache_beam as beam
import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import read_manifest, table_rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.local.runner import LocalRunner
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import Rules
from pfn_kg.schemas.shuffled_rows import SUPPORT_SCHEMA
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.facts import graph_rules
from pfn_kg.transforms.facts.acyclic import closing_edges
from pfn_kg.transforms.facts.graph_rules import (
    UNCHECKED,
    FindVerdicts,
    GraphRules,
    Verdict,
    beyond_max_objects,
    closing_cycles,
    judge,
    ruled_support,
)
from pfn_kg.transforms.plumbing.ids import ID_BYTES
from pfn_kg.transforms.plumbing.shards import decode, encode

SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": "PER"}, {"name": "LOC"}],
        "relations": [
            {
                "name": "born in",
                "arguments": [{"subject": "PER", "object": "LOC"}],
                "max_objects": 1,
            },
            {"name": "spouse", "symmetric": True},
            {"name": "part of", "inverse": "has part", "acyclic": True},
            {"name": "has part", "acyclic": True},
            {"name": "near"},
        ],
    }
)
QUIET = Rules(self_loops="keep", overlaps="keep", max_objects="keep", acyclic="keep")
PEOPLE = (("Ada", "PER", 0.9), ("Bea", "PER", 0.9), ("Rome", "LOC", 0.9), ("Oslo", "LOC", 0.9))


def doc(id_, *triples, text="Ada, Bea, Rome, Oslo.", mentions=PEOPLE):
    return Doc(id_, text, mentions, triples)


def graph(tmp_path, docs, rules, constraint_policy="flag", **folder):
    """Facts by (subject, relation, object) with their triples' flags, and what was counted."""
    place = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
    directory = write_folder(place, docs, label_schema=SCHEMA, **folder)
    counts = run_build(
        directory, BuildOptions(rdf=None, rules=rules, constraint_policy=constraint_policy)
    )
    names = {e["entity_id"]: e["name"] for e in table_rows(directory, "entities")}
    facts = {
        (names[r["subject_id"]], r["predicate"], names[r["object_id"]]): r
        for r in table_rows(directory, "relations")
    }
    triples = table_rows(directory, "triples")
    assert {t["relation_id"] for t in triples} == {r["relation_id"] for r in facts.values()}
    assert counts["triples"] == len(triples)
    assert counts["relations"] == len(facts)
    support = Counter(t["relation_id"] for t in triples)
    for relation in facts.values():
        assert relation["evidence_count"] == support[relation["relation_id"]]
        assert set(relation["evidence"]) <= {t["triple_id"] for t in triples}
    spoken = {r["relation_id"]: set() for r in facts.values()}
    for triple in triples:
        spoken[triple["relation_id"]] |= set(triple["flags"])
    flags = {fact: sorted(spoken[r["relation_id"]]) for fact, r in facts.items()}
    return flags, counts, facts


def test_direction(tmp_path):
    docs = [doc("1", ("Rome", "born in", "Ada", 0.7), ("Ada", "born in", "Bea", 0.7))]
    flags, counts, _ = graph(tmp_path, docs, QUIET)
    assert flags == {
        ("Rome", "born in", "Ada"): ["argument_types"],
        ("Ada", "born in", "Bea"): ["argument_types"],
    }
    assert counts["violations.argument_types"] == 2
    flags, counts, _ = graph(tmp_path, docs, QUIET.changed(direction="flip"))
    assert flags == {
        ("Ada", "born in", "Rome"): ["flipped"],
        ("Ada", "born in", "Bea"): ["argument_types"],
    }
    assert (counts["flipped"], counts["violations.argument_types"]) == (1, 1)
    flags, _, _ = graph(tmp_path, docs, QUIET.changed(direction="flip"), "drop")
    assert list(flags) == [("Ada", "born in", "Rome")]


def test_a_flipped_triple_and_the_same_one_are_one(tmp_path):
    docs = [doc("1", ("Rome", "born in", "Ada", 0.9), ("Ada", "born in", "Rome", 0.6))]
    flags, counts, facts = graph(tmp_path, docs, QUIET.changed(direction="flip"))
    assert flags == {("Ada", "born in", "Rome"): ["flipped"]}
    assert counts["triples"] == 1
    [relation] = facts.values()
    assert relation["confidence"] == pytest.approx(0.9)


def test_self_loops_and_overlaps(tmp_path):
    mentions = (
        ("New York Times", "LOC", 0.9),
        ("York", "LOC", 0.9),
        ("YORK", "LOC", 0.9),
    )
    triples = (("YORK", "near", "York", 0.8), ("New York Times", "near", "York", 0.8))
    docs = [doc("1", *triples, text="New York Times, YORK.", mentions=mentions)]
    # Of two spellings that are as frequent and as long the first is the name.
    loop, overlap = ("YORK", "near", "YORK"), ("New York Times", "near", "YORK")
    found, counts, _ = graph(tmp_path, docs, Rules())
    assert found == {loop: ["self_loop"], overlap: ["overlapping_arguments"]}
    assert counts["violations.self_loop"] == counts["violations.overlapping_arguments"] == 1
    found, counts, _ = graph(tmp_path, docs, QUIET)
    assert found == {loop: [], overlap: []}
    assert counts["violations.self_loop"] == 1
    found, _, _ = graph(tmp_path, docs, QUIET.changed(self_loops="drop"))
    assert found == {overlap: []}
    found, _, _ = graph(tmp_path, docs, QUIET.changed(overlaps="drop"))
    assert found == {loop: []}
    found, _, _ = graph(tmp_path, docs, QUIET.changed(self_loops="drop", overlaps="drop"))
    assert found == {}


def test_arguments_that_touch_do_not_overlap(tmp_path):
    mentions = (("Ada", "PER", 0.9), ("Bea", "PER", 0.9))
    triples = (("Ada", "near", "Bea", 0.8), ("Bea", "near", "Ada", 0.8))
    docs = [doc("1", *triples, text="AdaBea.", mentions=mentions)]
    found, counts, _ = graph(tmp_path, docs, Rules(overlaps="drop"))
    assert found == {("Ada", "near", "Bea"): [], ("Bea", "near", "Ada"): []}
    assert counts["violations.overlapping_arguments"] == 0


def test_symmetric_relations(tmp_path):
    docs = [
        doc("1", ("Ada", "spouse", "Bea", 0.6)),
        doc("2", ("Bea", "spouse", "Ada", 0.7), text="Rome, Oslo, Ada, Bea."),
    ]
    one, other = ("Ada", "spouse", "Bea"), ("Bea", "spouse", "Ada")
    flags, _, facts = graph(tmp_path, docs, QUIET)
    assert flags == {one: [], other: []}
    assert facts[one]["document_count"] == 1
    flags, counts, facts = graph(tmp_path, docs, QUIET.changed(symmetric="both"))
    assert flags == {one: ["symmetric"], other: ["symmetric"]}
    for fact in (one, other):
        assert facts[fact]["confidence"] == pytest.approx(1 - 0.4 * 0.3)
        assert facts[fact]["document_count"] == 2
    assert (counts["added.symmetric"], counts["triples"]) == (2, 4)
    flags, counts, facts = graph(tmp_path, docs, QUIET.changed(symmetric="one"))
    [(fact, spoken)] = flags.items()
    assert spoken == ["symmetric"]
    assert facts[fact]["subject_id"] < facts[fact]["object_id"]
    assert facts[fact]["confidence"] == pytest.approx(1 - 0.4 * 0.3)
    assert (counts["turned.symmetric"], counts["triples"]) == (1, 2)


def test_inverse_relations(tmp_path):
    docs = [doc("1", ("Rome", "part of", "Oslo", 0.6), ("Ada", "has part", "Bea", 0.7))]
    part, has = ("Rome", "part of", "Oslo"), ("Ada", "has part", "Bea")
    flags, _, _ = graph(tmp_path, docs, QUIET)
    assert flags == {part: [], has: []}
    flags, counts, _ = graph(tmp_path, docs, QUIET.changed(inverse="both"))
    assert flags == {
        part: [],
        ("Oslo", "has part", "Rome"): ["inverse"],
        has: [],
        ("Bea", "part of", "Ada"): ["inverse"],
    }
    assert counts["added.inverse"] == 2
    # The first of the two in the label schema stays.
    flags, counts, _ = graph(tmp_path, docs, QUIET.changed(inverse="one"))
    assert flags == {part: [], ("Bea", "part of", "Ada"): ["inverse"]}
    assert counts["turned.inverse"] == 1


def test_max_objects_keeps_the_best_supported(tmp_path):
    docs = [
        doc("1", ("Ada", "born in", "Rome", 0.6)),
        doc("2", ("Ada", "born in", "Oslo", 0.8)),
        doc("3", ("Ada", "born in", "Rome", 0.6), text="Oslo, Ada, Bea, Rome."),
        doc("4", ("Bea", "born in", "Oslo", 0.5)),
    ]
    weak = ("Ada", "born in", "Oslo")
    flags, counts, _ = graph(tmp_path, docs, Rules())
    assert {fact for fact, spoken in flags.items() if spoken} == {weak}
    assert flags[weak] == ["max_objects"]
    assert counts["violations.max_objects"] == 1
    flags, counts, _ = graph(tmp_path, docs, Rules(max_objects="drop"))
    assert set(flags) == {("Ada", "born in", "Rome"), ("Bea", "born in", "Oslo")}
    assert counts["violations.max_objects"] == 1
    flags, counts, _ = graph(tmp_path, docs, Rules(max_objects="keep"))
    assert (len(flags), sum(map(len, flags.values()))) == (3, 0)
    assert "violations.max_objects" not in counts


def test_acyclic_relations(tmp_path):
    docs = [
        doc("1", ("Rome", "part of", "Oslo", 0.9)),
        doc("2", ("Oslo", "part of", "Ada", 0.8)),
        doc("3", ("Ada", "part of", "Rome", 0.6), ("Ada", "part of", "Bea", 0.6)),
        doc("4", ("Ada", "near", "Rome", 0.6), ("Rome", "near", "Ada", 0.6)),
    ]
    flags, counts, _ = graph(tmp_path, docs, Rules())
    assert {f: s for f, s in flags.items() if s} == {("Ada", "part of", "Rome"): ["acyclic"]}
    assert counts["violations.acyclic"] == 1
    flags, _, _ = graph(tmp_path, docs, Rules(acyclic="drop"))
    assert len(flags) == 5
    assert ("Ada", "part of", "Rome") not in flags


class Edge(NamedTuple):
    """A relation of the graph; the lesser of two is the better."""

    doubt: float
    documents: int
    triples: int
    relation_id: str
    predicate: str
    subject: str
    object: str


NODES = st.sampled_from("abcdef")
EDGES = st.lists(
    st.tuples(st.sampled_from("pq"), NODES, NODES, *[st.integers(1, 3)] * 3), max_size=30
).map(
    lambda found: [
        Edge(-score / 4, -documents, -triples, f"{number:02}", predicate, subject, object_)
        for number, (predicate, subject, object_, score, documents, triples) in enumerate(
            {row[:3]: row for row in found}.values()
        )
    ]
)


def relations_of(edges):
    columns = {
        "relation_id": [e.relation_id for e in edges],
        "subject_id": [e.subject for e in edges],
        "predicate": [e.predicate for e in edges],
        "object_id": [e.object for e in edges],
        "confidence": [-e.doubt for e in edges],
        "evidence_count": [-e.triples for e in edges],
        "document_count": [-e.documents for e in edges],
    }
    schema = TABLE_SCHEMAS["relations"]
    return pa.table(columns, schema=pa.schema([schema.field(name) for name in columns]))


def ids_of(edges, mask):
    return {e.relation_id for e, is_against in zip(edges, mask, strict=True) if is_against}


@given(EDGES, st.randoms())
def test_what_is_left_has_no_cycle_and_what_goes_closed_one(edges, random):
    edges = [e for e in edges if e.predicate == "p"]
    closing = ids_of(edges, closing_cycles(relations_of(edges))[0])
    loops = {e.relation_id for e in edges if e.subject == e.object}
    assert not closing & loops
    kept = [e for e in edges if e.relation_id not in closing | loops]
    assert nx.is_directed_acyclic_graph(nx.DiGraph((e.subject, e.object) for e in kept))
    for edge in edges:
        if edge.relation_id in closing:
            better = nx.DiGraph((e.subject, e.object) for e in kept if e < edge)
            assert nx.has_path(better, edge.object, edge.subject)
    random.shuffle(edges)
    assert ids_of(edges, closing_cycles(relations_of(edges))[0]) == closing


def test_long_ways_that_are_no_cycles_stay():
    edges = [
        Edge(-0.5, -1, -1, f"{number:04}", "p", str(number), str(number + 1))
        for number in range(200)
    ]
    assert not np.any(closing_cycles(relations_of(edges)))
    back = Edge(-0.4, -1, -1, "back", "p", "150", "50")
    assert ids_of([back, *edges], closing_cycles(relations_of([back, *edges]))[0]) == {"back"}


def test_edges_beyond_the_work_are_counted_and_stay():
    # In this order nearly every edge is against the order of those before it.
    ring = [Edge(-0.5, -1, -1, f"{-n % 30:02}", "p", str(n), str((n + 1) % 30)) for n in range(30)]
    closing, unchecked = closing_cycles(relations_of(ring))
    assert (closing.sum(), unchecked.sum()) == (1, 0)
    closing, unchecked = closing_cycles(relations_of(ring), most_visits=0)
    assert not closing.any()
    assert 0 < unchecked.sum() < 30
    ruled = [Verdict(UNCHECKED, 1, encode(pa.table({"relation_id": ["00"]})))]
    rows = relations_of(ring)
    assert judge(rows, ruled, Rules(acyclic="drop")) == (rows, 0)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=40))
def test_closing_edges_are_those_with_a_way_back(edges):
    kept = nx.DiGraph()
    kept.add_nodes_from(range(9))
    expected = []
    for number, (source, target) in enumerate(edges):
        if nx.has_path(kept, target, source):
            expected.append(number)
        else:
            kept.add_edge(source, target)
    assert closing_edges(edges) == (expected, [])


def support_of(edges):
    """One row of support for each edge, whose confidence is its score."""

    def id_(text):
        return text.encode().ljust(ID_BYTES, b"-")

    return pa.Table.from_pylist(
        [
            {
                "relation_id": id_(edge.relation_id),
                "subject_id": id_(edge.subject),
                "predicate": edge.predicate,
                "object_id": id_(edge.object),
                "triples": -edge.triples,
                "documents": -edge.documents,
                "score": -edge.doubt,
                "triple_id": id_(edge.relation_id),
                "sentence_key": id_(edge.relation_id),
            }
            for edge in edges
        ],
        SUPPORT_SCHEMA,
    )


COLLECTED = []


def collect(element):
    COLLECTED.append(element)


@examples(25)
@given(EDGES, st.integers(1, 5), st.lists(st.integers(0, 30), max_size=3).map(sorted))
def test_edges_that_no_edge_leads_to_meet_nowhere(edges, groups, cuts):
    rules = GraphRules(
        LabelSchema.from_dict(
            {"entity_types": [], "relations": [{"name": name, "acyclic": True} for name in "pq"]}
        ),
        Rules(acyclic="drop"),
    )
    bounds = itertools.pairwise([0, *cuts, len(edges)])
    rows = [
        row
        for begin, end in bounds
        for row in ruled_support(support_of(edges[begin:end]), rules, groups)
    ]
    COLLECTED.clear()
    met = []
    # In this process, since the steps share memory with the test.
    with (
        mock.patch.object(
            graph_rules,
            "closing_cycles",
            side_effect=lambda relations: met.append(relations) or closing_cycles(relations),
        ),
        beam.Pipeline(runner=LocalRunner()) as pipeline,
    ):
        (
            pipeline
            | beam.Create(rows).with_output_types(tuple[int, bytes])
            | FindVerdicts(rules)
            | beam.Map(collect)
        )
    ids = [
        id_
        for verdict in COLLECTED
        for id_ in decode(verdict.relation_ids)["relation_id"].to_pylist()
    ]
    expected = {
        id_
        for predicate in "pq"
        for of_predicate in [[e for e in edges if e.predicate == predicate]]
        for id_ in ids_of(of_predicate, closing_cycles(relations_of(of_predicate))[0])
    }
    assert sorted(bytes.fromhex(id_).rstrip(b"-").decode() for id_ in ids) == sorted(expected)
    objects = {(e.predicate, e.object) for e in edges}
    may = {e.relation_id for e in edges if (e.predicate, e.subject) in objects}
    seen = [id_ for table in met for id_ in table["relation_id"].to_pylist()]
    assert sorted(bytes.fromhex(id_).rstrip(b"-").decode() for id_ in seen) == sorted(may)


@given(EDGES, st.integers(1, 3), st.randoms())
def test_the_best_objects_of_each_subject_stay(edges, most, random):
    beyond = ids_of(edges, beyond_max_objects(relations_of(edges), {"p": most}))
    for subject in "abcdef":
        ranked = sorted(e for e in edges if (e.predicate, e.subject) == ("p", subject))
        assert {e.relation_id for e in ranked[most:]} == {
            e.relation_id for e in ranked if e.relation_id in beyond
        }
    assert not beyond & {e.relation_id for e in edges if e.predicate == "q"}
    random.shuffle(edges)
    assert ids_of(edges, beyond_max_objects(relations_of(edges), {"p": most})) == beyond
    assert not beyond_max_objects(relations_of(edges), {}).any()


@pytest.mark.parametrize(
    ("best", "second"),
    [
        # Confidence goes first, then documents, then triples, then the lower id.
        ((0.9, 1, 1, "b"), (0.8, 9, 9, "a")),
        ((0.8, 2, 2, "b"), (0.8, 1, 9, "a")),
        ((0.8, 2, 9, "b"), (0.8, 2, 2, "a")),
        ((0.8, 2, 2, "a"), (0.8, 2, 2, "b")),
    ],
)
def test_which_of_two_relations_is_the_better(best, second):
    one, other = (
        Edge(-score, -documents, -triples, id_, "p", "s", f"o{id_}")
        for score, documents, triples, id_ in (best, second)
    )
    for edges in ([one, other], [other, one]):
        beyond = ids_of(edges, beyond_max_objects(relations_of(edges), {"p": 1}))
        assert beyond == {other.relation_id}
    # And of two that close a cycle the lesser one goes.
    one, other = one._replace(object="t"), other._replace(subject="t", object="s")
    for edges in ([one, other], [other, one]):
        assert ids_of(edges, closing_cycles(relations_of(edges))[0]) == {other.relation_id}


ORDER_RULES = Rules(
    direction="flip",
    self_loops="drop",
    symmetric="both",
    inverse="one",
    max_objects="drop",
    acyclic="drop",
)


@pytest.fixture(scope="module")
def documents_in_order(tmp_path_factory):
    """Documents that break each rule, and their graph."""
    names = ("Ada", "Bea", "Rome", "Oslo")
    pairs = list(itertools.permutations(names, 2))
    relations = ("born in", "spouse", "part of", "has part")
    docs = [
        doc(
            f"d{i}",
            *(
                (s, relations[(i + j) % 4], o, 0.5 + (i * 7 + j * 3) % 5 / 10)
                for j, (s, o) in enumerate(pairs)
            ),
        )
        for i in range(6)
    ]
    return docs, graph(tmp_path_factory.mktemp("order"), docs, ORDER_RULES)


@examples(4)
@given(st.permutations(range(6)), st.sampled_from([1, 2, 6]))
def test_rules_do_not_depend_on_order_or_chunks(
    tmp_path_factory, documents_in_order, order, chunk_documents
):
    docs, expected = documents_in_order
    folder = tmp_path_factory.mktemp("order")
    docs = [docs[i] for i in order]
    found = graph(folder, docs, ORDER_RULES, chunk_documents=chunk_documents)
    assert found == expected
    assert found[1]["violations.acyclic"] > 0
    assert found[1]["violations.max_objects"] > 0


def test_command(tmp_path, capsys):
    docs = [doc("1", ("Rome", "born in", "Ada", 0.7), ("Ada", "spouse", "Bea", 0.7))]
    directory = write_folder(tmp_path / "run", docs, label_schema=SCHEMA)
    options = ["--direction-policy", "flip", "--symmetric-policy", "both", "--no-rdf"]
    assert main(["build", directory, *options]) == 0
    manifest = read_manifest(directory)
    used = Rules(direction="flip", symmetric="both")
    assert manifest["build"]["options"]["rules"] == used.model_dump()
    assert manifest["build"]["counts"]["flipped"] == 1
    assert len(table_rows(directory, "relations")) == 3
    assert main(["build", directory, "--symmetric-policy", "three"]) == 2
    assert "--symmetric-policy" in capsys.readouterr().err
    config = tmp_path / "c.yaml"
    config.write_text("acyclic-policy: never\n")
    assert main(["build", directory, "--config", str(config)]) == 2
    assert "--acyclic-policy: 'never' is not one of drop, flag, keep" in capsys.readouterr().err
