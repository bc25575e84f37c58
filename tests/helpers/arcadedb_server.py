"""ArcadeDB as a stand-in for Neo4j where there is none: it comes from PyPI and speaks Bolt.

A process of its own: inside another one, its Java and Python would end each other.

    python arcadedb_server.py FOLDER BOLT_PORT HTTP_PORT PASSWORD
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DATABASE = "graph"
# So many seconds the database may take to answer when its port is there.
_PATIENCE = 300.0


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """A started server; gives the variables by which it is found."""
    from helpers.neo4j_server import PASSWORD, Database
    from helpers.ports import free_port, wait_for_port

    environment = {
        "NEO4J_URI": f"bolt://127.0.0.1:{free_port()}",
        "NEO4J_USERNAME": "root",
        "NEO4J_PASSWORD": PASSWORD,
        "NEO4J_DATABASE": DATABASE,
    }
    port = environment["NEO4J_URI"].rpartition(":")[2]
    arguments = [port, str(free_port()), PASSWORD]
    log = folder / "arcadedb.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), str(folder), *arguments],
            cwd=folder,  # it keeps a log there
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_port(int(port), process, log.read_text)
        _wait_for_answer(lambda: Database(environment).query("RETURN 1"))
        yield environment
    finally:
        process.kill()
        process.wait()


def _wait_for_answer(ask: Callable[[], object]) -> None:
    """Asks again until there is an answer: the port is there before the database."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            ask()
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def main(folder: str, bolt_port: str, http_port: str, password: str) -> None:
    import arcadedb_embedded

    server = arcadedb_embedded.create_server(
        folder,
        password,
        {
            "http_port": int(http_port),
            "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
            "bolt_port": int(bolt_port),
        },
    )
    server.start()
    server.create_database(DATABASE)
    sys.stdin.read()  # until the parent is gone


if __name__ == "__main__":
    main(*sys.argv[1:])
