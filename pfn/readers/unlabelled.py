"""Texts without annotation, from Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.schemas.errors import ConfigurationError

_COLUMN = "text"


def read_texts(path: str | Path) -> list[str]:
    """The texts of a Parquet file's column `text`, without those that are null or empty.

    Raises:
        ConfigurationError: if the file can't be read, or has no such column, or no text.
    """
    try:
        with pq.ParquetFile(path) as file:
            if _COLUMN not in file.schema_arrow.names:
                raise ConfigurationError(f"{path} has no column {_COLUMN!r}", field="unlabelled")
            column = file.read([_COLUMN]).column(0)
        texts = column.cast(pa.large_string()).to_pylist()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path} can't be read: {reason}", field="unlabelled") from None
    readable = [text for text in texts if text and not text.isspace()]
    if not readable:
        raise ConfigurationError(f"{path} has no text", field="unlabelled")
    return readable
