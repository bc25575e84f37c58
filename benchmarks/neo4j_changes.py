"""Processor time of a load into Neo4j after a small change, over that of a whole load.

Both are loads of the synthetic graph of `benchmarks.neo4j_load`. Before each load a share of its
relations gets another confidence; `--replace` makes a load a whole one. The processor time of the
server is counted if its process is named. Needs a server that holds nothing else:

    NEO4J_URI=bolt://localhost:7687 NEO4J_PASSWORD=... \\
        python -m benchmarks.neo4j_changes --server-pid PID
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.neo4j_load import synthetic_graph, write_run
from pfn_kg.pipeline.load import LoadOptions, load
from pfn_kg.sinks.neo4j.connection import Neo4jServer


def server_seconds(pid: int | None) -> float:
    """Processor time of a process until now; none without one."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def changed(tables: dict[str, pa.Table], share: float, seed: int) -> dict[str, pa.Table]:
    """The tables, of which a share of the relations has another confidence."""
    random = np.random.default_rng(seed)
    relations = tables["relations"]
    confidence = relations["confidence"].to_numpy().copy()
    chosen = random.random(len(confidence)) < share
    confidence[chosen] = random.random(int(chosen.sum()))
    place = relations.schema.get_field_index("confidence")
    column = pa.array(confidence, pa.float32())
    return tables | {"relations": relations.set_column(place, "confidence", column)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--relationships", type=int, default=200_000)
    parser.add_argument("--share", type=float, default=0.001)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server-pid", type=int)
    args = parser.parse_args()
    server = Neo4jServer(
        uri=os.environ["NEO4J_URI"], username="neo4j", password="env:NEO4J_PASSWORD"
    )
    tables = synthetic_graph(args.nodes, args.relationships)
    ratios = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"

        def take(number: int, *, replace: bool) -> tuple[float, float, int]:
            nonlocal tables
            tables = changed(tables, args.share, number)
            for name in ("entities", "relations"):
                shutil.rmtree(folder / name, ignore_errors=True)
            run = write_run(folder, tables)
            begin = time.process_time(), server_seconds(args.server_pid)
            counts = load(run, LoadOptions(server=server, replace=replace))
            end = time.process_time(), server_seconds(args.server_pid)
            return end[0] - begin[0], end[1] - begin[1], counts["neo4j_sent_rows"]

        take(0, replace=True)
        for number in range(1, args.rounds + 1):
            whole = take(2 * number, replace=True)
            small = take(2 * number + 1, replace=False)
            ratios.append((small[0] + small[1]) / (whole[0] + whole[1]))
            found = {"whole": whole, "changes": small}
            print(f"round {number} (client s, server s, rows sent):", json.dumps(found), flush=True)
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"ratio, processor time after a change: {statistics.median(ratios):.3f} ({each})")


if __name__ == "__main__":
    main()
