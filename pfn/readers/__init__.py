"""Readers of annotated data: each format becomes the same records.

Example:
    >>> from pfn_kg.pfn.readers import read
    >>> sentences = read("train.json", "docred")  # doctest: +SKIP
    >>> sentences.skipped  # what could not be placed, by reason  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pfn_kg.pfn.readers.docred import read_docred
from pfn_kg.pfn.readers.dygie import read_dygie
from pfn_kg.pfn.readers.records import AnnotatedSentence, Reading, without_overlaps
from pfn_kg.pfn.readers.spert import read_spert
from pfn_kg.pfn.readers.triple_list import read_triple_list
from pfn_kg.schemas.choices import DataFormat
from pfn_kg.schemas.errors import ConfigurationError

FORMATS: dict[DataFormat, Callable[[str | Path], Reading]] = {
    "docred": read_docred,
    "spert": read_spert,
    "dygie": read_dygie,
    "triple-list": read_triple_list,
}

#: What may be done with sentences whose entities overlap.
OVERLAPPING = ("keep", "drop")

__all__ = ["FORMATS", "OVERLAPPING", "AnnotatedSentence", "Reading", "read"]


def read(path: str | Path, format: DataFormat, overlapping: str = "keep") -> Reading:
    """Reads an annotated file.

    Args:
        path: a local file.
        format: a key of `FORMATS`.
        overlapping: `drop` leaves out, and counts as skipped, sentences in which one entity
            overlaps another, as the paper does with ADE; `keep` keeps them.

    Returns:
        The sentences, a list; its `skipped` counts what could not be placed.

    Raises:
        ConfigurationError: if the format is unknown or the file is wrong.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"{format!r} is not one of {', '.join(FORMATS)}", field="format")
    if overlapping not in OVERLAPPING:
        raise ConfigurationError(
            f"{overlapping!r} is not one of {', '.join(OVERLAPPING)}", field="overlapping_entities"
        )
    reading = FORMATS[format](path)
    return reading if overlapping == "keep" else without_overlaps(reading)
