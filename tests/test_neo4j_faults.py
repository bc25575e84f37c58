"""Loads while the server, the loader or the account fails: nothing lost, nothing twice."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

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
    for i in range(400)
]
# Small batches, so that there is a middle to fail in.
BATCH_ROWS = 4


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
        load(run, options(server, batch_rows=5_000, replace=True))
    finally:
        del os.environ["NEO4J_PASSWORD"]
    found = Database(server.credentials).graph("default")
    assert [len(rows) for rows in found] == [840, 800]
    return found


def options(server, **others):
    target = Neo4jServer(uri=server.uri, username="neo4j", password="env:NEO4J_PASSWORD")
    return LoadOptions(server=target, **{"batch_rows": BATCH_ROWS, **others})


class Loading(threading.Thread):
    """A load that goes on beside the test."""

    def __init__(self, server, run):
        super().__init__(daemon=True)
        self._arguments = run, options(server)
        self.error = None
        self.counts = None

    def run(self):
        try:
            self.counts = load(*self._arguments)
        except Exception as error:
            self.error = error

    def until_in_the_middle(self, database):
        self.start()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            [row] = database.query("MATCH ()-[r {graph: 'default'}]->() RETURN count(r) AS n")
            if row["n"] >= 100:
                assert row["n"] < 600, "the load was quicker than the test"
                return
        raise AssertionError("the load does not get on")


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
    sink = Neo4jSink(LABEL_SCHEMA, options(server).server, Neo4jOptions("default", "run.v"))
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


def test_a_server_that_is_killed(server, run, database, undisturbed):
    loading = Loading(server, run)
    loading.until_in_the_middle(database)
    server.kill()
    server.start()
    loading.join(180)
    assert loading.error is None
    assert loading.counts["rejected"] == 0
    assert database.graph("default") == undisturbed


def test_a_server_that_does_not_answer_for_20_seconds(server, run, database, undisturbed):
    loading = Loading(server, run)
    loading.until_in_the_middle(database)
    server.pause()
    time.sleep(20)
    server.go_on()
    loading.join(120)
    assert loading.error is None
    assert database.graph("default") == undisturbed


def test_a_loader_that_is_killed(server, run, database, undisturbed):
    code = (
        "import sys\n"
        "from pfn_kg.pipeline.finished_run import read_finished\n"
        "from pfn_kg.pipeline.load import load\n"
        "from pfn_kg.schemas.load_options import LoadOptions\n"
        "from pfn_kg.sinks.neo4j.connection import Neo4jServer\n"
        "server = Neo4jServer("
        "uri=sys.argv[2], username='neo4j', password='env:NEO4J_PASSWORD')\n"
        f"load(read_finished(sys.argv[1]), LoadOptions(server=server, batch_rows={BATCH_ROWS}))\n"
    )
    loader = subprocess.Popen(
        [sys.executable, "-c", code, run.directory, server.uri],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    while len(database.query("MATCH ()-[r {graph: 'default'}]->() RETURN 1 LIMIT 100")) < 100:
        assert loader.poll() is None
    loader.send_signal(signal.SIGKILL)
    loader.wait()
    [row] = database.query("MATCH ()-[r {graph: 'default'}]->() RETURN count(r) AS n")
    assert 100 <= row["n"] < 800
    assert main(["load", run.directory]) == 0
    assert database.graph("default") == undisturbed
    # What the killed one left in the folder is gone too.
    assert not list(Path(run.directory).glob(".load-*"))


def test_a_password_that_becomes_wrong(server, run, database, undisturbed):
    loading = Loading(server, run)
    loading.until_in_the_middle(database)
    change = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
    passwords = {"old": PASSWORD, "new": "another-5ecret"}
    admin = Database(database.environment | {"NEO4J_DATABASE": "system"})
    admin.query(change, **passwords)
    try:
        server.kill()
        server.start(password="another-5ecret")
        loading.join(180)
        assert not loading.is_alive()
        message = str(loading.error)
        assert f"{server.uri}: the server does not accept user 'neo4j'" in message
        assert PASSWORD not in message
        assert rejected(run) == []
    finally:
        changed = {"NEO4J_DATABASE": "system", "NEO4J_PASSWORD": "another-5ecret"}
        admin = Database(database.environment | changed)
        admin.query(change, old="another-5ecret", new=PASSWORD)
    assert main(["load", run.directory]) == 0
    assert database.graph("default") == undisturbed


def test_a_server_that_refuses_to_write(server, run, database, undisturbed, capsys):
    loading = Loading(server, run)
    loading.until_in_the_middle(database)
    server.kill()
    server.configure({"server.databases.default_to_read_only": "true"})
    server.start()
    try:
        loading.join(180)
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
