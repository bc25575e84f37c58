"""The benchmarks of Neo4j run as they are called, with tiny sizes, and print what they are for."""

import os
import re

import pytest

from benchmarks import neo4j_load
from helpers.benchmark_calls import printed

EVERYTHING = "MATCH (n) DETACH DELETE n"


@pytest.fixture
def database(neo4j, monkeypatch):
    """The session's Neo4j, empty; skips where it is somebody's and holds something."""
    if "NEO4J_URI" in os.environ and neo4j.query("MATCH (n) RETURN n LIMIT 1"):
        pytest.skip("the benchmark empties the database, and this one holds something")
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    # What tests left there that ran before.
    neo4j.query(EVERYTHING)
    yield neo4j
    neo4j.query(EVERYTHING)


def test_neo4j_load(database, monkeypatch, capsys):
    # Each type has statements of its own, which a cold server takes long to compile.
    monkeypatch.setattr(neo4j_load, "TYPES", 2)
    monkeypatch.setattr(neo4j_load, "RELATIONS", 3)
    said = printed(
        capsys, monkeypatch, "neo4j_load", "--nodes", 40, "--relationships", 60, "--rounds", 1,
        "--warm-up", 0,
    )  # fmt: skip
    assert len(re.findall(r"^ratio, [^:]+: \d+\.\d\d ", said, re.MULTILINE)) == 4


def test_neo4j_changes(database, monkeypatch, capsys):
    said = printed(
        capsys, monkeypatch, "neo4j_changes", "--nodes", 40, "--relationships", 60, "--rounds", 1,
    )  # fmt: skip
    assert re.search(r"^ratio, processor time after a change: \d+\.\d+ ", said, re.MULTILINE)
