"""The node in the database that says which load it holds whole.

```text
(:PfnKgLoad {name, loading, base, complete, nodes, relationships})
```

`name` is that of the graph. `loading` is the token of a load that has begun and not ended, `base`
that of the load which it builds on, `complete` that of the load which the database holds. `nodes`
and `relationships` are the counts after it: where they are others now, somebody changed the
database, and `complete` means nothing.
"""

from __future__ import annotations

from typing import Any

from neo4j import Session

from pfn_kg.sinks.neo4j.connection import Neo4jServer, Neo4jUnavailableError
from pfn_kg.sinks.neo4j.schema import NODE_LABELS

_READ = "MATCH (m:PfnKgLoad {name: $graph}) RETURN properties(m) AS marker LIMIT 1"
_FORGET = "MATCH (m:PfnKgLoad {name: $graph}) DELETE m"
_BEGIN = (
    "MERGE (m:PfnKgLoad {name: $graph}) SET m.loading = $token, m.base = $base, m.complete = null"
)
_END = (
    "MATCH (m:PfnKgLoad {name: $graph}) WHERE $token IN [m.loading, m.complete] "
    "SET m.loading = null, m.complete = $token, m += $counts"
)
_COUNT_NODES = "MATCH (n:{label} {{graph: $graph}}) RETURN count(n) AS rows"
_COUNT_RELATIONSHIPS = (
    "MATCH (:{label} {{graph: $graph}})-[r]->() WHERE r.graph = $graph RETURN count(r) AS rows"
)


class LoadMarker:
    """The node of one graph.

    Args:
        server: where the graph is.
        session: of that server.
        graph: its name.
    """

    def __init__(self, server: Neo4jServer, session: Session, graph: str):
        self._server = server
        self._session = session
        self._graph = graph

    def forget(self) -> None:
        """Takes the node away: what the graph holds is not known from now on."""
        self._execute(_FORGET)

    def find_base(self, token: str, before: str | None) -> str | None:
        """The load that a load may build on.

        Args:
            token: of the load, which may have begun already.
            before: of the load whose rows are known.

        Returns:
            `before` if the database holds that load and nothing else; None if all rows must be
            sent.
        """
        marker = self._read()
        if marker.get("loading") == token:
            return marker.get("base")
        if before is None or marker.get("complete") != before:
            return None
        return before if self._counts().items() <= marker.items() else None

    def begin(self, token: str, base: str | None) -> None:
        """Says that a load has begun and what it builds on. The same load may say so twice."""
        self._execute(_BEGIN, token=token, base=base)

    def base_of(self, token: str) -> str | None:
        """What a load said that it builds on.

        Raises:
            Neo4jUnavailableError: if another load of the graph has begun since. Both may have
                left rows out for the sake of a state that is no longer there.
        """
        marker = self._read()
        if token not in (marker.get("loading"), marker.get("complete")):
            raise Neo4jUnavailableError(
                f"{self._server.uri}: another load of the graph {self._graph!r} has begun; load "
                "again when it has ended"
            )
        return marker.get("base")

    def end(self, token: str) -> None:
        """Says that a load is complete, unless another one has begun since."""
        self._execute(_END, token=token, counts=self._counts())

    def _read(self) -> dict[str, Any]:
        rows = self._execute(_READ)
        return rows[0]["marker"] if rows else {}

    def _counts(self) -> dict[str, int]:
        return {
            name: sum(self._execute(query.format(label=label))[0]["rows"] for label in NODE_LABELS)
            for name, query in (("nodes", _COUNT_NODES), ("relationships", _COUNT_RELATIONSHIPS))
        }

    def _execute(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        return self._server.execute(self._session, statement, graph=self._graph, **parameters)
