"""Rows on their way to a join that does not fit into memory: cut into parts on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

# So many rows of one collection are in memory at once, about.
_PART_ROWS = 500_000
_MOST_PARTS = 256


class Spill:
    """Collections of rows, each cut into the same number of parts by a key.

    Rows with equal keys are in parts of the same number, so that two collections are joined part
    by part.

    Args:
        folder: an empty folder on a local disk.
        rows: how many rows the greatest collection has, about.
    """

    def __init__(self, folder: Path, rows: int):
        self._folder = folder
        self.parts = min(max(1, -(-rows // _PART_ROWS)), _MOST_PARTS)

    def write(self, name: str, tables: Iterable[tuple[pa.Table, np.ndarray]]) -> None:
        """Writes a collection.

        Args:
            name: of the collection.
            tables: its rows, and the number of the part of each row.
        """
        writers: dict[int, pa.RecordBatchStreamWriter] = {}
        try:
            for table, part in tables:
                table = table.combine_chunks()
                for number in np.unique(part).tolist():
                    rows = table if self.parts == 1 else table.filter(pa.array(part == number))
                    if number not in writers:
                        path = self._path(name, number)
                        writers[number] = pa.ipc.new_stream(str(path), rows.schema)
                    writers[number].write_table(rows)
        finally:
            for writer in writers.values():
                writer.close()

    def read(self, name: str, number: int, schema: pa.Schema) -> pa.Table:
        """A part of a collection.

        Args:
            name: of the collection.
            number: of the part.
            schema: of an empty part.
        """
        path = self._path(name, number)
        if not path.exists():
            return schema.empty_table()
        with pa.ipc.open_stream(str(path)) as reader:
            return reader.read_all().combine_chunks()

    def _path(self, name: str, number: int) -> Path:
        return self._folder / f"{name}-{number:05d}.arrow"
