"""Reads annotated records out of JSON and JSON-lines files, and says where one is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from pfn_kg.schemas.errors import ConfigurationError


class StrictRecord(BaseModel):
    """A record whose fields are taken as they stand: "1" is no number."""

    model_config = ConfigDict(strict=True)


Record = TypeVar("Record", bound=StrictRecord)


def read_records(path: str | Path, model: type[Record]) -> Iterator[tuple[str, Record]]:
    """Reads a file that is one JSON list or has one JSON object a line.

    Args:
        path: the file.
        model: what each record must look like.

    Yields:
        How to name the record in a message ("FILE: record N", from 1), and the record.

    Raises:
        ConfigurationError: if the file can't be read, isn't JSON, or a record lacks
            a field or has a wrong one; names file, record and field.
    """
    for place, value in _values(path):
        try:
            yield place, model.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "(the record)"
            raise ConfigurationError(f"{place}: field {field}: {first['msg']}") from None


def _values(path: str | Path) -> Iterator[tuple[str, object]]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from None
    if content.lstrip()[:1] == b"[":
        try:
            records = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{path}: not JSON: {error}") from None
        for number, record in enumerate(records, start=1):
            yield f"{path}: record {number}", record
        return
    lines = (line for line in content.split(b"\n") if line.strip())
    for number, line in enumerate(lines, start=1):
        try:
            yield f"{path}: record {number}", orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{path}: record {number}: not JSON: {error}") from None
