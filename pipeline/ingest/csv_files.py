"""Documents of CSV: one row a document, below a row of names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from pfn_kg.pipeline.ingest.encodings import MOST_BYTES, encoding_of, open_bytes
from pfn_kg.pipeline.ingest.json_files import document_of
from pfn_kg.pipeline.ingest.records import Document, Unreadable, UnreadableFileError
from pfn_kg.schemas.ingest_options import IngestOptions

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 1 << 16


def read_csv(path: str, options: IngestOptions) -> Iterator[Document | Unreadable | str]:
    """The documents of a file; first the name of its encoding.

    Args:
        path: of the file.
        options: the names of columns, the encoding, the delimiter.

    Raises:
        UnreadableFileError: if the file as a whole can't be read.
    """
    encoding = options.encoding or encoding_of(path)
    yield encoding
    delimiter = options.delimiter or _delimiter(path, encoding)
    # The module's own limit is 128 KiB, shorter than many a text.
    csv.field_size_limit(MOST_BYTES)
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            header = next(rows, None)
            if not header:
                raise UnreadableFileError("empty, without a row of names")
            names = [name.strip() for name in header]
            if len(set(names)) < len(names):
                raise UnreadableFileError("two columns have the same name")
            for row in rows:
                where = f"line {rows.line_num}"
                if not row:
                    continue
                if len(row) != len(names):
                    yield Unreadable(
                        f"{where}: {len(row)} cells, but {len(names)} columns have a name"
                    )
                    continue
                # An empty cell says nothing.
                cells = {n: cell or None for n, cell in zip(names, row, strict=True)}
                yield document_of(cells, options, where)
        except csv.Error as error:
            raise UnreadableFileError(f"line {rows.line_num}: {error}") from None
        except UnicodeError:
            raise UnreadableFileError(f"line {rows.line_num}: no text in {encoding}") from None


def _delimiter(path: str, encoding: str) -> str:
    """The character that stands between cells: the one that the row of names has most often."""
    if path.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        try:
            header = text.readline(_SAMPLE_CHARACTERS)
        except UnicodeError:
            raise UnreadableFileError(f"line 1: no text in {encoding}") from None
    return max(_DELIMITERS, key=lambda c: (header.count(c), -_DELIMITERS.index(c)))
