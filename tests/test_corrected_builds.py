"""Builds with corrections: real runs, updates, alias tables, sinks and the command line."""

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyshacl import validate
from rdflib import RDFS, Dataset, Graph, Literal, URIRef

from helpers.corpora import TEXTS, run, write_corpus
from helpers.extraction_folders import ADA, DOCS, LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import graph_files, graph_folder, read_manifest, table_rows
from pfn_kg import Graph as FinishedGraph
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.correction_files import append
from pfn_kg.pipeline.verify import verify
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.corrections import (
    AddFact,
    ConfirmFact,
    KeepApart,
    MergeEntity,
    RejectFact,
    RenameEntity,
    SplitEntity,
)
from pfn_kg.schemas.rules import NearNameOptions, Rules

BORN = {
    "subject": "Ada Lovelace",
    "subject_type": "PER",
    "relation": "place of birth",
    "object": "London",
    "object_type": "LOC",
}
SPOUSE = BORN | {"relation": "spouse", "object": "William King", "object_type": "PER"}
SIGNED = {"author": "Grace", "time": "2026-03-01T12:00:00Z", "note": "see the parish register"}
CORRECTIONS = [
    RejectFact(**BORN | {"relation": "date of birth", "object": "1815", "object_type": "TIME"}),
    ConfirmFact(**BORN, **SIGNED),
    AddFact(**SPOUSE, author="Hedy"),
    RenameEntity(name="London", type="LOC", new_name="London (England)", author="Hedy"),
    RejectFact(**BORN | {"subject": "Nobody"}),
]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "graph", DOCS)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path, *CORRECTIONS)


def write(folder, *corrections, name="corrections.jsonl"):
    path = str(folder / name)
    for correction in corrections:
        append(path, correction)
    return path


def facts(folder):
    names = {e["entity_id"]: e["name"] for e in table_rows(folder, "entities")}
    return {
        (names[r["subject_id"]].lower(), r["predicate"], names[r["object_id"]]): r
        for r in table_rows(folder, "relations")
    }


BIRTH = ("ada lovelace", "place of birth", "London (England)")
MARRIAGE = ("ada lovelace", "spouse", "William King")


def check(folder):
    """What the corrections say holds, whatever else is in the graph."""
    found = facts(folder)
    assert found[BIRTH]["confidence"] == found[MARRIAGE]["confidence"] == 1
    assert (found[BIRTH]["corrected_by"], found[MARRIAGE]["corrected"]) == ("Grace", "add")
    assert not [f for f in found if f[1] == "date of birth"]
    assert verify(folder) == []


def test_corrections_survive_rebuilds_thresholds_and_removals(
    folder, file, tmp_path, capsys, caplog
):
    assert main(["build", folder, "--corrections", file]) == 0
    said = "4 of 5 corrections apply; of 2 facts judged at 0.8 and more, 50 % right, 9 to 91\n"
    assert capsys.readouterr().out.endswith(said)
    assert "1 of 5 corrections do not apply" in caplog.text
    assert "row 5 (reject): no triple says it" in caplog.text
    check(folder)
    build = read_manifest(folder)["build"]
    assert (build["counts"]["corrections"], build["counts"]["corrections_applied"]) == (5, 4)
    assert build["precision"]["all"] == {
        "judged": 2,
        "right": 1,
        "precision": 0.5,
        "low": 0.0945,
        "high": 0.9055,
    }
    # The file of the user may go: a removal has what the last build had.
    (tmp_path / "corrections.jsonl").unlink()
    assert main(["remove", folder, "--documents", "a"]) == 0
    check(folder)
    assert facts(folder)[BIRTH]["document_count"] == 1
    assert main(["remove", folder, "--documents", "b"]) == 0
    check(folder)
    assert facts(folder)[BIRTH]["document_count"] == 0
    kept = str(graph_folder(folder) / "corrections.parquet")
    assert main(["build", folder, "--corrections", kept, "--relation-threshold", "0.99"]) == 0
    check(folder)
    # Another build says anew what it is given.
    assert main(["build", folder]) == 0
    assert table_rows(folder, "relations") == table_rows(folder, "entities") == []
    assert verify(folder) == []


def test_a_build_is_a_function_of_its_inputs(folder, file, tmp_path):
    run_build(folder, BuildOptions(corrections=file))
    once = graph_files(folder)
    run_build(folder, BuildOptions(corrections=file))
    assert graph_files(folder) == once
    other = write_folder(tmp_path / "other", DOCS, chunk_documents=1, reverse=True)
    as_table = write(tmp_path, *CORRECTIONS, name="c.parquet")
    run_build(other, BuildOptions(corrections=as_table))
    other_files = graph_files(other)
    assert {n: d for n, d in other_files.items() if n.startswith(("entities", "relations"))} == {
        n: d for n, d in once.items() if n.startswith(("entities", "relations"))
    }
    rows = [sorted(facts(folder)), sorted(table_rows(folder, "triples"), key=str)]
    run_build(folder, BuildOptions(corrections=file, shard_rows=1))
    assert [sorted(facts(folder)), sorted(table_rows(folder, "triples"), key=str)] == rows
    check(folder)


def test_without_corrections_nothing_is_different(folder, tmp_path):
    run_build(folder)
    plain = graph_files(folder)
    assert not [name for name in plain if "correct" in name]
    columns = pq.read_schema(next((graph_folder(folder) / "relations").glob("*"))).names
    assert "corrected" not in columns
    run_build(folder, BuildOptions(corrections=write(tmp_path, CORRECTIONS[4])))
    assert {n: d for n, d in graph_files(folder).items() if n.startswith("triples")} == {
        n: d for n, d in plain.items() if n.startswith("triples")
    }


def test_a_snapshot_says_what_it_was_built_with(folder, file):
    run_build(folder, BuildOptions(corrections=file))
    graph = graph_folder(folder)
    kept = pq.read_table(graph / "corrections.parquet").to_pylist()
    assert [row["kind"] for row in kept] == ["reject", "confirm", "add", "rename", "reject"]
    outcomes = pq.read_table(graph / "correction_outcomes.parquet").to_pylist()
    assert [row["is_applied"] for row in outcomes] == [True, True, True, True, False]
    (graph / "corrections.parquet").write_bytes(b"PAR1")
    assert any("corrections.parquet" in line for line in verify(folder))
    assert main(["remove", folder, "--documents", "a"]) == 2


def test_a_wrong_row_stops_before_any_work(folder, tmp_path, capsys):
    path = tmp_path / "c.csv"
    path.write_text("kind,name,type\nrename,London,LOC\n")
    assert main(["build", folder, "--corrections", str(path)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.endswith(
        f"--corrections: {path}: column 'new_name', row 1: is empty, which a correction of the "
        "kind 'rename' needs"
    )
    assert "\n" not in error
    assert read_manifest(folder)["state"] == "extracted"


def test_an_empty_graph_holds_what_people_add(tmp_path, file):
    folder = write_folder(tmp_path / "empty", [Doc("z", "Nothing here.")])
    run_build(folder, BuildOptions(corrections=file))
    assert {f[1] for f in facts(folder)} == {"place of birth", "spouse"}
    assert verify(folder) == []


def test_updates_keep_corrections(tmp_path, tiny_model, capsys):
    a = write_corpus(tmp_path / "a.parquet", TEXTS[:3])
    b = write_corpus(tmp_path / "b.parquet", [*TEXTS[3:], TEXTS[0]])
    output = tmp_path / "out"
    assert run(a, output, tiny_model) == 0
    graph = FinishedGraph.open(output)
    entities = {e["entity_id"]: e for e in graph.entities.to_pylist()}
    relations = graph.relations.to_pylist()
    assert relations
    wrong = relations[0]
    ends = [entities[wrong[end]] for end in ("subject_id", "object_id")]
    said = {
        "subject": ends[0]["name"],
        "subject_type": ends[0]["type"],
        "relation": wrong["predicate"],
        "object": ends[1]["name"],
        "object_type": ends[1]["type"],
    }
    path = write(tmp_path, RejectFact(**said, author="Grace"))
    assert main(["build", str(output), "--corrections", path]) == 0
    gone = {wrong["relation_id"]}
    assert not gone & {r["relation_id"] for r in table_rows(output, "relations")}
    assert main(["run", str(b), "--into", str(output)]) == 0
    assert "\n1 of 1 corrections apply; of 1 fact judged at " in capsys.readouterr().out
    assert not gone & {r["relation_id"] for r in table_rows(output, "relations")}
    assert read_manifest(output)["build"]["counts"]["corrections_applied"] == 1
    assert main(["remove", str(output), "--documents", "a0"]) == 0
    assert not gone & {r["relation_id"] for r in table_rows(output, "relations")}
    assert main(["build", str(output), "--relation-threshold", "0.1", "--corrections", path]) == 0
    assert not gone & {r["relation_id"] for r in table_rows(output, "relations")}
    assert verify(str(output)) == []


NAMES = [
    Doc("a", ADA, DOCS[0].mentions[:1], ()),
    Doc("b", "Ada Lovelase wrote.", (("Ada Lovelase", "PER", 0.9),)),
    Doc("c", "Countess of Lovelace wrote.", (("Countess of Lovelace", "PER", 0.9),)),
    Doc("d", "Bob Byron wrote.", (("Bob Byron", "PER", 0.9),)),
]


def people(folder):
    return {e["name"]: e["mentions"] for e in table_rows(folder, "entities") if e["type"] == "PER"}


def test_corrections_go_before_alias_table_and_near_names(tmp_path):
    folder = write_folder(tmp_path / "graph", NAMES)
    aliases = tmp_path / "aliases.csv"
    aliases.write_text(
        "alias,canonical_name,iri\nCountess of Lovelace,Ada King,https://example.org/ada\n"
        "Bob Byron,Ada King,\n"
    )
    merged = BuildOptions(aliases=str(aliases), fuzzy=NearNameOptions(similarity=0.8))
    run_build(folder, merged)
    assert people(folder) == {"Ada Lovelace": 2, "Ada King": 2}

    def person(name):
        return {"name": name, "type": "PER"}

    def other(name):
        return {"other_name": name, "other_type": "PER"}

    path = write(
        tmp_path,
        KeepApart(**person("Ada Lovelace"), **other("Ada Lovelase")),
        KeepApart(**person("Countess of Lovelace"), **other("Bob Byron")),
        # By a name that the alias table sends elsewhere.
        MergeEntity(**person("Countess of Lovelace"), **other("Ada Lovelace")),
        AddFact(**BORN | {"subject": "Countess of Lovelace"}),
    )
    run_build(folder, merged.changed(corrections=path))
    assert verify(folder) == []
    assert people(folder) == {"Ada Lovelace": 2, "Ada Lovelase": 1, "Bob Byron": 1}
    assert [o["is_applied"] for o in outcomes(folder)] == [True] * 4
    [ada] = [e for e in table_rows(folder, "entities") if e["name"] == "Ada Lovelace"]
    # The one that it was merged into is linked to what the alias table says of the other.
    assert ada["same_as"] == "https://example.org/ada"
    assert [f[0] for f in facts(folder)] == ["ada lovelace"]


def outcomes(folder):
    return pq.read_table(graph_folder(folder) / "correction_outcomes.parquet").to_pylist()


def test_rules_of_the_graph_prefer_and_spare_what_people_confirm(tmp_path):
    docs = [
        Doc(
            "a",
            "Ada Lovelace was born in London or Paris.",
            (("Ada Lovelace", "PER", 0.9), ("London", "LOC", 0.9), ("Paris", "LOC", 0.9)),
            (
                ("Ada Lovelace", "place of birth", "London", 0.9),
                ("Ada Lovelace", "place of birth", "Paris", 0.6),
            ),
        )
    ]
    folder = write_folder(tmp_path / "graph", docs)
    drop = BuildOptions(rules=Rules(max_objects="drop"))
    run_build(folder, drop)
    assert [f[2] for f in facts(folder)] == ["London"]
    confirmed = write(tmp_path, ConfirmFact(**BORN | {"object": "Paris"}))
    run_build(folder, drop.changed(corrections=confirmed))
    assert [f[2] for f in facts(folder)] == ["Paris"]
    both = write(tmp_path, ConfirmFact(**BORN), name="c.jsonl")
    append(both, ConfirmFact(**BORN | {"object": "Paris"}))
    run_build(folder, drop.changed(corrections=both))
    assert {f[2] for f in facts(folder)} == {"London", "Paris"}
    assert verify(folder) == []


GOLDEN = Path(__file__).parent / "data" / "golden"
TERM = "https://example.org/kg/term/"


@pytest.mark.parametrize("provenance", ["none", "statement", "rdf12"])
def test_rdf_says_who_corrected_what(folder, file, tmp_path, provenance):
    assert main(["build", folder, "--corrections", file, "--provenance", provenance]) == 0
    assert verify(folder) == []
    if provenance == "rdf12":
        return  # rdflib does not read it
    graph = Graph()
    for path in sorted((graph_folder(folder) / "rdf").glob("*-of-*.ttl")):
        graph.parse(path)
    [node] = graph.subjects(URIRef(f"{TERM}correctedBy"), Literal("Grace"))
    said = {str(p).removeprefix(TERM): o for p, o in graph.predicate_objects(node)}
    assert str(said["correction"]) == "confirm"
    assert str(said["correctionNote"]) == SIGNED["note"]
    assert said["correctedAt"].toPython().isoformat() == "2026-03-01T12:00:00+00:00"
    by_hedy = set(graph.subjects(URIRef(f"{TERM}correctedBy"), Literal("Hedy")))
    assert {str(graph.value(n, URIRef(f"{TERM}correction"))) for n in by_hedy} == {"add", "rename"}
    shapes = Graph().parse(graph_folder(folder) / "rdf" / "shapes.ttl")
    conforms, _, text = validate(graph, shacl_graph=shapes, allow_warnings=True)
    assert conforms, text
    ontology = Graph().parse(graph_folder(folder) / "rdf" / "ontology.ttl")
    assert (URIRef(f"{TERM}correction"), None, None) in ontology


def test_golden_rdf(folder, file):
    options = BuildOptions(corrections=file, label_language="en")
    run_build(folder, options)
    paths = sorted((graph_folder(folder) / "rdf").iterdir())
    found = "\n".join(f"# {path.name}\n{path.read_text(encoding='utf-8')}" for path in paths)
    assert found == (GOLDEN / "corrected.ttl").read_text(encoding="utf-8")
    graph = Graph()
    for path in paths:
        graph.parse(path)
    terms = {p for p in graph.predicates() if str(p).startswith(TERM)}
    assert len(terms) == 7
    assert terms <= set(graph.subjects(RDFS.label))


def test_a_fact_without_a_document_is_in_the_default_graph_of_trig(folder, file, tmp_path):
    run_build(folder, BuildOptions(corrections=file))
    out = tmp_path / "out"
    assert main(["export", folder, "--output", str(out), "--to", "trig"]) == 0
    data = Dataset()
    for path in sorted(out.glob("*.trig")):
        data.parse(path, format="trig")
    spouse = URIRef(LABEL_SCHEMA.relation_iri("spouse"))
    assert len(list(data.default_graph.triples((None, spouse, None)))) == 1
    born = URIRef(LABEL_SCHEMA.relation_iri("place of birth"))
    graphs = {str(g) for _, _, _, g in data.quads((None, born, None, None))}
    assert graphs == {"https://example.org/kg/document/a", "https://example.org/kg/document/b"}


def test_files_for_neo4j_have_the_columns(folder, file, tmp_path):
    for number, options in enumerate(({}, {"corrections": file})):
        run_build(folder, BuildOptions(**options))
        out = tmp_path / f"out{number}"
        assert main(["export", folder, "--output", str(out), "--to", "neo4j-import"]) == 0
        header = (out / "relations-header.csv").read_text().strip().split(",")
        assert ("corrected_by" in header) == bool(options)
        [path] = out.glob("relations-[0-9]*.csv")
        rows = [line for line in path.read_text().split("\n") if "Hedy" in line]
        assert len(rows) == number


def test_neo4j_says_who_corrected_what_and_forgets_it(folder, file, neo4j, monkeypatch):
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    graph = f"test {uuid.uuid4().hex}"

    def corrected():
        found = neo4j.query(
            f"MATCH (a {{graph: '{graph}'}})-[r]->(b) WHERE r.corrected IS NOT NULL "
            "RETURN r.corrected AS kind, r.corrected_by AS author, r.correction_note AS note "
            f"UNION MATCH (n {{graph: '{graph}'}}) WHERE n.corrected IS NOT NULL "
            "RETURN n.corrected AS kind, n.corrected_by AS author, n.correction_note AS note"
        )
        return {(row["kind"], row["author"], row["note"]) for row in found}

    try:
        run_build(folder, BuildOptions(corrections=file))
        assert main(["load", folder, "--graph", graph]) == 0
        assert corrected() == {
            ("confirm", "Grace", SIGNED["note"]),
            ("add", "Hedy", None),
            ("rename", "Hedy", None),
        }
        run_build(folder)
        assert main(["load", folder, "--graph", graph]) == 0
        assert corrected() == set()
    finally:
        neo4j.delete(graph)


def test_programs_see_the_columns(folder, file):
    run_build(folder, BuildOptions(corrections=file))
    graph = FinishedGraph.open(folder)
    assert "correction_note" in graph.relations.column_names
    assert graph.table("entities", ["name", "corrected"]).num_rows == 4


def test_split_entities_have_redirects_and_counts(folder, tmp_path):
    run_build(folder)
    place = {"document_id": "a"}
    path = write(
        tmp_path,
        SplitEntity(name="London", type="LOC", mentions=(place,), new_name="London (Ontario)"),
    )
    run_build(folder, BuildOptions(corrections=path))
    counts = {e["name"]: e["mentions"] for e in table_rows(folder, "entities")}
    assert counts["London (Ontario)"] == 2
    assert verify(folder) == []


def test_a_file_of_another_program_is_read(folder, tmp_path):
    rows = [c.to_dict() for c in CORRECTIONS]
    names = sorted({name for row in rows for name in row})
    columns = {name: [row.get(name) for row in rows] for name in names}
    pq.write_table(pa.table(columns), tmp_path / "theirs.parquet")
    run_build(folder, BuildOptions(corrections=str(tmp_path / "theirs.parquet")))
    check(folder)
