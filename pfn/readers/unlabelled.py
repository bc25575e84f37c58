"""Texts without annotation, from Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ConfigurationError

_COLUMN = "text"


def read_texts(path: str | Path) -> list[str]:
    """The texts of a Parquet file's column `text`, without those that are null or empty.

    Raises:
        ConfigurationError: if the file can't be read, or has no such column, or no text.
    """
    try:
        table = pq.read_table(path, columns=[_COLUMN])
        texts = table.column(_COLUMN).cast(pa.large_string()).to_pylist()
    except KeyError:
        raise ConfigurationError(f"--unlabelled: {path} has no column {_COLUMN!r}") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"--unlabelled: {path} can't be read: {reason}") from None
    found = [text for text in texts if text and not text.isspace()]
    if not found:
        raise ConfigurationError(f"--unlabelled: {path} has no text")
    return found
