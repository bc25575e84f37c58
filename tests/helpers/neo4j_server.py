"""A Neo4j server of the tests' own: from NEO4J_HOME, on a free port, in temporary folders.

    PYTHONPATH=tests python -m helpers.neo4j_server COMMAND ...

runs a command beside such a server, which it finds by NEO4J_URI, NEO4J_USERNAME and
NEO4J_PASSWORD.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from helpers.ports import free_port

PASSWORD = "canary-5ecret"
# So many seconds a server may take to answer; one that ended is not waited for.
_PATIENCE = 300
ENVIRONMENT = ("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_PASSWORD", "NEO4J_DATABASE")


class Neo4jServer:
    """An installation with data of its own.

    Args:
        home: the installation; nothing is written there.
        folder: for configuration, data and logs.
        settings: further lines of neo4j.conf.
    """

    def __init__(self, home: str, folder: Path, settings: Mapping[str, str] | None = None):
        self.home = Path(home)
        self.folder = folder
        self.port = free_port()
        self.uri = f"bolt://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = dict(settings or {})
        (folder / "conf").mkdir(parents=True, exist_ok=True)
        self.configure({})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Writes neo4j.conf with further settings beside the server's own, for the next start."""
        own = {
            "server.bolt.listen_address": f"127.0.0.1:{self.port}",
            "server.directories.data": self.folder / "data",
            "server.directories.logs": self.folder / "logs",
            "server.directories.run": self.folder / "run",
            "server.directories.import": self.folder / "import",
            "server.directories.transaction.logs.root": self.folder / "data" / "transactions",
            "dbms.security.auth_enabled": "true",
            **self._settings,
            **settings,
        }
        kept = [
            line
            for line in (self.home / "conf" / "neo4j.conf").read_text().splitlines()
            if "=" in line and not line.startswith("#") and line.partition("=")[0] not in own
        ]
        lines = [*kept, *(f"{name}={value}" for name, value in own.items())]
        (self.folder / "conf" / "neo4j.conf").write_text("\n".join(lines) + "\n")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"NEO4J_CONF": str(self.folder / "conf")}

    def admin(self, *arguments: str, cwd: Path | None = None) -> str:
        """Runs neo4j-admin; gives what it printed."""
        done = subprocess.run(
            [str(self.home / "bin" / "neo4j-admin"), *arguments],
            env=self.environment,
            cwd=cwd or self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def credentials(self) -> dict[str, str]:
        return {"NEO4J_URI": self.uri, "NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": PASSWORD}

    def set_initial_password(self) -> None:
        self.admin("dbms", "set-initial-password", PASSWORD)

    def start(self) -> None:
        """Starts the server; comes back when it answers."""
        assert self._process is None
        path = self.folder / "console.log"
        before = path.stat().st_size if path.exists() else 0
        with path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.home / "bin" / "neo4j"), "console"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def said() -> str:
            return path.read_bytes()[before:].decode(errors="replace")

        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            # It listens before its databases are there.
            if "Started." in said() and self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError(said()[-3000:])

    def _answers(self) -> bool:
        try:
            with GraphDatabase.driver(self.uri, auth=("neo4j", PASSWORD)) as driver:
                driver.verify_connectivity()
                with driver.session() as session:
                    session.run("RETURN 1").consume()
        except (DriverError, Neo4jError):
            return False
        return True

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends the server; with SIGKILL it gets no time for it."""
        if self._process is not None:
            self._signal(number)
            self._process.wait(300)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)


@contextmanager
def running(home: str, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator:
    """A started server, stopped at the end."""
    server = Neo4jServer(home, folder, settings)
    try:
        server.set_initial_password()
        server.start()
        yield server
    finally:
        server.kill()  # what it holds goes with it


class Database:
    """What a server holds.

    Args:
        environment: the variables by which it is found.
    """

    def __init__(self, environment: Mapping[str, str]):
        self.environment = dict(environment)
        self.uri = environment["NEO4J_URI"]

    def query(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a statement."""
        user = self.environment.get("NEO4J_USERNAME", "neo4j")
        auth = (user, self.environment["NEO4J_PASSWORD"])
        with (
            GraphDatabase.driver(self.uri, auth=auth, notifications_min_severity="OFF") as driver,
            driver.session(database=self.environment.get("NEO4J_DATABASE")) as session,
        ):
            return session.run(statement, parameters).data()

    def graph(self, name: str) -> tuple[list[Any], list[Any]]:
        """Nodes and relationships of a graph, all that they hold, but for the version."""
        nodes = self.query(
            "MATCH (n {graph: $name}) RETURN labels(n) AS labels, properties(n) AS properties",
            name=name,
        )
        relationships = self.query(
            "MATCH (a)-[r {graph: $name}]->(b) "
            "RETURN a.id AS start, type(r) AS type, b.id AS end, properties(r) AS properties",
            name=name,
        )
        for row in nodes:
            row["labels"].sort()
        for row in (*nodes, *relationships):
            assert row["properties"].pop("version")
        return tuple(sorted(rows, key=repr) for rows in (nodes, relationships))  # type: ignore

    def delete(self, name: str) -> None:
        """Takes a graph away."""
        self.query("MATCH (n {graph: $name}) DETACH DELETE n", name=name)


def main(command: Sequence[str]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="neo4j-"))
    try:
        with running(os.environ["NEO4J_HOME"], folder) as server:
            return subprocess.run(command, env=os.environ | server.credentials).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
