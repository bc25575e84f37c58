"""Files of corrections: Parquet, CSV or JSON lines, one correction a row.

Columns are those of `pfn_kg.schemas.corrections.CORRECTION_SCHEMA`; a file may lack those that
its corrections do not need. Rows are counted from 1, the header of a CSV file not among them.
The order of the rows counts: of two corrections that contradict each other the later one holds.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from pydantic import ValidationError

from pfn_kg.pipeline.locks import hold_file
from pfn_kg.schemas.corrections import (
    CORRECTION_SCHEMA,
    KINDS,
    AnyCorrection,
    Correction,
    correction_table,
    parse_correction,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.plumbing.files import absolute, read_bytes, read_if_there, replace

_PARQUET = b"PAR1"
_CSV_SUFFIX, _PARQUET_SUFFIX = ".csv", ".parquet"


def read_corrections(path: str) -> list[AnyCorrection]:
    """The corrections of a file, in its order.

    What kind of file it is follows from its content.

    Args:
        path: of the file, on any file system that Beam knows.

    Raises:
        ConfigurationError: if it can't be read or a row is wrong; names file, row and column.
    """
    try:
        data = read_bytes(path)
    except (OSError, BeamIOError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        _fail(path, reason)
    return parse_corrections(data, path)


def parse_corrections(data: bytes, path: str) -> list[AnyCorrection]:
    """The corrections in the content of a file.

    Args:
        data: the content.
        path: of the file, for messages.

    Raises:
        ConfigurationError: as `read_corrections`.
    """
    return [_correction(path, number, row) for number, row in _rows(data, path)]


def append(path: str, correction: Correction) -> None:
    """Adds a correction at the end of a file, which is made if need be.

    A reader finds the file with or without it, never a part. Of several writers at once each one's
    correction is kept. A new file is CSV or Parquet if its name says so, else JSON lines.

    Args:
        path: of the file, on any file system that Beam knows.
        correction: what is added.

    Raises:
        ConfigurationError: if the file is not one of corrections, or another writer holds it for a
            minute.
        OSError: if it can't be written.
    """
    path = absolute(path)
    with hold_file(path, "corrections"):
        data = read_if_there(path) or b""
        known = parse_corrections(data, path)
        replace(path, _with(data, path, [*known, parse_correction(correction.to_dict())]))


def withdraw(path: str, correction_id: str) -> int:
    """Takes a correction out of a file again, wherever it stands there.

    Args:
        path: of the file.
        correction_id: from `Correction.correction_id`.

    Returns:
        How many rows were taken out.

    Raises:
        ConfigurationError: as `append`.
        OSError: if it can't be written.
    """
    path = absolute(path)
    with hold_file(path, "corrections"):
        data = read_if_there(path)
        if data is None:
            return 0
        known = parse_corrections(data, path)
        left = [c for c in known if c.correction_id != correction_id]
        if len(left) < len(known):
            replace(path, _encoded(left, _format_of(data, path)))
        return len(known) - len(left)


def _with(data: bytes, path: str, corrections: Sequence[Correction]) -> bytes:
    """The content of a file with one more correction, the last of those given."""
    kind = _format_of(data, path)
    if kind != "lines":
        return _encoded(corrections, kind)
    # What people wrote there stays as it is.
    end = b"" if not data or data.endswith(b"\n") else b"\n"
    return data + end + _encoded(corrections[-1:], kind)


def _format_of(data: bytes, path: str) -> str:
    if data.startswith(_PARQUET):
        return "parquet"
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text:
        return "lines" if text.startswith(b"{") else "csv"
    name = path.lower()
    if name.endswith(_PARQUET_SUFFIX):
        return "parquet"
    return "csv" if name.endswith(_CSV_SUFFIX) else "lines"


def _encoded(corrections: Sequence[Correction], kind: str) -> bytes:
    if kind == "parquet":
        return parquet_bytes(correction_table(corrections))
    rows = [correction.to_dict() for correction in corrections]
    if kind == "lines":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CORRECTION_SCHEMA.names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _rows(data: bytes, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file with their numbers; empty cells are left out."""
    if not data:
        return
    kind = _format_of(data, path)
    if kind == "parquet":
        try:
            table = pq.read_table(pa.BufferReader(data))
        except (pa.ArrowException, OSError) as error:
            _fail(path, str(error).splitlines()[0])
        _check_columns(path, table.column_names)
        rows: Iterable[dict[str, Any]] = table.to_pylist()
        for number, row in enumerate(rows, 1):
            yield number, {name: value for name, value in row.items() if value is not None}
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _fail(path, f"not UTF-8 (byte {error.start})")
    if kind == "csv":
        yield from _rows_of_csv(text, path)
        return
    # Lines end as they do in files; a text may hold any other separator.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            _fail(path, f"row {number}: no JSON: {error}")
        if not isinstance(row, dict):
            _fail(path, f"row {number}: no JSON object")
        yield number, {name: value for name, value in row.items() if value is not None}


def _rows_of_csv(text: str, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_columns(path, header)
        for cells in reader:
            if not cells:
                continue
            number += 1
            if len(cells) != len(header):
                _fail(path, f"row {number}: {len(cells)} cells in place of {len(header)}")
            row = zip(header, cells, strict=True)
            yield number, {name: cell for name, cell in row if cell.strip()}
    except csv.Error as error:
        _fail(path, f"row {number + 1}: {error}")


def _check_columns(path: str, names: Sequence[str]) -> None:
    known = CORRECTION_SCHEMA.names
    for name in names:
        if name not in known:
            _fail(path, f"column {name!r}: not one of {', '.join(known)}")
        if names.count(name) > 1:
            _fail(path, f"column {name!r}: is there twice")
    if "kind" not in names:
        _fail(path, "has no column 'kind'")


def _correction(path: str, number: int, row: dict[str, Any]) -> AnyCorrection:
    kind = row.get("kind")
    if kind is None:
        _fail(path, f"column 'kind', row {number}: is empty")
    if not isinstance(kind, str) or kind not in KINDS:
        _fail(path, f"column 'kind', row {number}: {kind!r} is not one of {', '.join(KINDS)}")
    try:
        return parse_correction(row)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
    column = ".".join(str(key) for key in found["loc"][1:])
    reason = found["msg"].removeprefix("Value error, ")
    if found["type"] == "missing":
        reason = f"is empty, which a correction of the kind {kind!r} needs"
    elif found["type"] == "extra_forbidden":
        known = column in CORRECTION_SCHEMA.names
        reason = f"a correction of the kind {kind!r} has none" if known else "no such column"
    elif found["type"] != "value_error":
        reason = f"{found['input']!r}: {reason[0].lower()}{reason[1:]}"
    place = f"column {column!r}, row {number}" if column else f"row {number}"
    _fail(path, f"{place}: {reason}")


def _fail(path: str, reason: str) -> NoReturn:
    raise ConfigurationError(f"{path}: {' '.join(reason.split())}", field="corrections") from None
