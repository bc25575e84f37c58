"""A load tells Neo4j of the rows that differ, and the database is that of a whole load."""

import json
import random
import shutil
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import DOCS, Doc, write_folder
from helpers.output_folders import read_manifest, table_rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.sinks.neo4j.marker import LoadMarker
from pfn_kg.sinks.neo4j.statements import merge_nodes, merge_relationships
from pfn_kg.sinks.neo4j.told import Told, file_name, is_among, told_bytes, told_rows

PEOPLE = [
    Doc(
        f"m{i}",
        f"Person {i} was born in City {i % 5} in 1{i:03d}. And City {i % 5} on Person {i}.",
        (
            (f"Person {i}", "PER", 0.5 + 0.02 * i),
            (f"City {i % 5}", "LOC", 0.9),
            (f"City {i % 5}", "LOC", 0.8, 1),
            (f"1{i:03d}", "TIME", 0.9),
        ),
        (
            (f"Person {i}", "place of birth", f"City {i % 5}", 0.5 + 0.02 * i),
            (f"Person {i}", "date of birth", f"1{i:03d}", 0.9),
        ),
        metadata=json.dumps({"year": 1900 + i}),
    )
    for i in range(20)
]
LEXICAL = "--neo4j-lexical"


def build(folder, **options):
    run_build(
        str(folder), BuildOptions(**{"shard_rows": 16, "rdf": None, "sentences": True} | options)
    )


def load(folder, graph, *options):
    assert main(["load", str(folder), "--graph", graph, *options]) == 0
    return read_manifest(Path(folder))["loads"][graph]["counts"]


def content(neo4j, graph):
    """What a graph holds, without its name."""
    found = neo4j.graph(graph)
    for row in (*found[0], *found[1]):
        assert row["properties"].pop("graph") == graph
    return tuple(sorted(rows, key=repr) for rows in found)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """One graph in several states: folders of the same run, each as it was at another time."""
    parent = tmp_path_factory.mktemp("states")
    states = []
    for name, documents, options in (
        ("first", [*DOCS, *PEOPLE], {}),
        ("weak", [*DOCS, *PEOPLE], {"entity_threshold": 0.8, "relation_threshold": 0.8}),
        ("less", PEOPLE[:-1], {"shard_rows": 50}),
    ):
        folder = Path(write_folder(parent / name, documents))
        build(folder, **options)
        manifest = read_manifest(folder) | {"run_id": "run"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        states.append(folder)
    return states


@pytest.fixture
def at(states, tmp_path):
    """Gives the folder of a graph, in the state of a number."""
    return in_states(states, tmp_path / "loads")


def in_states(states, loads):
    loads.mkdir()

    def at(number):
        link = states[number] / ".loads"
        link.unlink(missing_ok=True)
        # What loads keep is of the graph, whatever its state.
        link.symlink_to(loads)
        return states[number]

    return at


@pytest.fixture
def graph(neo4j, monkeypatch):
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    name = f"differences {uuid.uuid4().hex}"
    yield name
    forget(neo4j, name)


def forget(neo4j, graph):
    for name in (graph, f"{graph} whole"):
        neo4j.delete(name)
        neo4j.query("MATCH (m:PfnKgLoad {name: $name}) DELETE m", name=name)


def assert_whole(neo4j, folder, graph, *options):
    """The database holds what a load of everything under another name gives."""
    other = f"{graph} whole"
    neo4j.delete(other)
    counts = load(folder, other, "--replace", *options)
    assert content(neo4j, graph) == content(neo4j, other)
    return counts


@examples(2, shared_fixtures=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=2, max_size=4))
def test_after_any_changes_the_database_is_that_of_a_whole_load(
    neo4j, states, tmp_path_factory, changes
):
    at = in_states(states, tmp_path_factory.mktemp("changes") / "loads")
    graph = f"differences {uuid.uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in neo4j.environment.items():
            patch.setenv(name, value)
        try:
            for state, filtered, lexical in changes:
                options = ["--min-confidence", "0.7"] if filtered else []
                options += [LEXICAL] if lexical else []
                load(at(state), graph, *options)
            found = content(neo4j, graph)
            load(at(state), f"{graph} whole", *options)
            whole = content(neo4j, f"{graph} whole")
            # A load without the text leaves the label that one with it gave.
            for rows in (found[0], whole[0]):
                for row in rows:
                    row["labels"] = [name for name in row["labels"] if name != "__Entity__"]
                rows.sort(key=repr)
            assert found == whole
        finally:
            forget(neo4j, graph)


def test_what_did_not_change_is_not_sent(at, neo4j, graph):
    first = load(at(0), graph, LEXICAL)
    second = load(at(0), graph, LEXICAL)
    assert first["neo4j_sent_rows"] > 200
    assert first["neo4j_statements"] > 10
    assert (second["neo4j_sent_rows"], second["neo4j_statements"]) == (0, 0)
    # One person and some documents less, in fewer files.
    third = load(at(2), graph, LEXICAL)
    assert 0 < third["neo4j_sent_rows"] < first["neo4j_sent_rows"] / 4
    assert third["neo4j_deleted_nodes"] > 0
    assert third["neo4j_deleted_relationships"] > 0
    whole = assert_whole(neo4j, at(2), graph, LEXICAL)
    for name in ("entities", "relations", "documents", "sentences"):
        assert third[f"neo4j_{name}"] == whole[f"neo4j_{name}"]


@pytest.mark.parametrize(
    "change",
    [
        "MATCH (n:Entity {graph: $graph}) WITH n LIMIT 1 DETACH DELETE n",
        "MATCH (:Entity {graph: $graph})-[r:PLACE_OF_BIRTH]->() WITH r LIMIT 1 DELETE r",
        "CREATE (:Entity {graph: $graph, id: 'x', version: 'v'})",
        "MATCH (m:PfnKgLoad {name: $graph}) DELETE m",
        "MATCH (m:PfnKgLoad {name: $graph}) SET m.complete = 'of another folder'",
        "MATCH (m:PfnKgLoad {name: $graph}) SET m.complete = null, m.loading = 'was killed'",
    ],
)
def test_a_database_that_was_changed_is_told_of_everything(at, neo4j, graph, change):
    first = load(at(1), graph)
    neo4j.query(change, graph=graph)
    again = load(at(1), graph, *(["--replace"] if "'v'" in change else []))
    assert again["neo4j_sent_rows"] == first["neo4j_sent_rows"]
    assert_whole(neo4j, at(1), graph)
    assert load(at(1), graph)["neo4j_sent_rows"] == 0


def test_replace_repairs_what_others_changed(at, neo4j, graph):
    load(at(1), graph)
    neo4j.query("MATCH (n:Entity {graph: $graph}) SET n.name = 'wrong'", graph=graph)
    assert load(at(1), graph)["neo4j_sent_rows"] == 0
    load(at(1), graph, "--replace")
    assert_whole(neo4j, at(1), graph)


def test_two_folders_in_turn(at, neo4j, graph, states, tmp_path):
    """Each knows its own last load, which is not what the database holds."""
    other = tmp_path / "other"
    shutil.copytree(states[1], other, symlinks=True, ignore=lambda *_: [".loads"])
    for run in (at(0), other, at(0), other):
        load(run, graph)
    assert_whole(neo4j, other, graph)


def test_a_node_that_stays_for_others_goes_later(at, neo4j, graph):
    load(at(0), graph)
    neo4j.query(
        "MATCH (n:Entity {graph: $graph, name: 'Person 1'}) CREATE (:User)-[:LIKES]->(n)",
        graph=graph,
    )
    assert "Person 1" not in {row["name"] for row in table_rows(at(1), "entities")}
    for _ in range(2):
        counts = load(at(1), graph)
        assert counts["neo4j_kept_for_others"] == 1
        assert counts["neo4j_sent_rows"] < 30
    neo4j.query("MATCH (u:User)-[:LIKES]->({graph: $graph}) DETACH DELETE u", graph=graph)
    counts = load(at(1), graph)
    assert (counts["neo4j_kept_for_others"], counts["neo4j_deleted_nodes"]) == (0, 1)
    assert counts["neo4j_sent_rows"] == 0
    assert_whole(neo4j, at(1), graph)


def test_a_load_that_another_one_overtook_ends(at, neo4j, graph, monkeypatch, capsys):
    load(at(1), graph)
    begin = LoadMarker.begin

    def overtaken(self, token, base):
        begin(self, token, base)
        begin(self, "another", None)

    before = content(neo4j, graph)
    with monkeypatch.context() as patch:
        patch.setattr(LoadMarker, "begin", overtaken)
        assert main(["load", str(at(1)), "--graph", graph]) == 1
    assert "another load of the graph" in capsys.readouterr().err
    assert content(neo4j, graph) == before
    assert load(at(1), graph)["neo4j_sent_rows"] > 0


class Files:
    """The files of two loads in memory."""

    def __init__(self, before, now):
        self.before, self.now = before, now

    def read_before(self, name):
        return self.before[name]

    def read_now(self, name):
        return self.now[name]


def files_of(rows, of):
    """Rows in so many files: by equal ranges of the first eight digits of an id."""
    place = [int(start[:8], 16) * of >> 32 for start in rows["start"].to_pylist()]
    return {
        file_name("entities", number, of): told_bytes(
            rows.filter(pa.array([at == number for at in place], pa.bool_()))
        )
        for number in range(of)
    }


@pytest.mark.quick
@given(
    st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2), max_size=30),
    st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2), max_size=30),
    st.integers(1, 5),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_known_and_gone_rows_in_any_number_of_files(old, new, files_before, files, rng):
    new |= {key: rng.choice([value, 9]) for key, value in old.items() if rng.random() < 0.5}

    def remembered(rows):
        table = pa.table(
            {
                "id": pa.array([f"{key:08x}" for key in rows], pa.string()),
                "value": pa.array(list(rows.values()), pa.int64()),
            }
        )
        return told_rows(merge_nodes("Entity", table))

    now, before = remembered(new), remembered(old)
    told = Told(
        "now",
        "before",
        Files(files_of(before, files_before), files_of(now, files)),
        {"entities": files},
        {"entities": files_before},
    )
    gone = [row for table in told.gone() for row in table["start"].to_pylist()]
    assert sorted(gone) == sorted(f"{key:08x}" for key in old.keys() - new.keys())
    differing = []
    for number in range(files):
        data = told.files.read_now(file_name("entities", number, files))
        rows = pq.read_table(pa.BufferReader(data))
        differs = ~is_among(rows, told.known("entities", number), "content")
        differing += rows.filter(pa.array(differs))["start"].to_pylist()
    changed = {key for key in new if old.get(key) != new[key]}
    assert sorted(differing) == sorted(f"{key:08x}" for key in changed)


TEXTS = st.none() | st.text(st.sampled_from("a1-,\x1f\x00é"), max_size=4)
ROW = st.tuples(
    TEXTS,
    st.none() | st.integers(-12, 12),
    st.none() | st.lists(TEXTS, max_size=3),
    st.sampled_from([None, 0.1, 0.5, 0.10000001]),
)
TYPES = [pa.string(), pa.int64(), pa.list_(pa.string()), pa.float32()]


@pytest.mark.quick
@given(st.lists(ROW, min_size=1, max_size=12))
def test_rows_have_the_same_hash_if_they_are_the_same(rows):
    by_column = list(zip(*rows, strict=True))
    columns = [pa.array(list(c), type_) for c, type_ in zip(by_column, TYPES, strict=True)]
    table = pa.table([pa.array(["x"] * len(rows)), *columns], names=["id", *"abcd"])
    hashes = told_rows(merge_nodes("Entity", table))["content"].to_pylist()
    stored = [tuple(map(repr, row.values())) for row in table.to_pylist()]
    assert len(set(zip(stored, hashes, strict=True))) == len(set(stored)) == len(set(hashes))
    # Wherever a row stands in the table.
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    again = told_rows(merge_nodes("Entity", table.take(order).slice(1)))["content"].to_pylist()
    assert again == [hashes[place] for place in order[1:]]


@pytest.mark.quick
def test_what_a_statement_does_is_part_of_a_row():
    table = pa.table({"start": ["a"], "end": ["b"], "id": ["c"]})
    merges = [
        merge_nodes("Entity", table.rename_columns(["id", "x", "y"])),
        merge_nodes("Entity", table.rename_columns(["id", "x", "z"])),
        merge_nodes("Value", table.rename_columns(["id", "x", "y"])),
        merge_relationships("KNOWS", table, ends=("Entity", "Value"), key="id"),
        merge_relationships("KNOWS", table, ends=("Entity", "Entity"), key="id"),
        merge_relationships("LIKES", table, ends=("Entity", "Entity"), key="id"),
    ]
    rows = [told_rows(merge).to_pylist()[0] for merge in merges]
    assert len({row["content"] for row in rows}) == len(merges)
    # The same node with other properties is the same node.
    assert len({row["identity"] for row in rows}) == len(merges) - 1
