"""The Cypher statements that merge rows into a graph.

`$rows` is a list of lists, since maps would repeat the names of the columns in every row.
All properties are set each time: the server itself does not write equal values.
"""

from __future__ import annotations

import json
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
        target: the label of nodes, or what `_Target` says of relationships as JSON.
        ids: positions of the columns that, with the target, tell a row from all others: the id
            of a node or of the start, that of the end, and the key; None where there is none.
        missing: for relationships a statement that gives the positions of the rows of
            which an end is not there; None for nodes.
        json_column: position of the column whose texts are maps as JSON.
    """

    statement: str
    rows: pa.Table
    target: str
    ids: tuple[int, int | None, int | None]
    missing: str | None = None
    json_column: int | None = None

    def identity(self, row: Sequence[Any]) -> tuple[str, str, str, str]:
        """The target and the ids of a row."""
        start, end, key = ("" if place is None else str(row[place]) for place in self.ids)
        return self.target, start, end, key

    def lists(self, begin: int, length: int) -> list[Sequence[Any]]:
        """Some of the rows as the driver takes them."""
        columns = [column.to_pylist() for column in self.rows.slice(begin, length).columns]
        if self.json_column is not None:
            columns[self.json_column] = [orjson.loads(text) for text in columns[self.json_column]]
        return list(zip(*columns, strict=True))


class _Target(NamedTuple):
    """What relationships are found by, besides ids: labels of their ends, type and key."""

    start: str
    type_: str
    end: str
    key: str | None


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
    ids = (rows.column_names.index("id"), None, None)
    return Merge(statement, rows, label, ids, json_column=json_column)


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
    target = json.dumps(_Target(ends[0], type_, ends[1], key))
    return Merge(
        statement, rows, target, (0, 1, None if key is None else names.index(key)), missing
    )


def is_relationship(target: str) -> bool:
    """Whether the target of a `Merge` is one of relationships."""
    return target.startswith("[")


def delete_rows(target: str) -> str:
    """Deletes nodes or relationships by their ids; a node stays while a relationship hangs on it.

    Args:
        target: as that of the `Merge` that wrote them.

    Returns:
        A statement with the parameters `rows`, lists of start, end and key, and `graph`; it gives
        the number of those that are deleted.
    """
    if not is_relationship(target):
        return (
            f"UNWIND $rows AS row MATCH (x:{quoted(target)} {{graph: $graph, id: row[0]}}) "
            "WHERE NOT (x)--() DELETE x RETURN count(*) AS rows"
        )
    start, type_, end, key = _Target(*json.loads(target))
    own = "" if key is None else f" {{{quoted(key)}: row[2]}}"
    return (
        f"UNWIND $rows AS row MATCH (a:{quoted(start)} {{graph: $graph, id: row[0]}})"
        f"-[x:{quoted(type_)}{own}]->(b:{quoted(end)} {{graph: $graph, id: row[1]}}) "
        "WHERE x.graph = $graph DELETE x RETURN count(*) AS rows"
    )


def find_nodes(label: str) -> str:
    """Gives the ids of those nodes of `$rows`, lists that begin with an id, that are there."""
    return (
        f"UNWIND $rows AS row MATCH (x:{quoted(label)} {{graph: $graph, id: row[0]}}) "
        "RETURN x.id AS id"
    )


def _unset(names: Sequence[str]) -> list[str]:
    return [f"x.{quoted(name)} = null" for name in names]
