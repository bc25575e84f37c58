"""One snapshot with its index, as SQL reads them; nothing of either is loaded whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.view.index.build import table_source
from pfn_kg.schemas.errors import ConfigurationError

#: Memory of DuckDB while it answers; a search needs a few MiB of it.
_MEMORY = "384MB"
_THREADS = 2
_TABLES = ("entities", "relations", "triples", "documents", "redirects", "rejected")


class NotInGraphError(LookupError):
    """The graph has nothing of this id. The message names the kind of thing and the id."""


class Store:
    """A snapshot and its index, open for reading.

    Queries may come from several threads: each one gets a cursor of its own.

    Attributes:
        run: the snapshot.
    """

    def __init__(self, run: FinishedRun, index: Path):
        """Opens an index.

        Args:
            run: the snapshot.
            index: from `pfn_kg.pipeline.view.index.place.open_index`.

        Raises:
            ConfigurationError: if a table of the snapshot is not there.
        """
        self.run = run
        self._database = duckdb.connect(
            ":memory:", config={"memory_limit": _MEMORY, "threads": _THREADS}
        )
        path = str(index).replace("'", "''")
        self._database.execute(f"ATTACH '{path}' AS graph_index (READ_ONLY)")
        self._database.execute("SET parquet_metadata_cache = true")
        # It would be written among the lines of the command.
        self._database.execute("SET enable_progress_bar = false")
        for table in _TABLES:
            self._database.execute(
                f"CREATE VIEW {table} AS SELECT * FROM {table_source(run, table)}"
            )
        self._has_sentences = bool(self._sentences_source())
        self._database.execute("SET search_path = 'main,graph_index.main'")

    def _sentences_source(self) -> bool:
        """Makes the view of sentences, if the snapshot has that table."""
        try:
            source = table_source(self.run, "sentences")
        except ConfigurationError:
            return False
        self._database.execute(f"CREATE VIEW sentences AS SELECT * FROM {source}")
        return True

    @property
    def has_sentences(self) -> bool:
        """Whether the graph was built with the table of sentences."""
        return self._has_sentences

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows that a query finds.

        Args:
            query: SQL over the tables of the snapshot and of the index.
            parameters: one for each question mark.
        """
        cursor = self._database.cursor()
        try:
            cursor.execute("SET search_path = 'main,graph_index.main'")
            cursor.execute(query, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def row(self, query: str, parameters: Sequence[Any] = ()) -> dict[str, Any] | None:
        """The first row that a query finds, or None."""
        found = self.rows(query, parameters)
        return found[0] if found else None

    def overview(self) -> dict[str, Any]:
        """The figures of the graph as a whole (`pfn_kg.pipeline.view.index.statistics`)."""
        (row,) = self.rows("SELECT json FROM overview")
        figures: dict[str, Any] = json.loads(row["json"])
        return figures

    def close(self) -> None:
        """Closes the files."""
        self._database.close()
