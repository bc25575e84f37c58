"""Merges rows into Neo4j in batches, and prepares the next batch while the server works.

A batch that the server refuses is halved until the faulty rows are alone; they are
collected with the server's message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np
import orjson
import pyarrow as pa
from neo4j import Driver, Session
from neo4j.exceptions import Neo4jError

from pfn_kg.sinks.interface import RejectedRow
from pfn_kg.sinks.neo4j.connection import BatchTooLargeError, Neo4jServer, Neo4jUnavailableError
from pfn_kg.sinks.neo4j.refused import Refused, RefusedRows
from pfn_kg.sinks.neo4j.statements import Merge

# If every row of so many is refused by itself, it is not the rows.
_TOO_MANY = 100

_Item = TypeVar("_Item")


class _Batch(NamedTuple):
    merge: Merge
    rows: list[Sequence[Any]]


class Neo4jWriter:
    """Merges rows over a connection.

    Args:
        driver: the connection.
        server: what it leads to.
        graph: name of the graph.
        version: of what is written.
        batch_rows: rows in one transaction.
        writers: how many transactions may run side by side.

    Attributes:
        sent_rows: rows that were sent, of which some may be refused.
        statements: that were sent, also in vain.
    """

    def __init__(
        self,
        driver: Driver,
        server: Neo4jServer,
        *,
        graph: str,
        version: str,
        batch_rows: int,
        writers: int = 1,
    ):
        self._driver = driver
        self._server = server
        self._constants = {"graph": graph, "version": version}
        self._batch_rows = batch_rows
        self._writers = writers
        self._lock = Lock()
        self.sent_rows = 0
        self.statements = 0

    def merge(self, merges: Iterable[Merge], refused: RefusedRows) -> None:
        """Merges all rows.

        Args:
            merges: the rows, with what merges them.
            refused: gets those that were refused.

        Raises:
            Neo4jUnavailableError: if the server is away for good, or refuses whatever it gets.
        """
        if self._writers == 1:
            self._write_in_turn(self._batches(merges), refused)
            return
        for round_ in _rounds(merges, 2 * self._writers):
            with ThreadPoolExecutor(self._writers) as pool:
                tasks = [
                    pool.submit(self._write_in_turn, self._batches(cell), refused)
                    for cell in round_
                ]
                for task in tasks:
                    task.result()

    def _batches(self, merges: Iterable[Merge]) -> Iterator[_Batch]:
        for merge in merges:
            for begin in range(0, len(merge.rows), self._batch_rows):
                yield _Batch(merge, merge.lists(begin, self._batch_rows))

    def _write_in_turn(self, batches: Iterable[_Batch], refused: RefusedRows) -> None:
        with self._driver.session(database=self._server.database) as session:
            for batch in _ahead(batches):
                refused.extend(self._write(session, batch))

    def _write(self, session: Session, batch: _Batch) -> list[Refused]:
        with self._lock:
            self.sent_rows += len(batch.rows)
        refused = self._write_or_cut(session, batch)
        if len(refused) == len(batch.rows) >= _TOO_MANY:
            raise Neo4jUnavailableError(
                f"{self._server.uri}: every row is refused: {refused[0].row.error}"
            )
        return refused

    def _write_or_cut(self, session: Session, batch: _Batch) -> list[Refused]:
        merge, rows = batch
        try:
            done = self._run(session, merge.statement, rows)
        except (Neo4jError, BatchTooLargeError) as error:
            if len(rows) == 1:
                said = str(error) if isinstance(error, BatchTooLargeError) else error.message
                return [_rejected(merge, rows[0], str(said))]
            half = len(rows) // 2
            parts = (_Batch(merge, rows[:half]), _Batch(merge, rows[half:]))
            return [row for part in parts for row in self._write_or_cut(session, part)]
        if merge.missing is None or done[0]["rows"] == len(rows):
            return []
        missing = self._run(session, merge.missing, rows)
        return [
            _rejected(merge, rows[row["position"]], "a node at one of its ends is not there")
            for row in missing
        ]

    def _run(
        self, session: Session, statement: str, rows: list[Sequence[Any]]
    ) -> list[dict[str, Any]]:
        with self._lock:
            self.statements += 1
        return self._server.write(session, statement, {"rows": rows, **self._constants})


def _rejected(merge: Merge, row: Sequence[Any], error: str) -> Refused:
    payload = dict(zip(merge.rows.column_names, row, strict=True))
    kept = RejectedRow(" ".join(error.split()), orjson.dumps(payload).decode())
    return Refused(kept, merge.identity(row))


def _ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """The items, the next of which is made while one is in use."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, iterator, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, iterator, None)
            yield item


def _rounds(merges: Iterable[Merge], groups: int) -> Iterator[list[list[Merge]]]:
    """What may be written side by side, round by round: lists of which no two share a node.

    Nodes fall into groups by their ids. Relationships between the groups i and j, whatever
    the direction, make a cell; the cells of which i + j leaves the same rest share no group.
    """
    nodes: list[list[Merge]] = [[] for _ in range(groups)]
    cells: dict[tuple[int, int], list[Merge]] = {}
    for merge in merges:
        start = _group(merge.rows.column(0), groups)
        if merge.missing is None:
            for group, rows in _split(merge.rows, start):
                nodes[group].append(merge._replace(rows=rows))
            continue
        end = _group(merge.rows.column(1), groups)
        low, high = np.minimum(start, end), np.maximum(start, end)
        for cell, rows in _split(merge.rows, low * groups + high):
            cells.setdefault(divmod(cell, groups), []).append(merge._replace(rows=rows))
    if any(nodes):
        yield [batch for batch in nodes if batch]
    for rest in range(groups):
        round_ = [cells[cell] for cell in sorted(cells) if sum(cell) % groups == rest]
        if round_:
            yield round_


def _group(ids: pa.ChunkedArray, groups: int) -> np.ndarray:
    # Ids of documents and sentences are anything, so the hash is of the text.
    distinct = ids.combine_chunks().dictionary_encode()
    hashes = [
        int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "little") % groups
        for name in distinct.dictionary.to_pylist()
    ]
    return np.array(hashes, dtype=np.int64)[distinct.indices.to_numpy()]


def _split(rows: pa.Table, keys: np.ndarray) -> Iterator[tuple[int, pa.Table]]:
    for key in np.unique(keys).tolist():
        yield key, rows.filter(pa.array(keys == key))
