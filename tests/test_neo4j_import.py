"""Files for Neo4j's bulk importer: the database made of them is that of a live load."""

import gzip
import os
import shlex
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_neo4j import HOSTILE, PEOPLE

from helpers.extraction_folders import DOCS, write_folder
from helpers.neo4j_server import Database, Neo4jServer
from helpers.output_folders import graph_folder, list_again
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main

ODD = [
    'quotes "inside" and ""twice""',
    '"',
    "ends with a backslash \\",
    "\\",
    "two\nlines\r\nand\ttabs",
    "comma, semicolon; pipe|",
    "emoji 👩\u200d👧 and e\u0301",
    "'single'",
    "",
    " leading and trailing ",
    "null",
    "\u2028\u0085",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose names hold all that CSV chokes on."""
    folder = tmp_path_factory.mktemp("graph") / "run"
    write_folder(folder, [*DOCS, *PEOPLE])
    run_build(str(folder), BuildOptions(rdf=None, constraint_policy="keep"))
    [path] = (graph_folder(folder) / "entities").glob("*.parquet")
    rows = pq.read_table(path).to_pylist()
    # The importer can't say a character that separates items, within one.
    names = [name for name in [*ODD, *HOSTILE] if "\x1f" not in name]
    for number, row in enumerate(rows):
        row["name"] = f"{row['name']} {names[number % len(names)]}"
        if number % 3 == 0:
            row["aliases"] = names[number % 5 :]
        if row["kind"] == "entity" and number % 2:
            row["same_as"] = f"http://www.wikidata.org/entity/Q{number}"
        if row["kind"] == "value":
            row["value"] = names[number % len(names)]
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(path)), path)
    list_again(folder)
    return str(folder)


@pytest.fixture(scope="module")
def home():
    found = os.environ.get("NEO4J_HOME")
    if not found:
        pytest.skip("NEO4J_HOME names no Neo4j with neo4j-admin")
    return found


def test_an_import_is_a_load(run, home, neo4j, tmp_path, monkeypatch, capsys):
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    graph = "an import"
    options = ("--graph", graph, "--min-confidence", "0.55")
    out = tmp_path / "out"
    export = ["export", run, "--to", "neo4j-import", "--output", str(out), *options]
    assert main(export) == 0
    [command] = capsys.readouterr().out.splitlines()
    words = shlex.split(command)
    assert words[:5] == ["neo4j-admin", "database", "import", "full", "neo4j"]
    try:
        assert main(["load", run, *options]) == 0
        loaded = neo4j.graph(graph)
    finally:
        neo4j.delete(graph)
    assert len(loaded[0]) == len(pq.read_table(graph_folder(run) / "entities"))
    server = Neo4jServer(home, tmp_path / "server")
    # Just as it was printed, in the folder of the files.
    done = subprocess.run(
        command,
        shell=True,
        cwd=out,
        env=server.environment | {"PATH": f"{home}/bin:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "bad entries" not in done.stdout.lower() or "0 bad entries" in done.stdout.lower()
    server.admin("database", "check", "neo4j")
    server.set_initial_password()
    server.start()
    try:
        imported = Database(server.credentials)
        for statement in (out / "after_import.cypher").read_text().split(";\n"):
            if statement.strip():
                imported.query(statement)
        imported.query("CALL db.awaitIndexes(60)")
        assert imported.graph(graph) == loaded
        for kind in ("CONSTRAINTS", "INDEXES"):
            columns = "name, type, labelsOrTypes, properties"
            show = f"SHOW {kind} YIELD {columns} WHERE name STARTS WITH 'pfn_kg' RETURN {columns}"
            wanted = [
                r for r in neo4j.query(show) if set(r["labelsOrTypes"]) <= {"Entity", "Value"}
            ]
            key = lambda row: row["name"]  # noqa: E731
            assert sorted(imported.query(show), key=key) == sorted(wanted, key=key)
            assert wanted
    finally:
        server.kill()


def test_compressed_files_hold_the_same(run, tmp_path, capsys):
    export = ["export", run, "--to", "neo4j-import", "--graph", "g", "--output"]
    assert main([*export, str(tmp_path / "plain")]) == 0
    assert main([*export, str(tmp_path / "small"), "--gzip"]) == 0
    plain, small = capsys.readouterr().out.splitlines()
    assert small == plain.replace(".csv'", ".csv.gz'")
    for path in (tmp_path / "plain").glob("*-of-*.csv"):
        compressed = (tmp_path / "small" / f"{path.name}.gz").read_bytes()
        assert gzip.decompress(compressed) == path.read_bytes()
