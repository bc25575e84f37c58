"""`pfn-kg verify`: a right graph passes; each promise that is broken is named."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import (
    change_table,
    graph_folder,
    list_again,
    read_manifest,
    write_manifest,
)
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.spill import Spill
from pfn_kg.pipeline.verify import verify
from pfn_kg.schemas.build_options import RdfOptions


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("verify") / "run", DOCS)
    run_build(folder, BuildOptions(sentences=True))
    assert verify(folder) == []
    return Path(folder)


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "run", symlinks=True)


def set_cell(column, row, value):
    def change(table):
        values = table[column].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        field = table.schema.field(column)
        return table.set_column(
            table.column_names.index(column), field, [pa.array(values, field.type)]
        )

    return change


def reverse(table):
    return table.take(pa.array(range(len(table) - 1, -1, -1)))


def drop_first(table):
    return table.slice(1)


NOBODY = "f" * 24
BROKEN = [
    ("mentions", reverse, "mentions out of order"),
    ("documents", lambda t: t.append_column("x", [[1] * len(t)]), "table with other columns"),
    ("relations", drop_first, "table with another number of rows than the manifest counts"),
    ("mentions", set_cell("end", 0, lambda end: end + 1), "mentions whose text is not as long"),
    ("sentences", set_cell("text", 0, "x"), "sentences whose text is not as long"),
    (
        "mentions",
        set_cell("text", 0, lambda text: "x" * len(text)),
        "mentions that their sentence does not spell",
    ),
    (
        "triples",
        set_cell("subject_text", 0, lambda text: "x" * len(text)),
        "triples whose subject_text is not what the evidence has there",
    ),
    ("triples", set_cell("object_end", 0, 10_000), "triples whose object is outside the evidence"),
    (
        "triples",
        set_cell("evidence_text", 0, lambda text: text + "x"),
        "triples whose text is not as long",
    ),
    ("triples", set_cell("subject_mention_id", 0, NOBODY), "that is not in mentions"),
    ("triples", set_cell("document_id", 0, "d"), "is not the document_id of the mention"),
    ("triples", set_cell("relation_id", 0, NOBODY), "triples.relation_id that is not in relations"),
    ("triples", set_cell("relation", 0, "spouse"), "is not the predicate of the relation"),
    ("mentions", set_cell("entity_id", 0, NOBODY), "mentions.entity_id that is not in entities"),
    ("mentions", set_cell("document_id", 0, "z"), "mentions.document_id that is not in documents"),
    ("relations", set_cell("object_id", 0, NOBODY), "relations.object_id that is not in entities"),
    ("relations", set_cell("evidence", 0, [NOBODY]), "relations.evidence that is not in triples"),
    ("relations", set_cell("evidence", 0, []), "relation without evidence"),
    ("relations", set_cell("evidence_count", 0, 77), "relations with a wrong evidence_count"),
    ("relations", set_cell("document_count", 0, 77), "relations with a wrong document_count"),
    ("entities", set_cell("mentions", 0, 77), "entities with a wrong mentions"),
    ("entities", set_cell("documents", 0, 77), "entities with a wrong documents"),
    ("entities", set_cell("iri", 0, lambda iri: None if iri else "x"), "whose kind and IRI"),
    ("entities", set_cell("datatype", 0, lambda name: None if name else "x"), "kind and value"),
]


@pytest.mark.parametrize(("table", "change", "kind"), BROKEN)
def test_a_wrong_table_is_named(folder, capsys, table, change, kind):
    change_table(folder, table, change)
    lines = verify(str(folder))
    assert any(kind in line for line in lines), lines
    capsys.readouterr()
    assert main(["verify", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines() == lines


def change_file(folder, name, change):
    [path] = graph_folder(folder).glob(name)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    list_again(folder)


@pytest.mark.parametrize(
    ("file", "change", "kind"),
    [
        (
            "rdf/entities-*",
            lambda text: text.partition("\nentity:")[0] + "\n",
            "entities of the tables that are not in the RDF",
        ),
        (
            "rdf/entities-*",
            lambda text: text + f"entity:{NOBODY} a type:per .\n",
            "entities of the RDF that are not in the tables: 1, such as " + NOBODY,
        ),
        (
            "rdf/relations-*",
            lambda text: text.partition("\nentity:")[0] + "\n",
            "relations of the tables that are not in the RDF",
        ),
        (
            "rdf/relations-*",
            lambda text: text.replace('"1815"', '"1816"'),
            "relations of the RDF that are not in the tables",
        ),
        ("rdf/relations-*", lambda text: text + "entity:", "RDF that can't be read"),
        ("rdf/ontology.ttl", lambda text: text + "<", "RDF that can't be read"),
    ],
)
def test_wrong_rdf_is_named(folder, file, change, kind):
    change_file(folder, file, change)
    assert any(kind in line for line in verify(str(folder)))


def test_files_that_are_not_those_of_the_build(folder, capsys):
    graph = graph_folder(folder)
    (graph / "rdf" / "void.ttl").unlink()
    (graph / "rdf" / "more.ttl").write_text("")
    path = graph / "rdf" / "shapes.ttl"
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    [table] = (graph / "triples").iterdir()
    table.write_bytes(table.read_bytes()[:-100])
    assert main(["verify", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "missing file: 1, such as rdf/void.ttl" in lines
    assert "file that its build did not write: 1, such as rdf/more.ttl" in lines
    assert "file with other content than its build wrote: 1, such as rdf/shapes.ttl" in lines
    assert any(line.startswith("file of another size: 1, such as triples/part-") for line in lines)
    assert any(line.startswith("unreadable file: ") for line in lines)


def test_records_that_disagree(folder):
    manifest = read_manifest(folder)
    manifest["build"]["counts"]["documents"] += 1
    write_manifest(folder, manifest)
    (folder / "graph").unlink()
    (folder / "graph").symlink_to("builds/other")
    lines = verify(str(folder))
    assert [line.partition(":")[0] for line in lines] == [
        "manifest with another record of the build",
        "link to another graph",
    ]


@pytest.mark.parametrize("command", ["export", "load"])
def test_the_cheap_part_comes_before_load_and_export(folder, tmp_path, capsys, command):
    arguments = {
        "export": ["export", str(folder), "--output", str(tmp_path / "out")],
        "load": ["load", str(folder), "--neo4j-uri", "bolt://localhost:1"],
    }[command]
    change_table(folder, "entities", drop_first)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "entities with" in said
    assert "rows in place of" in said
    assert "pfn-kg build" in said
    [path] = (graph_folder(folder) / "mentions").iterdir()
    path.write_bytes(path.read_bytes() + b"x")
    assert main(arguments) == 2
    assert "file of another size" in capsys.readouterr().err
    path.unlink()
    assert main(arguments) == 2
    assert "missing file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(rdf=None),
        BuildOptions(shard_rows=2, constraint_policy="keep"),
        BuildOptions(rdf=RdfOptions(provenance="statement", gzip=True, relation_iris="match")),
        BuildOptions(rdf=RdfOptions(provenance="rdf12", alias_iris="subject")),
        BuildOptions(entity_threshold=1.0),
    ],
)
def test_right_graphs_of_all_kinds(tmp_path, options):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, options)
    assert verify(folder) == []


def test_many_parts_of_a_join(folder, monkeypatch):
    """A graph too great for one part of a join; only the number of rows of a part is another."""
    monkeypatch.setattr("pfn_kg.pipeline.spill._PART_ROWS", 2)
    assert verify(str(folder)) == []
    change_table(folder, "mentions", set_cell("entity_id", 0, NOBODY))
    lines = verify(str(folder))
    assert any("mentions.entity_id that is not in entities" in line for line in lines)
    change_file(folder, "rdf/relations-*", lambda text: text.replace('"1815"', '"1816"'))
    assert any("relations of the RDF" in line for line in verify(str(folder)))


def test_a_document_in_two_files(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(shard_rows=2, rdf=None))
    first, *others = sorted((graph_folder(folder) / "documents").iterdir())
    assert others
    row = pq.read_table(first).slice(0, 1)
    pq.write_table(pa.concat_tables([row, pq.read_table(others[0]).slice(1)]), others[0])
    list_again(folder)
    id_ = row["document_id"][0].as_py()
    assert f"documents with an id twice: 1, such as {id_}" in verify(folder)


def test_spilled_rows_come_back(tmp_path):
    spill = Spill(tmp_path, 1_500_000)
    assert spill.parts == 3
    table = pa.table({"n": pa.array(range(10))})
    part = pc.bit_wise_and(table["n"], 1).to_numpy()
    spill.write("x", [(table, part), (table, part)])
    assert spill.read("x", 1, table.schema)["n"].to_pylist() == [1, 3, 5, 7, 9] * 2
    assert len(spill.read("x", 2, table.schema)) == 0


def test_no_graph(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    assert main(["verify", folder]) == 2
    assert "its graph is not finished" in capsys.readouterr().err
