"""A load where there is nothing but what PyPI has: a smoke test, not proof for Neo4j."""

import pyarrow.parquet as pq
import pytest

from helpers.arcadedb_server import running
from helpers.extraction_folders import DOCS, write_folder
from helpers.neo4j_server import Database
from helpers.output_folders import graph_folder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main


def test_twice_is_once(tmp_path, monkeypatch, capsys):
    pytest.importorskip("arcadedb_embedded")
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(rdf=None, constraint_policy="keep"))
    (tmp_path / "server").mkdir()
    # It has no full-text indexes by Cypher, and a label that is set on a new node of which an
    # id is unique counts there as a second node. One writer needs no constraint.
    monkeypatch.setattr("pfn_kg.sinks.neo4j.sink.schema_statements", lambda lexical: [])
    with running(tmp_path / "server") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        database = Database(environment)
        for _ in range(2):
            assert main(["load", folder]) == 0, capsys.readouterr().err
            for label, table in (("n:Entity OR n:Value", "entities"), ("", "relations")):
                what = "()-[n]->()" if table == "relations" else "(n)"
                where = f"WHERE {label}" if label else ""
                [row] = database.query(f"MATCH {what} {where} RETURN count(n) AS n")
                assert row["n"] == len(pq.read_table(graph_folder(folder) / table))
