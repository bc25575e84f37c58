"""The plan of an extraction, from file names and Parquet footers alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.filesystems import FileSystems

from pfn_kg.schemas.choices import CHUNK_CHARACTERS, DEFAULT_TITLE_COLUMN
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.extraction import EXTRACTION_VERSION
from pfn_kg.transforms.plumbing.files import absolute, join, open_raw
from pfn_kg.transforms.reading.chunks import ChunkRun, Columns, batch_rows

# A part of a row group is read from the row group's start. So many parts of one
# row group keep that cheap and give a cluster something to share out.
_PARTS = 16


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the corpus as it was when the plan was made.

    Attributes:
        path: where it is.
        size: in bytes.
        version: modification time or checksum.
        rows: how many; 0 if it can't be read.
        row_groups: how many.
        error: why it can't be read.
    """

    path: str
    size: int
    version: str
    rows: int = 0
    row_groups: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read: the files, and the runs of chunks in the order of the rows."""

    files: list[InputFile]
    runs: list[ChunkRun]

    @property
    def rows(self) -> int:
        """Rows of all files that can be read."""
        return sum(file.rows for file in self.files)


def plan_extraction(
    options: ExtractOptions, model_hash: str, live_version: str | None = None
) -> Plan:
    """Plans an extraction; reads nothing but listings and footers.

    Args:
        options: with the token budget set.
        model_hash: the model's.
        live_version: of the live documents that the corpus is compared with, if any.

    Raises:
        ConfigurationError: if there is no such file, none can be read, or a column
            is missing or of another type than text.
    """
    corpus_files = list_corpus(options.corpus)
    with ThreadPoolExecutor(16) as pool:
        planned = list(
            pool.map(
                lambda file: _plan_file(
                    file, options=options, model_hash=model_hash, live_version=live_version
                ),
                corpus_files,
            )
        )
    files = [file for file, _ in planned]
    if all(file.error for file in files):
        raise ConfigurationError(
            f"{files[0].path}: not a readable Parquet file: {files[0].error}"
            + (f" (nor are the other {len(files) - 1} files)" if len(files) > 1 else "")
        )
    return Plan(files, [run for _, runs in planned for run in runs])


def list_corpus(patterns: Iterable[str]) -> list[FileMetadata]:
    """The files of a corpus, each once, in the order of their paths within each pattern.

    Args:
        patterns: files, folders (all `*.parquet` below them) or globs.

    Raises:
        ConfigurationError: if a pattern matches nothing.
    """
    files: dict[str, FileMetadata] = {}
    for pattern in patterns:
        try:
            matched = _match(absolute(pattern))
        except (BeamIOError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"CORPUS {pattern}: can't be listed: {reason}") from None
        if not matched:
            raise ConfigurationError(f"CORPUS {pattern}: no such file, or no *.parquet below it")
        for metadata in sorted(matched, key=lambda m: m.path):
            files.setdefault(metadata.path, metadata)
    return list(files.values())


def _match(pattern: str) -> list[FileMetadata]:
    if any(character in pattern for character in "*?["):
        matched = FileSystems.match([pattern])[0].metadata_list
        return [m for m in matched if not _is_folder(m.path)]
    # Globs reach into sub-folders on some file systems and not on others: ask for both.
    below = [join(pattern, "*.parquet"), join(pattern, "**.parquet")]
    inside = {m.path: m for result in FileSystems.match(below) for m in result.metadata_list}
    if inside:
        return [m for m in inside.values() if not _is_folder(m.path)]
    if _is_folder(pattern):
        return []
    return FileSystems.match([pattern])[0].metadata_list


def _is_folder(path: str) -> bool:
    from pathlib import Path

    return FileSystems.get_scheme(path) is None and Path(path).is_dir()


def _plan_file(
    metadata: FileMetadata, *, options: ExtractOptions, model_hash: str, live_version: str | None
) -> tuple[InputFile, list[ChunkRun]]:
    path, size = metadata.path, metadata.size_in_bytes
    version = repr(metadata.last_updated_in_seconds)
    if not metadata.last_updated_in_seconds:
        version = str(FileSystems.checksum(path))
    fingerprint = _fingerprint(
        path,
        size=size,
        version=version,
        model_hash=model_hash,
        options=options,
        live_version=live_version,
    )
    try:
        with open_raw(path) as file:
            footer = pq.ParquetFile(file)
            parquet, schema = footer.metadata, footer.schema_arrow
    except (pa.ArrowException, OSError, BeamIOError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        columns = Columns(options.text_column, None, None)
        run = ChunkRun(
            path, fingerprint, -1, 0, 0, 0, columns, 1, 1, CHUNK_CHARACTERS, unreadable=reason
        )
        return InputFile(path, size, version, error=reason), [run]
    columns = resolve_columns(path, schema, options)
    runs, begin = [], 0
    for number in range(parquet.num_row_groups):
        group = parquet.row_group(number)
        chunks = -(-group.num_rows // options.chunk_documents)
        step = -(-chunks // _PARTS) * options.chunk_documents
        row_bytes = group.total_byte_size / max(group.num_rows, 1)
        end = begin + group.num_rows
        for part in range(begin, end, max(step, 1)):
            runs.append(
                ChunkRun(
                    file=path,
                    fingerprint=fingerprint,
                    row_group=number,
                    group_begin=begin,
                    begin=part,
                    end=min(part + step, end),
                    columns=columns,
                    batch_rows=batch_rows(row_bytes),
                    chunk_documents=options.chunk_documents,
                    chunk_characters=CHUNK_CHARACTERS,
                )
            )
        begin = end
    return InputFile(path, size, version, begin, parquet.num_row_groups), runs


def _fingerprint(
    path: str,
    *,
    size: int,
    version: str,
    model_hash: str,
    options: ExtractOptions,
    live_version: str | None,
) -> str:
    depends_on: list[Any] = [
        EXTRACTION_VERSION,
        path,
        size,
        version,
        model_hash,
        CHUNK_CHARACTERS,
        options.what_extractions_depend_on(),
    ]
    if live_version is not None:
        depends_on.append(live_version)
    spelt = json.dumps(depends_on, sort_keys=True).encode()
    return blake2b(spelt, digest_size=16).hexdigest()


def resolve_columns(path: str, schema: pa.Schema, options: ExtractOptions) -> Columns:
    """The columns to read of a file.

    Raises:
        ConfigurationError: names the column, the file and the reason.
    """
    _require(path, schema, field="text_column", name=options.text_column)
    _require_type(
        path,
        schema,
        field="text_column",
        name=options.text_column,
        accepts=_is_text,
        what="text",
    )
    id_column = None if options.id_column == "none" else options.id_column
    if id_column is not None:
        _require(
            path,
            schema,
            field="id_column",
            name=id_column,
            hint="; `id_column` none derives ids",
        )
        _require_type(
            path,
            schema,
            field="id_column",
            name=id_column,
            accepts=_is_text_or_integer,
            what="text or integers",
        )
    title = options.title_column
    if title is not None:
        _require(path, schema, field="title_column", name=title)
    elif DEFAULT_TITLE_COLUMN in schema.names:
        title = DEFAULT_TITLE_COLUMN
    if title is not None:
        _require_type(path, schema, field="title_column", name=title, accepts=_is_text, what="text")
    for name in options.metadata_columns:
        _require(path, schema, field="metadata_columns", name=name)
    return Columns(options.text_column, id_column, title, tuple(options.metadata_columns))


def _require(path: str, schema: pa.Schema, *, field: str, name: str, hint: str = "") -> None:
    count = schema.names.count(name)
    if count > 1:
        raise ConfigurationError(f"{path} has {count} columns named {name!r}", field=field)
    if not count:
        has = _some(schema.names)
        raise ConfigurationError(f"{path} has no column {name!r} (it has {has}){hint}", field=field)


def _require_type(
    path: str, schema: pa.Schema, *, field: str, name: str, accepts, what: str
) -> None:
    type_ = schema.field(name).type
    if not accepts(type_):
        raise ConfigurationError(f"column {name!r} of {path} is {type_}, not {what}", field=field)


def _some(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return (
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
    )


def _is_text_or_integer(type_: pa.DataType) -> bool:
    return _is_text(type_) or pa.types.is_integer(type_)
