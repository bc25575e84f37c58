"""Which columns of a file are read, and what their values become.

Other programs write ids and texts as many types. docs/reference/corpus.md has the table of what is
read as what; here is the code that does it.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.choices import DEFAULT_TITLE_COLUMN
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions

# From here on not every whole number has a double of its own.
_EXACT_DOUBLE = 1 << 53


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file that are read; None where there is none.

    Attributes:
        text: name of the texts, with dots between the fields of a nested column.
        id: name of the ids; None derives them from content.
        title: name of the titles.
        metadata: names of the columns of the file that travel with documents.
        constants: metadata that all rows of the file share: the values of partition columns, which
            are in the file's path, and None for columns that only other files have.
    """

    text: str
    id: str | None
    title: str | None
    metadata: tuple[str, ...] = ()
    constants: Mapping[str, str | None] = dataclass_field(default_factory=dict)

    def names(self) -> list[str]:
        """Each column once."""
        return list(dict.fromkeys(c for c in (self.id, self.title, self.text) if c)) + [
            c for c in self.metadata if c not in (self.id, self.title, self.text)
        ]


def resolve_columns(
    path: str,
    schema: pa.Schema,
    options: ExtractOptions,
    *,
    elsewhere: Set[str] = frozenset(),
    partitions: Mapping[str, str | None] | None = None,
) -> Columns:
    """The columns to read of a file.

    Args:
        path: of the file.
        schema: of the file.
        options: the names of the columns.
        elsewhere: columns of the corpus's other files.
        partitions: values of partition columns in the path.

    Raises:
        ConfigurationError: names the column, the file, the reason and the remedy.
    """
    partitions = partitions or {}
    text = options.text_column
    _require(path, schema, "text_column", text)
    _require_type(path, schema, "text_column", text, _is_text, "text")
    id_column = None if options.id_column == "none" else options.id_column
    if id_column is not None:
        _require(path, schema, "id_column", id_column, "; `id_column` none derives ids")
        _require_type(path, schema, "id_column", id_column, _is_id, "text, whole numbers or dates")
    title = options.title_column
    if title is not None:
        if _is_missing(schema, title) and title in elsewhere:
            title = None
        else:
            _require(path, schema, "title_column", title)
    elif DEFAULT_TITLE_COLUMN in schema.names:
        title = DEFAULT_TITLE_COLUMN
    if title is not None:
        _require_type(path, schema, "title_column", title, _is_text, "text")
    inside, constants = [], {}
    for name in options.metadata_columns:
        if not _is_missing(schema, name):
            _require(path, schema, "metadata_columns", name)
            inside.append(name)
        elif name in partitions:
            constants[name] = partitions[name]
        elif name in elsewhere:
            constants[name] = None
        else:
            _require(path, schema, "metadata_columns", name)
    return Columns(text, id_column, title, tuple(inside), constants)


def column_names(schema: pa.Schema) -> set[str]:
    """The names by which columns of a file can be called, fields of nested ones included."""
    names = set()
    waiting = [(outer.name, outer.type) for outer in schema]
    while waiting:
        name, type_ = waiting.pop()
        names.add(name)
        if pa.types.is_struct(type_):
            waiting += [(f"{name}.{inner.name}", inner.type) for inner in type_]
    return names


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column of a batch by its name, or a field of a nested one."""
    if name in batch.schema.names:
        return batch.column(name)
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        outer = ".".join(parts[:length])
        if outer in batch.schema.names:
            # A null around a field is a null.
            return pc.struct_field(batch.column(outer), parts[length:])
    raise KeyError(name)


def _type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    if name in schema.names:
        return schema.field(name).type
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        outer = ".".join(parts[:length])
        if outer in schema.names:
            type_ = schema.field(outer).type
            for part in parts[length:]:
                if not pa.types.is_struct(type_) or type_.get_field_index(part) < 0:
                    return None
                type_ = type_.field(part).type
            return type_
    return None


def _is_missing(schema: pa.Schema, name: str) -> bool:
    return _type_of(schema, name) is None


def _require(path: str, schema: pa.Schema, field: str, name: str, hint: str = "") -> None:
    count = schema.names.count(name)
    if count > 1:
        raise ConfigurationError(f"{path} has {count} columns named {name!r}", field=field)
    if _is_missing(schema, name):
        like = [other for other in schema.names if other.lower() == name.lower()]
        hint = f"; is {like[0]!r} meant?" if like else hint
        has = _some(schema.names)
        raise ConfigurationError(f"{path} has no column {name!r} (it has {has}){hint}", field=field)


def _require_type(
    path: str,
    schema: pa.Schema,
    field: str,
    name: str,
    accepts: Callable[[pa.DataType], bool],
    expected: str,
) -> None:
    type_ = _plain_type(_type_of(schema, name))
    if not accepts(type_):
        raise ConfigurationError(
            f"column {name!r} of {path} is {type_}, not {expected}; cast it to a string",
            field=field,
        )


def _some(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _plain_type(type_: pa.DataType) -> pa.DataType:
    while pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        type_ = type_.value_type
    return type_


def _is_text(type_: pa.DataType) -> bool:
    return (
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
        or pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_binary_view(type_)
        or pa.types.is_null(type_)
    )


def _is_id(type_: pa.DataType) -> bool:
    return (
        _is_text(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_float64(type_)
        or (pa.types.is_decimal(type_) and type_.scale <= 0)
        or pa.types.is_fixed_size_binary(type_)
        or pa.types.is_date(type_)
        or isinstance(type_, pa.UuidType)
    )


class Undecodable:
    """A value of the file that is no text."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def strings(column: pa.Array) -> list[str | Undecodable | None]:
    """The values of a column of ids, texts or titles as text.

    Whole numbers become decimal strings, dates ISO 8601, UUIDs their usual spelling, other fixed
    binary values hexadecimal digits, and binary values the text that they hold in UTF-8.
    """
    type_ = _plain_type(column.type)
    if type_ != column.type:
        column = (
            column.dictionary_decode()
            if pa.types.is_dictionary(column.type)
            else pc.run_end_decode(column)
        )
        return strings(column)
    if (
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_binary_view(type_)
    ):
        return [_decode(value) for value in column.to_pylist()]
    try:
        return [_spelt(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        return [_decode(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _spelt(value: Any) -> str | Undecodable | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= _EXACT_DOUBLE:
            return Undecodable("a floating-point number that is not exactly a whole one")
        return str(int(value))
    if isinstance(value, Decimal):
        return str(int(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


def _decode(value: bytes | None) -> str | Undecodable | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        return Undecodable(f"not valid UTF-8 at byte {error.start}")


def metadata_of(batch: pa.RecordBatch, columns: Columns) -> list[str | None]:
    """The metadata of each row as a JSON object; None where no column is asked for."""
    if not columns.metadata and not columns.constants:
        return [None] * batch.num_rows
    values = {name: _values(column_of(batch, name)) for name in columns.metadata}
    return [
        json.dumps(
            {name: _plain(column[row]) for name, column in values.items()}
            | dict(columns.constants),
            ensure_ascii=False,
        )
        for row in range(batch.num_rows)
    ]


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return strings(column)
    return column.to_pylist()


def _plain(value: Any) -> Any:
    """A value as JSON can hold it; other values become text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Undecodable):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
