"""`ReadGraph`: the tables of a finished graph as a Beam transform for any pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import Any

import apache_beam as beam

from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.tables.parts import TablePart, read_part

# So many rows are dictionaries at once.
_BATCH_ROWS = 1_000


class ReadGraph(beam.PTransform):
    """Reads a table of a finished graph, one dictionary a row.

    The transform is the root of a pipeline. It lists the files of the table when it is made;
    workers read them in parallel.

    Args:
        directory: the output folder of a finished run, on any file system that Beam knows.
        table: `documents`, `sentences` (where the build wrote it), `mentions`, `triples`,
            `entities`, `relations`, `redirects` or `rejected`.
        columns: the columns to read; all by default.

    Returns:
        A collection of dictionaries from column to value, in any order.

    Raises:
        ConfigurationError: if there is no finished graph, no such table or no such column.

    Example:
        >>> pipeline | ReadGraph("runs/example", "relations")  # doctest: +SKIP
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        table: str,
        columns: Sequence[str] | None = None,
    ):
        super().__init__()
        if table not in TABLE_SCHEMAS:
            raise ConfigurationError(
                f"{table!r} is no table of a graph; tables are {', '.join(TABLE_SCHEMAS)}"
            )
        run = read_finished(fspath(directory))
        names = run.schema_of(table).names
        self._columns = names if columns is None else list(columns)
        for column in self._columns:
            if column not in names:
                raise ConfigurationError(
                    f"{table}: no column {column!r}; columns are {', '.join(names)}"
                )
        self._parts = run.parts([table])

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        return (
            root
            | "Files" >> beam.Create(self._parts, reshuffle=True)
            | "Rows" >> beam.FlatMap(_rows, self._columns).with_output_types(dict[str, Any])
        )


def _rows(part: TablePart, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in read_part(part, columns).to_batches(max_chunksize=_BATCH_ROWS):
        yield from batch.to_pylist()
