"""How fast `pfn-kg view` opens a large graph and answers, and how much memory it takes.

The graph is made up and written as the tables that a build writes: names of one to three words
out of a skewed vocabulary, relations whose ends are skewed too, 1.2 pieces of evidence for each.
The command runs in a process of its own, and the times are those of a client: from the start of
the process to its first answer, and from a request to the end of its answer. On a machine that
does other work too, look at the processor time of the server beside them: what it takes on a
machine of its own lies between half of it and all of it. Run from the checkout:
`python -m benchmarks.view --entities 1000000 --relations 5000000`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.parse import quote

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.view_graph import SNAPSHOT, make_graph
from pfn_kg.transforms.tables.parts import part_name


class Served:
    """`pfn-kg view` in a process of its own.

    Attributes:
        seconds: from the start of the process to its first answer.
        opening: processor time of the same.
        pid: of the process.
    """

    def __init__(self, folder: Path):
        begin = time.perf_counter()
        command = [sys.executable, "-m", "pfn_kg", "view", str(folder)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if match := re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line):
                break
        else:
            raise SystemExit("the server did not start")
        self._connection = http.client.HTTPConnection("127.0.0.1", int(match[1]))
        self._headers = {"Authorization": f"Bearer {match[2]}"}
        self.get("/api/overview")
        self.seconds = time.perf_counter() - begin
        self.pid = self._child.pid
        self.opening = self.processor()

    def get(self, path: str) -> dict:
        """The answer to a request."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        data = answer.read()
        assert answer.status == 200, (path, answer.status, data)
        return json.loads(data)

    def processor(self) -> float:
        """Seconds of processor time that it has taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends the process."""
        self._child.terminate()
        self._child.wait()


def timed(server: Served, label: str, paths: list[str]) -> None:
    """Prints the times of some requests, each asked twice."""
    seconds = []
    before = server.processor()
    for path in paths * 2:
        begin = time.perf_counter()
        server.get(path)
        seconds.append(time.perf_counter() - begin)
    longest = paths[seconds.index(max(seconds)) % len(paths)]
    processor = (server.processor() - before) / len(seconds)
    print(
        f"{label:<26} {1000 * processor:7.1f} ms  {1000 * median(seconds):7.1f} ms  "
        f"{1000 * max(seconds):7.1f} ms  {longest}",
        flush=True,
    )


def searches(rng: random.Random, folder: Path) -> dict[str, list[str]]:
    """Queries of several kinds, of names that are in the graph."""
    part = pq.read_table(folder / SNAPSHOT / "entities" / part_name(0, parts_of(folder)))
    known = [n for n in part.filter(pc.field("kind") == "entity")["name"].to_pylist() if " " in n]
    chosen = rng.sample(known, min(20, len(known)))
    words = [name.split()[-1] for name in chosen]
    return {
        "whole name": chosen,
        "last word": words,
        "three letters": [word[:3] for word in words],
        "one letter": sorted({word[0] for word in words}),
        "words exchanged": [" ".join(reversed(name.split())) for name in chosen],
        "one typing error": [word[:3] + word[4:] if len(word) > 5 else word for word in words],
        "upper case": [name.upper() for name in chosen],
        "a year": ["1815", "1999", "100"],
        "nothing like it": ["xqzvw", "qqqqqqqqqq"],
    }


def parts_of(folder: Path) -> int:
    """How many files the table of entities has."""
    return len(list((folder / SNAPSHOT / "entities").glob("part-*.parquet")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--relations", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="keep the graph here, and use one that is here")
    parser.add_argument("--keep-index", action="store_true", help="use the index that is there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "graph"
        if not (folder / "manifest.json").exists():
            make_graph(folder, arguments.entities, arguments.relations)
        measure(folder, keep_index=arguments.keep_index)


def measure(folder: Path, *, keep_index: bool = False) -> None:
    """Prints the figures of one graph."""
    if not keep_index:
        shutil.rmtree(folder / ".view", ignore_errors=True)
    size = sum(path.stat().st_size for path in (folder / "builds").rglob("*.parquet"))
    print(f"tables: {size / 2**20:.0f} MiB")
    server = Served(folder)
    (index,) = (folder / ".view").glob("*.duckdb")
    print(
        f"{'opening' if keep_index else 'first opening, with the index'}: {server.seconds:.1f} s "
        f"({server.opening:.1f} s of processor); index "
        f"{index.stat().st_size / 2**20:.0f} MiB; most memory {peak(server):.0f} MiB"
    )
    server.stop()
    server = Served(folder)
    print(f"opening again: {server.seconds:.2f} s ({server.opening:.2f} s of processor)")
    try:
        print(f"{'request':<26} {'processor':>10}  {'median':>10}  {'longest':>10}")
        rng = random.Random(0)
        found: list[str] = []
        for label, queries in searches(rng, folder).items():
            timed(server, f"search, {label}", [f"/api/search?q={quote(q)}" for q in queries])
            for query in queries[:3]:
                found += [row["id"] for row in server.get(f"/api/search?q={quote(query)}")["rows"]]
        entities = rng.sample(found, min(10, len(found)))
        big = [row["entity_id"] for row in server.get("/api/overview")["biggest"][:3]]
        for label, chosen in (("entity", entities), ("biggest entities", big)):
            timed(server, label, [f"/api/entities/{id_}" for id_ in chosen])
            timed(server, f"{label}, graph", [f"/api/neighbourhood/{id_}" for id_ in chosen])
            dated = "?min_confidence=0.5&since=2001&until=2003"
            timed(server, f"{label}, by date", [f"/api/neighbourhood/{i}{dated}" for i in chosen])
        facts = [
            row["id"]
            for id_ in entities
            for row in server.get(f"/api/entities/{id_}/facts?direction=out")["rows"][:2]
        ]
        timed(server, "fact", [f"/api/facts/{id_}" for id_ in facts])
        documents = [
            piece["document"]["id"]
            for id_ in facts[:10]
            for piece in server.get(f"/api/facts/{id_}")["evidence"]
        ]
        timed(server, "document", [f"/api/documents/{id_}" for id_ in documents])
        print(f"most memory: {peak(server):.0f} MiB")
    finally:
        server.stop()


def peak(server: Served) -> float:
    """The most memory that a server has had, in MiB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main()
