"""The files of a finished graph's tables, as elements of a pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.tables import table_schema
from pfn_kg.transforms.plumbing.files import join, list_folder, open_raw

_NAME = re.compile(r"part-(\d{5,})-of-(\d{5,})\.parquet")


class TablePart(NamedTuple):
    """One file of a table.

    Attributes:
        table: its name.
        number: which of the table's files this is, from 0.
        of: how many files the table has.
        path: on any file system that Beam knows.
    """

    table: str
    number: int
    of: int
    path: str


def part_name(number: int, of: int) -> str:
    """The name of a file of a table."""
    return f"part-{number:05d}-of-{of:05d}.parquet"


def find_parts(directory: str, tables: Iterable[str]) -> list[TablePart]:
    """The files of some tables of a finished graph, in their order.

    Raises:
        ConfigurationError: if a table or one of its files is not there.
    """
    parts = []
    for table in tables:
        folder = join(directory, table)
        try:
            metadata = list_folder(folder, "part-*.parquet")
        except BeamIOError as error:
            raise ConfigurationError(f"{folder}: {error}") from None
        by_number = {}
        for path in (m.path for m in metadata):
            if match := _NAME.fullmatch(FileSystems.split(path)[1]):
                by_number[int(match[1])] = TablePart(table, int(match[1]), int(match[2]), path)
        if not by_number:
            raise ConfigurationError(f"{folder}: no such table there")
        of = max(part.of for part in by_number.values())
        for number in range(of):
            if number not in by_number or by_number[number].of != of:
                raise ConfigurationError(f"{join(folder, part_name(number, of))}: missing")
        parts += [by_number[number] for number in range(of)]
    return parts


def count_rows(part: TablePart) -> int:
    """How many rows a file of a table has, from its footer.

    Raises:
        ConfigurationError: if it is no Parquet file.
    """
    with open_raw(part.path) as file:
        try:
            return pq.read_metadata(file).num_rows
        except pa.ArrowInvalid as error:
            raise _unreadable(part, error) from None


def read_part(
    part: TablePart, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> pa.Table:
    """The rows of a file of a table.

    Args:
        part: the file.
        columns: those wanted; all of the table's by default, with those of
            `pfn_kg.schemas.tables.CORRECTED_COLUMNS` where the graph has them.
        where: which rows; all of them by default.

    Raises:
        ConfigurationError: if it is no Parquet file or lacks a column.
    """
    with open_raw(part.path) as file:
        try:
            names = pq.read_schema(file).names
            schema = table_schema(part.table, corrected="corrected" in names)
            wanted = list(columns or schema.names)
            for name in wanted:
                if name not in names:
                    raise ConfigurationError(f"{part.path}: it has no column {name!r}")
            file.seek(0)
            # Such a file is small enough for one read, and threads are the runner's matter.
            rows = pq.read_table(file, columns=wanted, filters=where, use_threads=False)
        except pa.ArrowInvalid as error:
            raise _unreadable(part, error) from None
    expected = pa.schema([schema.field(name) for name in wanted])
    return rows.select(wanted).cast(expected).replace_schema_metadata(None)


def _unreadable(part: TablePart, error: pa.ArrowInvalid) -> ConfigurationError:
    reason = str(error).splitlines()[0]
    return ConfigurationError(f"{part.path}: not a readable table: {reason}")
