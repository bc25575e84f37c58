"""`pfn-kg view` as its users run it: a process with an address, and requests to it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from helpers.corpora import ROOT


class Answer(NamedTuple):
    """An answer of a server: its status, its headers by lower-case name, its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        process: its process.
        port: where it listens.
        token: its secret.
        address: as it printed it.
    """

    process: subprocess.Popen
    port: int
    token: str
    address: str

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        token: bool = True,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Asks the server; with its token unless told otherwise."""
        given = {"Authorization": f"Bearer {self.token}"} if token else {}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            given["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, data, given | (headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


@contextmanager
def viewing(folder: str, *arguments: str) -> Iterator[Server]:
    """Runs `pfn-kg view` over a folder until the block ends."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pfn_kg", "view", folder, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    try:
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if match := re.search(r"http://\S+/\?token=(\S+)", line):
                break
        else:
            raise AssertionError("".join(lines))
        yield Server(process, urlsplit(match[0]).port or 0, match[1], match[0])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(300)
        process.stdout.close()
