"""The plan of an extraction, from file names and Parquet footers alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import FileMetadata

from pfn_kg.schemas.choices import CHUNK_CHARACTERS
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.extraction import EXTRACTION_VERSION
from pfn_kg.schemas.ingest_options import format_of
from pfn_kg.transforms.plumbing.files import open_raw
from pfn_kg.transforms.plumbing.listing import file_version
from pfn_kg.transforms.reading.columns import Columns, column_names, resolve_columns
from pfn_kg.transforms.reading.list_corpus import how_to_convert, list_corpus, partitions_of
from pfn_kg.transforms.reading.packs import PlannedRun, packed_runs
from pfn_kg.transforms.reading.runs import AnyRun, ChunkRun, batch_rows

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
    """What is to be read.

    Attributes:
        files: in the order in which they were listed.
        runs: of chunks: those of long row groups in the order of their rows, then short ones.
        packed: whether a chunk may span files and row groups.
    """

    files: list[InputFile]
    runs: list[AnyRun]
    packed: bool = True

    @property
    def rows(self) -> int:
        """Rows of all files that can be read."""
        return sum(file.rows for file in self.files)


def plan_extraction(
    options: ExtractOptions,
    model_hash: str,
    live_version: str | None = None,
    *,
    packed: bool = True,
) -> Plan:
    """Plans an extraction; reads nothing but listings and footers.

    Args:
        options: with the token budget set.
        model_hash: the model's.
        live_version: of the live documents that the corpus is compared with, if any.
        packed: whether a chunk may span files and row groups; a run that was begun without goes
            on without.

    Raises:
        ConfigurationError: if there is no such file, none can be read, or a column
            is missing or of another type than text.
    """
    with ThreadPoolExecutor(16) as pool:
        footers = list(pool.map(_read_footer, list_corpus(options.corpus)))
    names: Counter[str] = Counter()
    for footer in footers:
        if footer.schema is not None:
            names.update(column_names(footer.schema))
    planned = [
        _plan_file(
            footer,
            options=options,
            model_hash=model_hash,
            live_version=live_version,
            names=set(names),
        )
        for footer in footers
    ]
    files = [file for file, _ in planned]
    # Where files are read once more, none of them may be readable yet.
    if all(file.error for file in files) and not options.retry:
        if format_of(files[0].path) is not None:
            raise ConfigurationError(
                f"{files[0].path}: not a Parquet file; {how_to_convert(files[0].path)}"
            )
        raise ConfigurationError(
            f"{files[0].path}: not a readable Parquet file: {files[0].error}"
            + (f" (nor are the other {len(files) - 1} files)" if len(files) > 1 else "")
        )
    runs = [one for _, of_file in planned for one in of_file]
    return Plan(files, packed_runs(runs) if packed else [one.run for one in runs], packed)


class _Footer(NamedTuple):
    """A file of the corpus with its footer, or the reason why it can't be read."""

    path: str
    size: int
    version: str
    parquet: pq.FileMetaData | None = None
    schema: pa.Schema | None = None
    error: str | None = None


def _read_footer(metadata: FileMetadata) -> _Footer:
    place = metadata.path, metadata.size_in_bytes, file_version(metadata)
    try:
        with open_raw(metadata.path) as file:
            footer = pq.ParquetFile(file)
            return _Footer(*place, footer.metadata, footer.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        return _Footer(*place, error=" ".join(str(error).split()) or type(error).__name__)


def _plan_file(
    footer: _Footer,
    *,
    options: ExtractOptions,
    model_hash: str,
    live_version: str | None,
    names: Set[str],
) -> tuple[InputFile, list[PlannedRun]]:
    path, size, version, parquet, schema, reason = footer
    fingerprint = _fingerprint(
        path,
        size=size,
        version=version,
        model_hash=model_hash,
        options=options,
        live_version=live_version,
    )
    if parquet is None or schema is None:
        columns = Columns(options.text_column, None, None)
        run = ChunkRun(
            path,
            size,
            version,
            fingerprint,
            row_group=-1,
            group_begin=0,
            begin=0,
            end=0,
            columns=columns,
            batch_rows=1,
            chunk_documents=1,
            chunk_characters=CHUNK_CHARACTERS,
            unreadable=reason,
        )
        return InputFile(path, size, version, error=reason), [PlannedRun(run)]
    columns = resolve_columns(
        path, schema, options, elsewhere=names, partitions=partitions_of(path)
    )
    runs, begin = [], 0
    for number in range(parquet.num_row_groups):
        group = parquet.row_group(number)
        chunks = -(-group.num_rows // options.chunk_documents)
        step = -(-chunks // _PARTS) * options.chunk_documents
        row_bytes = group.total_byte_size / max(group.num_rows, 1)
        end = begin + group.num_rows
        is_short = chunks == 1 and group.total_byte_size <= CHUNK_CHARACTERS
        for part in range(begin, end, max(step, 1)):
            run = ChunkRun(
                file=path,
                size=size,
                version=version,
                fingerprint=fingerprint,
                row_group=number,
                group_begin=begin,
                begin=part,
                end=min(part + step, end),
                columns=columns,
                batch_rows=batch_rows(row_bytes),
                chunk_documents=options.chunk_documents,
                chunk_characters=CHUNK_CHARACTERS,
                max_characters=options.max_characters,
            )
            runs.append(PlannedRun(run, group.total_byte_size if is_short else None))
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
