"""The Cypher statements that merge rows into a graph.

`$rows` is a list of lists, since maps would repeat the names of the columns in every row.
All properties are set each time: the server itself does not write equal values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from pfn_kg.sinks.neo4j.schema import quoted


class Merge(NamedTuple):
    """Rows that one statement merges.

    Attributes:
        statement: with the parameters `rows`, `graph` and `version`.
        rows: their columns in the order in which the statement counts them.
        missing: for relationships a statement that gives the positions of the rows of
            which an end is not there; None for nodes.
        json_column: position of the column whose texts are maps as JSON.
    """

    statement: str
    rows: pa.Table
    missing: str | None = None
    json_column: int | None = None

    def lists(self, begin: int, length: int) -> list[Sequence[Any]]:
        """Some of the rows as the driver takes them."""
        columns = [column.to_pylist() for column in self.rows.slice(begin, length).columns]
        if self.json_column is not None:
            columns[self.json_column] = [orjson.loads(text) for text in columns[self.json_column]]
        return list(zip(*columns, strict=True))


def merge_nodes(
    label: str,
    rows: pa.Table,
    *,
    more_labels: Sequence[str] = (),
    map_column: str | None = None,
    unset: Sequence[str] = (),
) -> Merge:
    """Merges nodes on (graph, id).

    Args:
        label: what they are found by.
        rows: columns are properties, of which the first is `id`.
        more_labels: other labels, each a name of letters, digits and underscores.
        map_column: a column of maps as JSON, whose items become properties instead.
        unset: properties that the nodes shall not have.
    """
    assignments = ["x.version = $version", *(f"x:{quoted(name)}" for name in more_labels)]
    assignments += _unset(unset)
    for position, name in enumerate(rows.column_names):
        if name == map_column:
            assignments.append(f"x += row[{position}]")
        elif name != "id":
            assignments.append(f"x.{quoted(name)} = row[{position}]")
    statement = (
        f"UNWIND $rows AS row MERGE (x:{quoted(label)} {{graph: $graph, id: row[0]}}) "
        f"SET {', '.join(assignments)}"
    )
    json_column = None if map_column is None else rows.column_names.index(map_column)
    return Merge(statement, rows, json_column=json_column)


def merge_relationships(
    type_: str,
    rows: pa.Table,
    *,
    ends: tuple[str, str],
    key: str | None = None,
    unset: Sequence[str] = (),
) -> Merge:
    """Merges relationships between nodes that are there.

    Args:
        type_: their type.
        rows: ids of start and end, then properties.
        ends: labels that start and end are found by.
        key: the property that tells several between two nodes apart; without, there is
            one of the graph at most.
        unset: properties that they shall not have.
    """
    names = rows.column_names
    matches = " ".join(
        f"MATCH ({end}:{quoted(label)} {{graph: $graph, id: row[{position}]}})"
        for position, (end, label) in enumerate(zip("ab", ends, strict=True))
    )
    own = "graph: $graph" if key is None else f"{quoted(key)}: row[{names.index(key)}]"
    assignments = ["x.graph = $graph", "x.version = $version"] + [
        f"x.{quoted(name)} = row[{position}]"
        for position, name in enumerate(names)
        if position > 1 and name != key
    ]
    assignments += _unset(unset)
    statement = (
        f"UNWIND $rows AS row {matches} MERGE (a)-[x:{quoted(type_)} {{{own}}}]->(b) "
        f"SET {', '.join(assignments)} RETURN count(*) AS rows"
    )
    missing = (
        "UNWIND range(0, size($rows) - 1) AS position WITH position, $rows[position] AS row "
        + matches.replace("MATCH", "OPTIONAL MATCH")
        + " WITH position, a, b WHERE a IS NULL OR b IS NULL RETURN position"
    )
    return Merge(statement, rows, missing)


def _unset(names: Sequence[str]) -> list[str]:
    return [f"x.{quoted(name)} = null" for name in names]
