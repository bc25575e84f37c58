"""Deletes what a graph no longer has: all that is of an older version, or rows by their ids.

A node stays while a relationship of others hangs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from neo4j import Session

from pfn_kg.sinks.neo4j.connection import BatchTooLargeError, Neo4jServer
from pfn_kg.sinks.neo4j.schema import NODE_LABELS
from pfn_kg.sinks.neo4j.statements import delete_rows, find_nodes, is_relationship

# Rows in one transaction that deletes; fewer where the server's memory does not hold them.
_DELETED_ROWS = (10_000, 1_000, 100, 1)

# In one pass with transactions of its own: a `LIMIT` would begin again each time.
_DELETE_RELATIONSHIPS = (
    "MATCH (:{label} {{graph: $graph}})-[r]->() "
    "WHERE r.graph = $graph AND r.version <> $version "
    "CALL (r) {{ DELETE r }} IN TRANSACTIONS OF {rows} ROWS RETURN count(*) AS rows"
)
# Ours have no relationships any more; where another's hangs on a node, it stays.
_DELETE_NODES = (
    "MATCH (n:{label} {{graph: $graph}}) WHERE n.version <> $version AND NOT (n)--() "
    "CALL (n) {{ DELETE n }} IN TRANSACTIONS OF {rows} ROWS RETURN count(*) AS rows"
)
_FIND_STALE = "MATCH (n:{label} {{graph: $graph}}) WHERE n.version <> $version RETURN n.id AS id"


class Deleted(NamedTuple):
    """What was deleted.

    Attributes:
        relationships: how many.
        nodes: how many.
        kept: by label, the ids of nodes that stay since relationships of others hang on them.
    """

    relationships: int
    nodes: int
    kept: dict[str, list[str]]

    @property
    def counts(self) -> dict[str, int]:
        """By the names that a load counts under."""
        return {
            "neo4j_deleted_relationships": self.relationships,
            "neo4j_deleted_nodes": self.nodes,
            "neo4j_kept_for_others": sum(map(len, self.kept.values())),
        }


def delete_older(server: Neo4jServer, session: Session, *, graph: str, version: str) -> Deleted:
    """Deletes what was written by a load of another version.

    Raises:
        Neo4jUnavailableError: if the server is away for good or refuses the work.
    """

    def run(statement: str, label: str, rows: int = 1) -> list[dict[str, Any]]:
        text = statement.format(label=label, rows=rows)
        return server.execute(session, text, graph=graph, version=version)

    def delete(statement: str, label: str) -> int:
        return _in_smaller_steps(lambda rows: run(statement, label, rows)[0]["rows"])

    def count(statement: str) -> int:
        return sum(delete(statement, label) for label in NODE_LABELS)

    relationships, nodes = count(_DELETE_RELATIONSHIPS), count(_DELETE_NODES)
    found = {label: run(_FIND_STALE, label) for label in NODE_LABELS}
    return Deleted(
        relationships, nodes, {label: [r["id"] for r in rows] for label, rows in found.items()}
    )


def delete_gone(
    server: Neo4jServer,
    session: Session,
    *,
    graph: str,
    gone: Callable[[], Iterator[pa.Table]],
) -> Deleted:
    """Deletes rows by their ids.

    Args:
        server: where the graph is.
        session: of that server.
        graph: its name.
        gone: gives the rows, as in `pfn_kg.sinks.neo4j.told.Told.gone`; called twice, since nodes
            go after all relationships and the rows need not fit into memory together.

    Raises:
        Neo4jUnavailableError: if the server is away for good or refuses the work.
    """

    def delete(target: str, rows: Sequence[list[str]]) -> int:
        statement = delete_rows(target)

        def in_steps(size: int) -> int:
            return sum(
                server.write(
                    session, statement, {"graph": graph, "rows": rows[begin : begin + size]}
                )[0]["rows"]
                for begin in range(0, len(rows), size)
            )

        return _in_smaller_steps(in_steps)

    relationships, nodes = 0, 0
    kept: dict[str, list[str]] = {}
    for target, rows in _by_target(gone()):
        if is_relationship(target):
            relationships += delete(target, rows)
    for target, rows in _by_target(gone()):
        if not is_relationship(target):
            nodes += delete(target, rows)
            found = server.execute(session, find_nodes(target), graph=graph, rows=rows)
            kept.setdefault(target, []).extend(row["id"] for row in found)
    return Deleted(relationships, nodes, kept)


def _by_target(tables: Iterable[pa.Table]) -> Iterator[tuple[str, list[list[str]]]]:
    for table in tables:
        for target in pc.unique(table["target"]).to_pylist():
            of_it = table.filter(pc.equal(table["target"], target))
            columns = [of_it[name].to_pylist() for name in ("start", "end", "key")]
            yield target, [list(row) for row in zip(*columns, strict=True)]


def _in_smaller_steps(work: Callable[[int], int]) -> int:
    """Does work by so many rows at a time, or fewer where that does not fit."""
    for rows in _DELETED_ROWS:
        try:
            return work(rows)
        except BatchTooLargeError:
            if rows == _DELETED_ROWS[-1]:
                raise
    raise AssertionError("no size was tried")
