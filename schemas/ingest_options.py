"""The options of `ingest`: which files become a corpus, and how they are read."""

from __future__ import annotations

import codecs
from typing import Literal, TypeAlias

from pydantic import field_validator

from pfn_kg.schemas.choices import CORPUS
from pfn_kg.schemas.options import Names, Options, ParquetPath, Texts, option

#: Formats that `ingest` reads.
IngestFormat: TypeAlias = Literal["json", "csv", "text", "markdown", "html", "pdf"]

#: The format of a file by the end of its name; `.gz` may follow.
FORMAT_OF_SUFFIX: dict[str, IngestFormat] = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
}

_READING = "Reading"


def format_of(path: str) -> IngestFormat | None:
    """The format that the end of a file's name says; None if `ingest` knows none.

    Example:
        >>> format_of("letters/A.TXT.gz"), format_of("a.docx")
        ('text', None)
    """
    name = path.lower().removesuffix(".gz")
    return next((f for suffix, f in FORMAT_OF_SUFFIX.items() if name.endswith(suffix)), None)


class IngestOptions(Options):
    """Which files become a corpus, and how they are read.

    Attributes:
        inputs: files, folders or patterns.
        output: the Parquet file.
        format: of all files; None goes by the ends of their names.
        id_column: field of ids in JSON and CSV; `none` derives ids from content.
        text_column: field of texts in JSON and CSV.
        title_column: field of titles in JSON and CSV; None takes `title` where there is one.
        metadata_columns: fields that are kept; None keeps all.
        encoding: of all text files; None detects it.
        delimiter: between the cells of CSV; None detects it.
        join_hyphens: whether words that the end of a line cuts in two become whole.
        drop_running_heads: whether lines that come again at the edges of pages are left out.
        max_rejected: how many files and records may be unreadable.
    """

    inputs: Texts = option(
        ...,
        "JSON lines, CSV, text, Markdown, HTML or PDF files, folders or globs, on any file system "
        "that Beam knows",
        metavar="INPUT",
        positional="+",
    )
    output: ParquetPath = option(
        ..., "Parquet file that is written", group=CORPUS, metavar="FILE.parquet", common=True
    )
    format: IngestFormat | None = option(
        None, "of all inputs", group=_READING, default_text="by the ends of their names"
    )
    id_column: str = option(
        "id",
        "field of document ids in JSON and CSV; none: derive ids from the content. Other formats "
        "have the file's name as id",
        group=CORPUS,
        metavar="NAME",
    )
    text_column: str = option(
        "text", "field of texts in JSON and CSV", group=CORPUS, metavar="NAME"
    )
    title_column: str | None = option(
        None,
        "field of titles in JSON and CSV",
        group=CORPUS,
        metavar="NAME",
        default_text="title, if there is one",
    )
    metadata_columns: Names | None = option(
        None,
        "fields that are kept as further columns",
        group=CORPUS,
        metavar="A,B",
        default_text="all",
    )
    encoding: str | None = option(
        None,
        "encoding of all text files, such as cp1252",
        group=_READING,
        metavar="NAME",
        default_text="detected, and said where it is not UTF-8",
    )
    delimiter: str | None = option(
        None,
        "character between the cells of CSV",
        group=_READING,
        metavar="C",
        default_text="detected",
    )
    join_hyphens: bool = option(
        False,
        "make words whole that a hyphen at the end of a line cuts in two",
        group=_READING,
    )
    drop_running_heads: bool = option(
        False,
        "leave out lines that come again at the top or the bottom of pages, page numbers among "
        "them",
        group=_READING,
    )
    max_rejected: int = option(
        0,
        "exit with 1 if more files and records than that can't be read; the others are written "
        "all the same",
        group="Job",
        metavar="N",
        ge=0,
    )

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                codecs.lookup(encoding)
                "".encode(encoding)
            except LookupError:
                raise ValueError(f"no encoding is called {encoding!r}") from None
        return encoding

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, delimiter: str | None) -> str | None:
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"'):
            raise ValueError(f"{delimiter!r} is not one character that may stand between cells")
        return delimiter
