"""Rows a second of a load into Neo4j, over those of the best straightforward loader.

The straightforward loader has one session, `UNWIND` of 5,000 maps and one statement a
label or type, over the same constraints and indexes. Both load the same synthetic graph,
whose relationships have skewed end points, by turns into an emptied database; then both
load it again. The whole of `pfn_kg.pipeline.load.load` (reading the tables, Beam, all of it) is
measured beside its sink. The server must be warm before any of it counts, so the first
rounds are thrown away. Needs a server that holds nothing else:

    NEO4J_URI=bolt://localhost:7687 NEO4J_PASSWORD=... python -m benchmarks.neo4j_load
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from neo4j import Driver

from pfn_kg.pipeline.export import export
from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.load import LoadOptions, load
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import Rows
from pfn_kg.sinks.neo4j.bulk_import import Neo4jImportSink
from pfn_kg.sinks.neo4j.connection import Neo4jServer
from pfn_kg.sinks.neo4j.schema import schema_statements
from pfn_kg.sinks.neo4j.sink import Neo4jOptions, Neo4jSink
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.tables.parts import part_name

TYPES, RELATIONS, SHARD_ROWS = 6, 20, 200_000
LABEL_SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": f"type {i}"} for i in range(TYPES)],
        "relations": [{"name": f"relation {i}"} for i in range(RELATIONS)],
    }
)


def synthetic_graph(entities: int, relations: int) -> dict[str, pa.Table]:
    """Entities and relations whose end points are as skewed as names in text are."""
    random = np.random.default_rng(0)
    ids = np.sort(np.array([random.bytes(12).hex() for _ in range(entities)]))

    def ends() -> np.ndarray:
        return ids[(entities * random.random(relations) ** 3).astype(np.int64)]

    names = [f"Entity {i} of the benchmark" for i in range(entities)]
    nodes = {
        "entity_id": ids,
        "kind": ["entity"] * entities,
        "name": names,
        "type": [f"type {i}" for i in random.integers(0, TYPES, entities)],
        "value": pa.nulls(entities, pa.string()),
        "datatype": pa.nulls(entities, pa.string()),
        "iri": [f"https://pfn-kg.example/entity/{i}" for i in ids],
        "same_as": pa.nulls(entities, pa.string()),
        "joined_by": pa.nulls(entities, TABLE_SCHEMAS["entities"].field("joined_by").type),
        "aliases": [[f"E. {i}"] if i % 4 == 0 else [] for i in range(entities)],
        "mentions": random.integers(1, 50, entities),
        "documents": random.integers(1, 20, entities),
    }
    edges = {
        "relation_id": np.sort(np.array([random.bytes(12).hex() for _ in range(relations)])),
        "subject_id": ends(),
        "predicate": [f"relation {i}" for i in random.integers(0, RELATIONS, relations)],
        "object_id": ends(),
        "confidence": random.random(relations).astype(np.float32),
        "evidence_count": random.integers(1, 9, relations),
        "document_count": random.integers(1, 9, relations),
        "evidence": [[random.bytes(12).hex()] for _ in range(relations)],
    }
    return {
        "entities": pa.table(nodes, TABLE_SCHEMAS["entities"]),
        "relations": pa.table(edges, TABLE_SCHEMAS["relations"]),
    }


def write_run(folder: Path, tables: dict[str, pa.Table]) -> FinishedRun:
    """The tables as the output folder of a finished run."""
    for name, table in tables.items():
        of = max(1, -(-len(table) // SHARD_ROWS))
        # By ranges of ids, as a build cuts them.
        shard = [int(i[:8], 16) * of >> 32 for i in table.column(0).to_pylist()]
        (folder / name).mkdir(parents=True)
        for number in range(of):
            rows = table.filter(pa.array([s == number for s in shard]))
            (folder / name / part_name(number, of)).write_bytes(parquet_bytes(rows))
    (folder / "graph_schema.yaml").write_text(LABEL_SCHEMA.to_yaml())
    manifest = {"state": "done", "run_id": "benchmark", "build": {"options": {}}, "chunks": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return read_finished(str(folder))


def straightforward(driver: Driver, tables: dict[str, pa.Table], batch: int = 5_000) -> dict:
    """One session, maps, one statement a label or type; gives seconds by table."""
    constants = {"graph": "default", "version": "v"}
    taken = {}
    with driver.session() as session:
        begin = time.perf_counter()
        rows = tables["entities"].to_pylist()
        for i in range(TYPES):
            of_type = [row for row in rows if row["type"] == f"type {i}"]
            statement = (
                "UNWIND $rows AS row MERGE (n:Entity {graph: $graph, id: row.entity_id}) "
                f"SET n:Type{i}, n.name = row.name, n.aliases = row.aliases, "
                "n.mentions = row.mentions, n.documents = row.documents, n.version = $version"
            )
            for at in range(0, len(of_type), batch):
                parameters = constants | {"rows": of_type[at : at + batch]}
                session.execute_write(lambda tx, s=statement, p=parameters: tx.run(s, p).consume())
        taken["entities"] = time.perf_counter() - begin
        begin = time.perf_counter()
        rows = tables["relations"].to_pylist()
        for i in range(RELATIONS):
            of_type = [row for row in rows if row["predicate"] == f"relation {i}"]
            statement = (
                "UNWIND $rows AS row "
                "MATCH (a:Entity {graph: $graph, id: row.subject_id}) "
                "MATCH (b:Entity {graph: $graph, id: row.object_id}) "
                f"MERGE (a)-[r:RELATION_{i} {{id: row.relation_id}}]->(b) "
                "SET r.predicate = row.predicate, r.confidence = row.confidence, "
                "r.evidence_count = row.evidence_count, r.document_count = row.document_count, "
                "r.evidence = row.evidence, r.graph = $graph, r.version = $version"
            )
            for at in range(0, len(of_type), batch):
                parameters = constants | {"rows": of_type[at : at + batch]}
                session.execute_write(lambda tx, s=statement, p=parameters: tx.run(s, p).consume())
        taken["relations"] = time.perf_counter() - begin
    return taken


def by_sink(server: Neo4jServer, tables: dict[str, pa.Table]) -> dict:
    """The sink alone, over tables in memory; gives seconds by table."""
    sink = Neo4jSink(LABEL_SCHEMA, server, Neo4jOptions("default", "run.v"))
    kinds = pa.array(["entity"] * len(tables["relations"]), pa.string())
    relations = tables["relations"]
    for name in ("subject_kind", "object_kind"):
        relations = relations.append_column(name, kinds)
    sink.open()
    taken = {}
    for name, rows in (("entities", tables["entities"]), ("relations", relations)):
        begin = time.perf_counter()
        written = sink.write(Rows(name, 0, 1, rows))
        taken[name] = time.perf_counter() - begin
        assert written.counts[f"neo4j_{name}"] == len(rows), written.rejected[:1]
    sink.close()
    return taken


class Retries(logging.Handler):
    """Counts what the driver tries again."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        logging.getLogger("neo4j").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "retried" in record.getMessage()


def timed(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--relationships", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    args = parser.parse_args()
    server = Neo4jServer(
        uri=os.environ["NEO4J_URI"], username="neo4j", password="env:NEO4J_PASSWORD"
    )
    tables = synthetic_graph(args.nodes, args.relationships)
    sizes = {name: len(table) for name, table in tables.items()}
    taken: dict[str, list[float]] = {}
    retries = Retries()

    def note(name: str, seconds: float) -> None:
        taken.setdefault(name, []).append(seconds)

    with tempfile.TemporaryDirectory() as folder, server.connect() as driver:
        run = write_run(Path(folder) / "run", tables)

        def empty() -> None:
            with driver.session() as session:
                for what in ("MATCH ()-[x]->()", "MATCH (x)"):
                    statement = f"{what} CALL (x) {{ DELETE x }} IN TRANSACTIONS OF 20000 ROWS"
                    session.run(statement).consume()

        with driver.session() as session:
            for statement in schema_statements():
                session.run(statement).consume()
        for number in range(-args.warm_up, args.rounds):
            for loader in ("straightforward", "sink", "load"):
                empty()
                for again in ("", " again"):
                    if loader == "load":
                        found = {"all": timed(lambda: load(run, LoadOptions(server=server)))}
                    elif loader == "sink":
                        found = by_sink(server, tables)
                    else:
                        found = straightforward(driver, tables)
                    if number >= 0:
                        for name, seconds in found.items():
                            note(f"{loader}{again} {name}", seconds)
                        if "all" not in found:
                            note(f"{loader}{again} all", sum(found.values()))
            print(f"round {number}", {k: round(v[-1], 2) for k, v in taken.items()}, flush=True)
        empty()
        for number in range(args.rounds):
            sink = Neo4jImportSink(LABEL_SCHEMA, graph="default", version="benchmark.v")
            target = str(Path(folder) / f"import-{number}")
            note("neo4j-import files", timed(lambda s=sink, t=target: export(run, s, t)))
    print(f"retries: {retries.count} in {6 * (args.warm_up + args.rounds)} loads")
    rows = sizes | {"all": sum(sizes.values()), "files": sum(sizes.values())}
    rates = {
        name: rows[name.rpartition(" ")[2]] / statistics.median(found)
        for name, found in taken.items()
    }
    for name, rate in rates.items():
        print(f"{name}: {rate:,.0f} rows/s")
    for title, a, b in (
        ("nodes, over the straightforward loader", "sink entities", "straightforward entities"),
        ("relationships", "sink relations", "straightforward relations"),
        ("second load, over the first", "sink again all", "sink all"),
        ("the whole load, over its sink", "load all", "sink all"),
    ):
        # Round by round: what slows the machine down for a while slows both down.
        found = [
            (rows[a.rpartition(" ")[2]] / x) / (rows[b.rpartition(" ")[2]] / y)
            for x, y in zip(taken[a], taken[b], strict=True)
        ]
        each = ", ".join(f"{ratio:.2f}" for ratio in found)
        print(f"ratio, {title}: {statistics.median(found):.2f} ({each})")


if __name__ == "__main__":
    main()
