"""Loads while the server, the loader or the account fails: nothing lost, nothing twice."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest

from helpers.corpora import ROOT
from helpers.extraction_folders import LABEL_SCHEMA, Doc, write_folder
from helpers.neo4j_server import PASSWORD, Database, running
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.load import LoadOptions, load
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import Rows
from pfn_kg.sinks.neo4j.connection import Neo4jServer
from pfn_kg.sinks.neo4j.sink import Neo4jOptions, Neo4jSink

DOCUMENTS = [
    Doc(
        f"m{i}",
        f"Person {i} was born in City {i % 40} in 1{i:03d}.",
        (
            (f"Person {i}", "PER", 0.9),
            (f"City {i % 40}", "LOC", 0.9),
            (f"1{i:03d}", "TIME", 0.9),
        ),
        (
            (f"Person {i}", "place of birth", f"City {i % 40}", 0.8),
            (f"Person {i}", "date of birth", f"1{i:03d}", 0.9),
        ),
    )
    for i in range(120)
]
ENTITIES, RELATIONS = 280, 240
# Small batches, so that there is a middle to fail in.
BATCH_ROWS = 4
# So many relations are written in the middle.
MIDDLE = 100
# So many seconds a load may take to its middle, or from there to its end.
PATIENCE = 600


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = os.environ.get("NEO4J_HOME")
    if not home:
        pytest.skip("NEO4J_HOME names no Neo4j to be killed")
    # Hardly more than the server needs itself: a batch of long rows does not fit.
    settings = {"db.memory.transaction.max": "8m"}
    folder = tmp_path_factory.mktemp("neo4j")
    if shutil.which("openssl"):
        settings |= with_certificate(folder / "certificates")
    with running(home, folder, settings) as server:
        yield server


def with_certificate(folder):
    """A certificate that no authority signed, and the settings that make a server show it."""
    folder.mkdir()
    key, certificate = folder / "private.key", folder / "public.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    policy = "dbms.ssl.policy.bolt"
    return {
        "server.bolt.tls_level": "OPTIONAL",
        f"{policy}.enabled": "true",
        f"{policy}.base_directory": folder,
        f"{policy}.private_key": key,
        f"{policy}.public_certificate": certificate,
        f"{policy}.client_auth": "NONE",
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", DOCUMENTS, 100)
    run_build(folder, BuildOptions(rdf=None))
    return read_finished(folder)


@pytest.fixture
def database(server, monkeypatch):
    for name, value in server.credentials.items():
        monkeypatch.setenv(name, value)
    found = Database(server.credentials)
    found.delete("default")
    return found


@pytest.fixture(scope="module")
def undisturbed(server, run):
    """What the graph is after a load that nothing disturbs."""
    os.environ["NEO4J_PASSWORD"] = PASSWORD
    try:
        load(run, options(server.uri, batch_rows=5_000, replace=True))
    finally:
        del os.environ["NEO4J_PASSWORD"]
    found = Database(server.credentials).graph("default")
    assert [len(rows) for rows in found] == [ENTITIES, RELATIONS]
    return found


def options(uri, **others):
    target = Neo4jServer(uri=uri, username="neo4j", password="env:NEO4J_PASSWORD")
    return LoadOptions(server=target, **{"batch_rows": BATCH_ROWS, **others})


class Loading(threading.Thread):
    """A load beside the test that waits in its middle until it is told to go on."""

    def __init__(self, server, run):
        super().__init__(daemon=True)
        self._arguments = run, options(server.uri)
        self._written = 0
        self._in_the_middle, self._told = threading.Event(), threading.Event()
        self.error = None
        self.counts = None

    def run(self):
        try:
            with mock.patch.object(Neo4jServer, "write", self._waiting(Neo4jServer.write)):
                self.counts = load(*self._arguments)
        except Exception as error:
            self.error = error
        finally:
            self._in_the_middle.set()

    def _waiting(self, write):
        def wait_and_write(connection, session, statement, parameters):
            if is_of_relations(statement):
                if self._written >= MIDDLE:
                    self._in_the_middle.set()
                    assert self._told.wait(PATIENCE), "nobody says that the load may go on"
                self._written += len(parameters["rows"])
            return write(connection, session, statement, parameters)

        return wait_and_write

    def until_in_the_middle(self, database):
        self.start()
        assert self._in_the_middle.wait(PATIENCE), "the load does not get on"
        assert MIDDLE <= relations(database) < RELATIONS, self.error

    def go_on(self):
        self._told.set()

    def until_it_ends(self):
        self.go_on()
        self.join(PATIENCE)
        assert not self.is_alive()


@pytest.fixture
def loading(server, run, database):
    """A load in its middle; it ends with the test."""
    started = Loading(server, run)
    started.until_in_the_middle(database)
    yield started
    started.until_it_ends()


def is_of_relations(statement):
    return "]->(" in statement and "MERGE" in statement


def relations(database):
    """How many the graph has."""
    [row] = database.query("MATCH ()-[r {graph: 'default'}]->() RETURN count(r) AS n")
    return row["n"]


def rejected(run):
    return list((Path(run.directory) / "rejected").glob("neo4j-*"))


def test_a_batch_that_the_memory_of_the_server_does_not_hold(server, database):
    rows = [
        {
            "entity_id": f"{number:024x}",
            "kind": "entity",
            "name": f"Name {number}",
            "type": "PER",
            "aliases": [f"{number} {alias} " + "x" * 100 for alias in range(10)],
            "mentions": 1,
            "documents": 1,
        }
        for number in range(3_000)
    ]
    # Of one row alone more than a transaction may hold.
    rows[7]["aliases"] = ["x" * 1_000] * 20_000
    sink = Neo4jSink(LABEL_SCHEMA, options(server.uri).server, Neo4jOptions("default", "run.v"))
    sink.open()
    try:
        sink.prepare()
        table = pa.Table.from_pylist(rows, TABLE_SCHEMAS["entities"])
        written = sink.write(Rows("entities", 0, 1, table))
    finally:
        sink.close()
    assert written.counts["neo4j_entities"] == len(rows) - len(written.rejected)
    assert len(written.rejected) == 1
    assert all("memory" in row.error for row in written.rejected)
    [found] = database.query("MATCH (n {graph: 'default'}) RETURN count(n) AS n")
    assert found["n"] == len(rows) - len(written.rejected)


def test_encrypted(server, run, database, undisturbed, capsys):
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate")
    trusting = server.uri.replace("bolt://", "bolt+ssc://")
    assert main(["load", run.directory, "--neo4j-uri", trusting]) == 0
    assert database.graph("default") == undisturbed
    strict = server.uri.replace("bolt://", "bolt+s://")
    assert main(["load", run.directory, "--neo4j-uri", strict]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{strict}: its certificate is not trusted here" in line


def test_an_account_that_must_change_its_password(server, run, database, monkeypatch, capsys):
    admin = Database(database.environment | {"NEO4J_DATABASE": "system"})
    admin.query("CREATE USER newcomer SET PASSWORD 'canary-initial' CHANGE REQUIRED")
    monkeypatch.setenv("NEO4J_PASSWORD", "canary-initial")
    assert main(["load", run.directory, "--neo4j-username", "newcomer"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{server.uri}: user 'newcomer' must change the initial password first" in line
    assert "canary" not in line


def test_a_server_that_is_killed(server, database, undisturbed, loading):
    # While it writes.
    loading.go_on()
    server.kill()
    server.start()
    loading.until_it_ends()
    assert loading.error is None
    assert loading.counts["rejected"] == 0
    assert database.graph("default") == undisturbed


def test_a_server_that_does_not_answer_for_20_seconds(server, database, undisturbed, loading):
    server.pause()
    loading.go_on()
    time.sleep(20)
    server.go_on()
    loading.until_it_ends()
    assert loading.error is None
    assert database.graph("default") == undisturbed


# A process that is killed while it writes, soon after the middle.
KILLED = """
import os, signal, sys, threading
from unittest import mock
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.load import load
from pfn_kg.sinks.neo4j.connection import Neo4jServer
from test_neo4j_faults import MIDDLE, is_of_relations, options

write, written = Neo4jServer.write, 0

def write_and_end(connection, session, statement, parameters):
    global written
    if is_of_relations(statement):
        if written >= MIDDLE:
            threading.Timer(0.003, os.kill, (os.getpid(), signal.SIGKILL)).start()
        written += len(parameters["rows"])
    return write(connection, session, statement, parameters)

with mock.patch.object(Neo4jServer, "write", write_and_end):
    load(read_finished(sys.argv[1]), options(sys.argv[2]))
"""


def test_a_loader_that_is_killed(server, run, database, undisturbed):
    loader = subprocess.run(
        [sys.executable, "-c", KILLED, run.directory, server.uri],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    assert loader.returncode == -signal.SIGKILL
    assert MIDDLE <= relations(database) < RELATIONS
    assert main(["load", run.directory]) == 0
    assert database.graph("default") == undisturbed
    # What the killed one left in the folder is gone too.
    assert not list(Path(run.directory).glob(".load-*"))


def test_a_password_that_becomes_wrong(server, run, database, undisturbed, loading):
    change = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
    passwords = {"old": PASSWORD, "new": "another-5ecret"}
    admin = Database(database.environment | {"NEO4J_DATABASE": "system"})
    admin.query(change, **passwords)
    try:
        # The next connection is refused; the load has one from before.
        changed = {"NEO4J_PASSWORD": "another-5ecret"}
        Database(database.environment | changed).query(
            "CALL dbms.listConnections() YIELD connectionId, userAgent WHERE userAgent = 'pfn-kg' "
            "WITH collect(connectionId) AS ids CALL dbms.killConnections(ids) "
            "YIELD connectionId RETURN connectionId"
        )
        loading.until_it_ends()
        message = str(loading.error)
        assert f"{server.uri}: the server does not accept user 'neo4j'" in message
        assert PASSWORD not in message
        assert rejected(run) == []
    finally:
        admin = Database(admin.environment | {"NEO4J_PASSWORD": "another-5ecret"})
        admin.query(change, old="another-5ecret", new=PASSWORD)
    assert main(["load", run.directory]) == 0
    assert database.graph("default") == undisturbed


def test_a_server_that_refuses_to_write(server, run, database, undisturbed, loading, capsys):
    # Not killed: a recovery may have to write.
    server.stop()
    server.configure({"server.databases.default_to_read_only": "true"})
    server.start()
    try:
        loading.until_it_ends()
        assert f"{server.uri}: the home database is read-only" in str(loading.error)
        assert rejected(run) == []
        # So it is known before any work.
        assert main(["load", run.directory]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"{server.uri}: the home database is read-only" in line
    finally:
        server.kill()
        server.configure({})
        server.start()
    assert main(["load", run.directory]) == 0
    assert database.graph("default") == undisturbed
