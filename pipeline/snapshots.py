"""Snapshots: each build of a graph in a folder of its own, `DIR/builds/<id>/`.

A snapshot is never changed once its record, `snapshot.json`, is there. The manifest names the
current one; on a local file system the link `DIR/graph` leads to it as well. A folder whose
record is missing belongs to a build that is running or was killed.

The graph of an older version, whose tables lie directly in DIR, counts as a snapshot with the
path `.` until the next build takes its place.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from pfn_kg.pipeline.folders import delete_folder, delete_temporary, list_files
from pfn_kg.pipeline.locks import OWNER_FILE, is_abandoned
from pfn_kg.pipeline.manifest import HERE, Manifest
from pfn_kg.pipeline.manifest_parts import BuildRecord, Part
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import first_reason
from pfn_kg.transforms.plumbing.files import (
    delete,
    exists,
    is_local,
    join,
    local_path,
    open_raw,
    read_bytes,
    read_if_there,
    replace,
)
from pfn_kg.transforms.plumbing.listing import list_folder

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logging.getLogger(__name__)

#: The folder of all snapshots.
BUILDS = "builds"
#: The link to the current snapshot.
LINK = "graph"
#: The label schema that a graph was built with: that of the model, or the user's.
GRAPH_SCHEMA_FILE = "graph_schema.yaml"
#: The alias table that a graph was built with, so that the next build has it too.
ALIASES_FILE = "aliases.parquet"
#: The corrections that a graph was built with, for the same reason.
CORRECTIONS_FILE = "corrections.parquet"
RECORD_FILE = "snapshot.json"
FILES_FILE = "files.parquet"

_PART = 1 << 20
# How the temporary folders of builds began up to version 2 of the manifest.
_OLD_TEMPORARY = ".build-"


class SnapshotRecord(Part):
    """What a snapshot says of itself.

    Attributes:
        version: of these fields.
        path: of the snapshot, from the output folder.
        previous: path of the snapshot that was current before; None for the first one.
        made: when it was finished, in UTC (ISO 8601).
        extraction: hash of the lists of chunks and of removed documents.
        build: how it was built, and what came out.
        versions: of the packages.
    """

    version: int = 1
    path: str
    previous: str | None = None
    made: str | None = None
    extraction: str
    build: BuildRecord
    versions: dict[str, str] = Field(default_factory=dict)


def new_path() -> str:
    """The path of a snapshot to be made; paths sort by the time of the call."""
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{BUILDS}/{time}-{uuid.uuid4().hex[:12]}"


def place_of(directory: str, path: str) -> str:
    """The folder of a snapshot.

    Args:
        directory: the output folder.
        path: of the snapshot, as the manifest names it.
    """
    return directory if path == HERE else join(directory, *path.split("/"))


def extraction_digest(manifest: Manifest) -> str:
    """A hash of what a build reads: the chunks in their order, and the removed documents."""
    return blake2b(
        json.dumps([list_.digest for list_ in manifest.lists]).encode(), digest_size=16
    ).hexdigest()


def write_record(directory: str, record: SnapshotRecord) -> None:
    """Finishes a snapshot: lists its files, and writes its record last."""
    from pfn_kg.sinks.tables import parquet_bytes

    folder = place_of(directory, record.path)
    replace(join(folder, FILES_FILE), parquet_bytes(_listed(folder)))
    replace_record(directory, record)
    _delete_file(join(folder, OWNER_FILE))


def replace_record(directory: str, record: SnapshotRecord) -> None:
    """Writes the record of a snapshot, in the place of the one that is there."""
    data = {"version": record.version, **record.model_dump(mode="json", exclude_unset=True)}
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    replace(join(place_of(directory, record.path), RECORD_FILE), text.encode())


def _listed(folder: str) -> pa.Table:
    """The files of a snapshot with their sizes and, on a local file system, their hashes."""
    begin = len(join(folder, ""))
    own = {OWNER_FILE, RECORD_FILE, FILES_FILE}
    files = [m for m in list_folder(folder) if m.path[begin:] not in own]
    hashes: list[str | None] = [None] * len(files)
    if is_local(folder):
        with ThreadPoolExecutor(4) as pool:
            hashes = list(pool.map(file_hash, (metadata.path for metadata in files)))
    columns = [
        [metadata.path[begin:].replace(os.sep, "/") for metadata in files],
        [metadata.size_in_bytes for metadata in files],
        hashes,
    ]
    import pyarrow as pa

    return pa.table(columns, schema=_files_schema())


def _files_schema() -> pa.Schema:
    # Whoever asks a graph does not read this list, and is spared the import of Arrow.
    import pyarrow as pa

    return pa.schema({"path": pa.string(), "bytes": pa.int64(), "blake2b": pa.string()})


def file_hash(path: str) -> str:
    """The BLAKE2b hash of a file, of 16 bytes, in hexadecimal digits."""
    digest = blake2b(digest_size=16)
    with open_raw(path) as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def recorded_files(folder: str) -> pa.Table:
    """The files of a snapshot, as they were when it was finished.

    Returns:
        Columns `path` (from the snapshot), `bytes` and `blake2b`, which may be null.

    Raises:
        ConfigurationError: if the list is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = join(folder, FILES_FILE)
    try:
        return pq.read_table(pa.BufferReader(read_bytes(path))).cast(_files_schema())
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: not readable: {reason}") from None


def read_record(directory: str, path: str) -> SnapshotRecord:
    """The record of a snapshot.

    Raises:
        ConfigurationError: if the snapshot is not there or not finished.
        OSError: if its record is there but can't be read.
    """
    file = join(place_of(directory, path), RECORD_FILE)
    data = read_if_there(file)
    if data is None:
        raise ConfigurationError(
            f"{file}: not there, so no finished graph; build it again by `pfn-kg build {directory}`"
        )
    try:
        return SnapshotRecord.model_validate_json(data)
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {first_reason(error)}") from None


def current_record(directory: str, manifest: Manifest) -> SnapshotRecord | None:
    """The record of the current snapshot; None if the folder has no finished graph.

    Raises:
        ConfigurationError: if the manifest names a snapshot that is not there.
    """
    if manifest.graph is None:
        return None
    if manifest.graph != HERE:
        return read_record(directory, manifest.graph)
    if manifest.build is None:
        return None
    return SnapshotRecord(path=HERE, extraction=extraction_digest(manifest), build=manifest.build)


def switch_link(directory: str, path: str) -> None:
    """Makes the link `DIR/graph` lead to a snapshot, in one step.

    The caller holds the manifest, which names the snapshot. So the link never goes back to an
    older one, and whoever finds it behind the manifest knows that its command was killed.

    A copy of a snapshot in the place of the link, as programs that follow links make it, is
    deleted. Does nothing on file systems without links, and where something else has that name.
    """
    if not is_local(directory) or path == HERE:
        return
    link = local_path(directory) / LINK
    new = link.with_name(f".{LINK}-{uuid.uuid4().hex}")
    try:
        for left in link.parent.glob(f".{LINK}-*"):
            if left.is_symlink():  # of a command that was killed right here
                left.unlink()
        if link.is_symlink():
            if os.readlink(link) == path:
                return
        elif (link / RECORD_FILE).is_file():
            shutil.rmtree(link)
        elif link.exists():
            _logger.warning("%s is no link of ours; it does not lead to the graph", link)
            return
        new.symlink_to(path, target_is_directory=True)
        os.replace(new, link)
    except OSError as error:
        _logger.debug("%s: no link: %s", link, error)
        new.unlink(missing_ok=True)


def is_link_behind(directory: str, manifest: Manifest) -> bool:
    """Whether the link `DIR/graph` leads to another whole snapshot than the manifest names.

    That is what a command leaves that is killed between the two; nothing else is ours to mend.
    """
    if not is_local(directory) or manifest.graph in (None, HERE):
        return False
    link = local_path(directory) / LINK
    is_other = link.is_symlink() and os.readlink(link) != manifest.graph
    return is_other and (link / RECORD_FILE).is_file()


def history(directory: str, path: str | None) -> Iterator[str]:
    """The paths of a snapshot and of those before it, as far as they are there."""
    seen: set[str] = set()
    while path is not None and path not in seen:
        seen.add(path)
        yield path
        if path == HERE:
            return
        try:
            path = read_record(directory, path).previous
        except ConfigurationError:
            return


def clean(directory: str, current: str, keep: int) -> None:
    """Deletes old snapshots, and what killed builds and older versions left behind.

    The caller holds the folder, and `current` is what the manifest names.

    Args:
        directory: the output folder.
        current: path of the current snapshot.
        keep: how many snapshots stay, the current one among them.
    """
    kept = list(history(directory, current))[:keep]
    if current != HERE:
        _delete_old_layout(directory)
    delete_temporary(directory, _OLD_TEMPORARY)
    builds = join(directory, BUILDS)
    begin = len(join(builds, ""))
    names = {m.path[begin:].replace(os.sep, "/").partition("/")[0] for m in list_folder(builds)}
    if is_local(builds) and local_path(builds).is_dir():
        names |= {path.name for path in local_path(builds).iterdir()}  # also empty ones
    for name in sorted(names):
        path = f"{BUILDS}/{name}"
        folder = place_of(directory, path)
        is_finished = exists(join(folder, RECORD_FILE))
        if path not in kept and (is_finished or is_abandoned(folder)):
            _delete_snapshot(folder)


def _delete_snapshot(folder: str) -> None:
    # The record goes first: what is deleted in part shall not look finished.
    _delete_file(join(folder, RECORD_FILE))
    delete_folder(folder)


def _delete_file(path: str) -> None:
    if exists(path):
        try:
            delete(path)
        except OSError:
            if exists(path):
                raise


def _delete_old_layout(directory: str) -> None:
    """Deletes the tables that an older version put directly into the folder."""
    schema = join(directory, GRAPH_SCHEMA_FILE)
    if not exists(schema):
        return
    from pfn_kg.schemas.tables import TABLE_SCHEMAS

    for name in (*TABLE_SCHEMAS, "rdf"):
        folder = join(directory, name)
        if name == "rejected":
            # What a server refused is no part of a graph, and stays.
            for metadata in list_folder(folder, "part-*.parquet"):
                delete(metadata.path)
        elif list_files(folder):
            delete_folder(folder)
    _delete_file(join(directory, ALIASES_FILE))
    # It goes last: without it nothing is looked for.
    _delete_file(schema)


def current_folder(directory: str, manifest: Manifest) -> str | None:
    """The folder of the current snapshot; None if there is no finished graph."""
    return None if manifest.graph is None else place_of(directory, manifest.graph)


def as_current(manifest: Manifest, record: SnapshotRecord, **fields: Any) -> Manifest:
    """The manifest with another current snapshot."""
    return manifest.changed(graph=record.path, build=record.build, state="done", **fields)
