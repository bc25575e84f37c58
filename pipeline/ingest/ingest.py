"""From files of several formats to one corpus in Parquet."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from pfn_kg.pipeline.ingest.corpus_file import CorpusFile
from pfn_kg.pipeline.ingest.listing import Listing, Source, list_sources
from pfn_kg.pipeline.ingest.records import Document, Note, Unreadable, UnreadableFileError
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.ingest_options import IngestFormat, IngestOptions
from pfn_kg.schemas.installation import how_to_install

#: What a reader gives: documents, what it could not read, notes, and the file's encoding.
Found: TypeAlias = Iterator[Document | Unreadable | Note | str]

# Imported where a file of the format is there: most corpora have one format.
_READERS: dict[IngestFormat, tuple[str, str]] = {
    "json": ("json_files", "read_json"),
    "csv": ("csv_files", "read_csv"),
    "text": ("text_files", "read_text"),
    "markdown": ("markdown_files", "read_markdown"),
    "html": ("html_files", "read_html"),
    "pdf": ("pdf_files", "read_pdf"),
}
# Formats that need a library of an extra: its module, its distribution, the extra.
_EXTRAS: dict[IngestFormat, tuple[str, str, str]] = {
    "html": ("trafilatura", "trafilatura", "html"),
    "pdf": ("pypdfium2", "pypdfium2", "pdf"),
}
_UTF_8 = ("utf-8", "utf-8-sig", "utf_8")
# So many records of one file are named; the others are counted.
_NAMED_RECORDS = 10


@dataclass
class Ingested:
    """What became of the inputs.

    Attributes:
        documents: how many were written.
        files: how many were read.
        rejected: how many files and records could not be read.
        metadata_columns: the columns that `run` may keep with the documents.
        encodings: files that are not UTF-8, by encoding.
        left_out: how many files of folders have an ending that is not known, by ending.
    """

    documents: int = 0
    files: int = 0
    rejected: int = 0
    metadata_columns: list[str] = field(default_factory=list)
    encodings: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def ingest(options: IngestOptions, complain: Callable[[str], None]) -> Ingested:
    """Writes the documents of files into one Parquet file.

    Args:
        options: the files, the output, and how files are read.
        complain: is given one line for each file or record that can't be read.

    Returns:
        What became of the inputs. Nothing is written if there is no document at all.

    Raises:
        ConfigurationError: if an input is not there, or a format needs a library that is not
            installed.
        OSError: if the output can't be written.
    """
    listing = list_sources(options.inputs, options.format)
    _check_libraries(listing)
    result = Ingested(files=len(listing.sources), left_out=dict(sorted(listing.left_out.items())))
    try:
        corpus = CorpusFile(options.output, options.metadata_columns)
    except OSError as error:
        raise ConfigurationError(
            f"{options.output} can't be made: {' '.join(str(error).split())}", field="output"
        ) from None
    with corpus:
        for source in listing.sources:
            _add(source, options, corpus, result, complain)
        result.documents = corpus.count
        result.metadata_columns = corpus.metadata_columns
        if corpus.count:
            corpus.write()
    return result


def _check_libraries(listing: Listing) -> None:
    """Refuses a format whose library is not installed, before any file is read."""
    for format_ in dict.fromkeys(source.format for source in listing.sources):
        if format_ not in _EXTRAS:
            continue
        module, package, extra = _EXTRAS[format_]
        try:
            import_module(module)
        except ImportError:
            raise ConfigurationError(
                f"{format_}: {how_to_install(package, extra)}", field="inputs"
            ) from None


def _add(
    source: Source,
    options: IngestOptions,
    corpus: CorpusFile,
    result: Ingested,
    complain: Callable[[str], None],
) -> None:
    """Adds the documents of one file."""
    wrong = 0

    def reject(reason: str, *, is_record: bool) -> None:
        nonlocal wrong
        wrong += is_record
        result.rejected += 1
        if wrong <= _NAMED_RECORDS or not is_record:
            complain(f"{source.path}: {' '.join(reason.split())}")

    try:
        for found in _read(source, options):
            if isinstance(found, str):
                if found not in _UTF_8:
                    result.encodings.setdefault(found, []).append(source.path)
            elif isinstance(found, Note):
                complain(f"{source.path}: {found.text}")
            elif isinstance(found, Unreadable):
                reject(found.reason, is_record=True)
            else:
                corpus.add(found, source.name, _id(source, found, options))
    except UnreadableFileError as error:
        reject(str(error), is_record=False)
    if wrong > _NAMED_RECORDS:
        complain(f"{source.path}: {wrong - _NAMED_RECORDS} more records can't be read")


def _read(source: Source, options: IngestOptions) -> Found:
    """What the reader of a file's format gives.

    Whatever it raises is of this file, since nothing else is done here.

    Raises:
        UnreadableFileError: if the file can't be read to its end.
    """
    module, name = _READERS[source.format]
    read: Any = getattr(import_module(f"pfn_kg.pipeline.ingest.{module}"), name)
    try:
        yield from read(source.path, options)
    except (UnreadableFileError, MemoryError, GeneratorExit):
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFileError(f"not readable as gzip: {error}") from None
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFileError(f"can't be read: {reason}") from None
    except Exception as error:
        # Libraries that parse what anybody wrote fail in ways of their own.
        raise UnreadableFileError(f"can't be read: {type(error).__name__}: {error}") from error


def _id(source: Source, document: Document, options: IngestOptions) -> str | None:
    """The id of a document: its own, else that of its file; None derives it from content."""
    if document.id is not None:
        return document.id
    return None if options.id_column == "none" else source.name
