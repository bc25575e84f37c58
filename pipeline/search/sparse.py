"""Rows of a sparse matrix: begins of the rows, columns and values, as NumPy arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """A sparse matrix by rows.

    Attributes:
        begins: where each row begins in the others, and where the last one ends: [rows + 1].
        columns: [values], ascending in each row.
        values: [values].
    """

    begins: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def row(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The columns and values of one row."""
        place = slice(self.begins[number], self.begins[number + 1])
        return self.columns[place], self.values[place]


def rows_of(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, count: int) -> Rows:
    """A sparse matrix of its cells; the values of a cell that is given twice are added.

    Args:
        rows: of each cell.
        columns: of each cell.
        values: of each cell.
        count: how many rows there are.
    """
    # Sorted by value too, so that the sum does not depend on the order of the cells.
    order = np.lexsort((values, columns, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    place = np.flatnonzero(first)
    summed = np.add.reduceat(values, place) if len(place) else values
    begins = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(rows[place], minlength=count), out=begins[1:])
    return Rows(begins, columns[place].astype(np.int32), summed.astype(np.float32))
