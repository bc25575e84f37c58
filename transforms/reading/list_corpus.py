"""The files of a corpus: what a path, a folder or a pattern on the command line stands for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from urllib.parse import unquote

from apache_beam.io.filesystem import FileMetadata

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.ingest_options import format_of
from pfn_kg.transforms.plumbing.files import (
    absolute,
    exists,
    is_local,
    local_path,
)
from pfn_kg.transforms.plumbing.listing import file_metadata, list_folder

_PATTERN = re.compile(r"[*?\[]")
_SUFFIX = ".parquet"
# Names of partitions without a value, as Hive and Spark write them.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def list_corpus(names: Iterable[str]) -> list[FileMetadata]:
    """The files of a corpus, each once, in the order of their paths within each argument.

    An argument that exists is taken literally, whatever characters it has; any other is a pattern.
    Of a folder all `*.parquet` files below it are read. Files and folders whose names begin with
    `_` or `.` are left out, as Spark, Hive and Jupyter mean it: they are not finished, or not data.

    Args:
        names: files, folders or patterns.

    Raises:
        ConfigurationError: if an argument matches nothing, or is a table of a format that keeps a
            log of which files are current.
    """
    files: dict[str, FileMetadata] = {}
    for name in names:
        try:
            matched = _files_of(name)
        except ConfigurationError:
            raise
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"CORPUS {name}: can't be listed: {reason}") from None
        for metadata in sorted(matched, key=lambda m: m.path):
            files.setdefault(metadata.path, metadata)
    return list(files.values())


def partitions_of(path: str) -> dict[str, str | None]:
    """The values of partition columns in a path, as Hive and Spark name folders: `lang=en`."""
    values = {}
    for part in path.split("/")[:-1]:
        name, is_partition, value = part.partition("=")
        if is_partition and name:
            values[unquote(name)] = None if value == _NO_VALUE else unquote(value)
    return values


def _files_of(name: str) -> list[FileMetadata]:
    path = absolute(name)
    if not _is_folder(path) and exists(path):
        return [file_metadata(path)]
    inside = list_folder(path)
    if inside or _is_folder(path):
        return _files_below(name, path, inside)
    if _PATTERN.search(path):
        return _matched(name, path)
    raise ConfigurationError(f"CORPUS {name}: no such file or folder")


def _files_below(name: str, path: str, inside: list[FileMetadata]) -> list[FileMetadata]:
    visible = []
    for metadata in inside:
        parts = metadata.path[len(path) :].strip("/").split("/")
        _refuse_logs(name, parts)
        if not any(part.startswith(("_", ".")) for part in parts):
            visible.append(metadata)
    files = [m for m in visible if m.path.lower().endswith(_SUFFIX)]
    if not files:
        others = [m.path.rsplit("/", 1)[1] for m in visible]
        if any(format_of(other) is not None for other in others):
            raise ConfigurationError(
                f"CORPUS {name}: no *.parquet below this folder (it has {others[0]}"
                f"{' and others' if len(others) > 1 else ''}); {how_to_convert(name)}"
            )
        hint = f"; name other files by a pattern, such as '{path}/*'" if others else ""
        has = f" (it has {others[0]}{' and others' if len(others) > 1 else ''})" if others else ""
        raise ConfigurationError(f"CORPUS {name}: no *.parquet below this folder{has}{hint}")
    return files


def how_to_convert(name: str) -> str:
    """Which command makes a corpus of files of another format.

    Args:
        name: of a file or folder, as a person wrote it.
    """
    return f"convert it by `pfn-kg ingest {shlex.quote(name)}` with `output` corpus.parquet"


def _matched(name: str, path: str) -> list[FileMetadata]:
    """The files that match a pattern; folders of it that exist are taken literally."""
    begin = path[: _PATTERN.search(path).start()].rpartition("/")[0]  # type: ignore[union-attr]
    pattern = path[len(begin) + 1 :]
    while "/" in pattern:
        folder, _, rest = pattern.partition("/")
        deeper = f"{begin}/{folder}"
        if _PATTERN.search(folder) and not _is_folder(deeper) and not list_folder(deeper):
            break
        begin, pattern = deeper, rest
    # Hidden files are read where the pattern itself names them.
    asked = any(part.startswith(("_", ".")) for part in pattern.split("/"))
    files = []
    for metadata in list_folder(begin or "/", pattern):
        parts = metadata.path[len(begin) :].strip("/").split("/")
        if not asked and any(part.startswith(("_", ".")) for part in parts):
            continue
        if not _is_folder(metadata.path):
            files.append(metadata)
    if not files:
        raise ConfigurationError(f"CORPUS {name}: no file matches this pattern")
    return files


def _refuse_logs(name: str, parts: list[str]) -> None:
    """Refuses tables whose files may be of the past: only their log says which are current."""
    if "_delta_log" in parts[:-1]:
        kind, remedy = "Delta", "DeltaTable(path).to_pyarrow_table()"
    elif "metadata" in parts[:-1] and parts[-1].endswith(".metadata.json"):
        kind, remedy = "Iceberg", "table.scan().to_arrow()"
    else:
        return
    raise ConfigurationError(
        f"CORPUS {name}: a {kind} table, whose log says which files are current; write it as plain "
        f"Parquet first ({remedy}, then pyarrow.parquet.write_table)"
    )


def _is_folder(path: str) -> bool:
    return is_local(path) and local_path(path).is_dir()
