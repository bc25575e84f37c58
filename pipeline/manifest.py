"""manifest.json: what a run read, how it was configured, what came out, and its state.

| version | differs in |
| --- | --- |
| 4 | `chunks` and `removed` name lists in files of their own (`pfn_kg.pipeline.manifest_lists`) |
| 3 | `graph` names the snapshot that is current |
| 2 | `removed` and each chunk's `generation` are always there |
| 1 | both may be absent; the first folders have no `run_id` and no `version` either |

A manifest of an older version is read as one of the newest, and written as that.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator

from pfn_kg.pipeline.manifest_lists import ChunkList, ChunkRecord, RemovedList
from pfn_kg.pipeline.manifest_parts import (
    BuildRecord,
    Configuration,
    ExtractionRecord,
    HistoryEvent,
    InputFile,
    LoadRecord,
    ModelRecord,
    Part,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import first_reason
from pfn_kg.transforms.plumbing.files import join, read_if_there, replace

if TYPE_CHECKING:
    import apache_beam as beam

#: Version of the manifest's fields.
MANIFEST_VERSION = 4

#: The path of a graph whose tables lie directly in the output folder, as up to version 2.
HERE = "."

_PACKAGES = ("pfn-kg", "apache-beam", "torch", "transformers", "pyarrow", "pyoxigraph")

RunState = Literal["extracting", "extracted", "building", "done", "failed"]


class Manifest(Part):
    """The manifest of an output folder.

    Attributes:
        version: of these fields.
        run_id: what tells this folder from all others; None in the first folders, until
            they are built again.
        state: how far the run is.
        inputs: the files of the corpus.
        configuration: options of the extraction.
        model: of the extractions.
        versions: of the packages.
        chunks: the list of the extraction files; None until the extraction is finished.
        removed: the list of removed documents; None if there are none.
        extract: what came out of the extraction.
        graph: path of the current snapshot, from the output folder; None if no graph is
            finished.
        build: of the current snapshot.
        loads: by the name of the graph in the database.
        history: what was done to the folder, the last one last; old events are left out.
    """

    version: int = MANIFEST_VERSION
    run_id: str | None = None
    state: RunState = "extracted"
    inputs: tuple[InputFile, ...] = ()
    configuration: Configuration = Configuration()
    model: ModelRecord = ModelRecord()
    versions: dict[str, str] = Field(default_factory=dict)
    chunks: ChunkList | None = None
    removed: RemovedList | None = None
    extract: ExtractionRecord | None = None
    graph: str | None = None
    build: BuildRecord | None = None
    loads: dict[str, LoadRecord] = Field(default_factory=dict)
    history: tuple[HistoryEvent, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source_name: str = "manifest") -> Manifest:
        """Reads a manifest of any version up to this one.

        Args:
            data: as in the file.
            source_name: the file, for errors.

        Raises:
            ConfigurationError: if its version is newer or a field is wrong; one line.
        """
        _check_version(data, source_name)
        try:
            return cls.model_validate(_migrated(data))
        except ValidationError as error:
            raise ConfigurationError(f"{source_name}: {first_reason(error)}") from None

    @property
    def extraction(self) -> ExtractionRecord:
        """What came out of the extraction; all zero until it is finished."""
        return self.extract or ExtractionRecord()

    @property
    def last_generation(self) -> int:
        """How many runs have added to the first one."""
        return 0 if self.chunks is None else self.chunks.last_generation

    @property
    def lists(self) -> tuple[ChunkList | RemovedList, ...]:
        """The lists that it names."""
        return tuple(list_ for list_ in (self.chunks, self.removed) if list_ is not None)

    def listed_chunks(self, directory: str) -> tuple[ChunkRecord, ...]:
        """The chunks of the output folder; for the machine that starts a job, not for workers."""
        return () if self.chunks is None else self.chunks.chunks(directory)

    def read_lists(
        self, pipeline: beam.Pipeline, directory: str
    ) -> tuple[beam.PCollection, beam.PCollection | None]:
        """The lists as collections of a pipeline.

        Args:
            pipeline: that reads them.
            directory: the output folder, in which each list must have its file.

        Returns:
            A collection of `ChunkFile`, and what
            `pfn_kg.transforms.documents.removed_documents.FindRemoved` gives for it; None if no
            document was removed.
        """
        from pfn_kg.transforms.documents.groups import group_count

        assert self.chunks is not None  # or nothing is extracted
        chunks = pipeline | "Chunks" >> self.chunks.reader(directory, self.model.hash)
        if self.removed is None:
            return chunks, None
        finder = self.removed.finder(directory, group_count(self.chunks.count))
        return chunks, chunks | "FindRemoved" >> finder

    def changed(self, **fields: Any) -> Manifest:
        """The manifest with other values of some fields."""
        return self.model_copy(update=fields)


class ExportManifest(Part):
    """The manifest of a folder of exported files.

    Attributes:
        version: of these fields.
        export: name of the sink that made the files.
        state: `deleting` while older files are deleted, `moving` until all new ones are there.
        attempt: what tells one call that writes the folder from others.
        source: the run: `directory` and `run_id`.
        options: of the sink.
        filters: which relations were written.
        counts: of what was written.
        seconds: that it took.
        versions: of the packages.
    """

    version: int = MANIFEST_VERSION
    export: str
    state: Literal["deleting", "moving", "done"] = "moving"
    attempt: str | None = None
    source: dict[str, str | None] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    filters: dict[str, Any] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    seconds: float = 0.0
    versions: dict[str, str] = Field(default_factory=dict)

    def changed(self, **fields: Any) -> ExportManifest:
        """The manifest with other values of some fields."""
        return self.model_copy(update=fields)


def _check_version(data: Mapping[str, Any], source_name: str) -> None:
    found = data.get("version", 1)
    if type(found) is not int or found < 1:
        raise ConfigurationError(f"{source_name}: version: {found!r} is no version of a manifest")
    if found > MANIFEST_VERSION:
        raise ConfigurationError(
            f"{source_name}: written by a newer pfn-kg (version {found} of the manifest; this one "
            f"reads versions up to {MANIFEST_VERSION})"
        )


class _InlineLists(Part):
    """The lists, as they stood in the manifest up to version 3; counts stood beside the name."""

    chunks: tuple[ChunkRecord, ...] | None = None
    removed: dict[str, int] | None = None

    @field_validator("chunks", mode="before")
    @classmethod
    def _with_counts(cls, chunks: Any) -> Any:
        own = ChunkRecord.model_fields
        if not isinstance(chunks, list):
            return chunks
        return [
            {name: value for name, value in chunk.items() if name in own}
            | {"counts": {name: value for name, value in chunk.items() if name not in own}}
            if isinstance(chunk, dict)
            else chunk
            for chunk in chunks
        ]


def _migrated(data: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of an older version as one of the newest."""
    data = dict(data)
    if data.get("version", 1) <= 3:
        lists = _InlineLists.model_validate(
            {name: data.get(name) for name in _InlineLists.model_fields}
        )
        data["chunks"] = None if lists.chunks is None else ChunkList.of(lists.chunks)
        data["removed"] = RemovedList.of(lists.removed or {})
    is_whole = data.get("build") is not None and data.get("state") in ("done", "extracted")
    if data.get("version", 1) <= 2 and is_whole:
        # In any other state the last build may have been killed while it moved its files.
        data["graph"] = HERE
    return data | {"version": MANIFEST_VERSION}


def manifest_path(directory: str) -> str:
    """Where the manifest of an output folder lies."""
    return join(directory, "manifest.json")


def find_any_manifest(directory: str) -> Manifest | ExportManifest | None:
    """The manifest of a run or of an export, or None if a folder has none.

    Raises:
        ConfigurationError: if it is not a manifest; names the file.
        OSError: if it is there but can't be read, for instance for want of rights.
    """
    path = manifest_path(directory)
    content = read_if_there(path)
    if content is None:
        return None
    try:
        data = json.loads(content)
    except ValueError:
        raise ConfigurationError(f"{path}: not valid JSON") from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: not a JSON object")
    if "export" not in data:
        return Manifest.from_dict(data, path)
    _check_version(data, path)
    try:
        return ExportManifest.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_reason(error)}") from None


def find_manifest(directory: str) -> Manifest | None:
    """The manifest of a run, or None if a folder has none.

    Raises:
        ConfigurationError: if it can't be read, or is that of an export.
    """
    manifest = find_any_manifest(directory)
    if isinstance(manifest, ExportManifest):
        raise ConfigurationError(f"{directory}: an export to {manifest.export}, not a run")
    return manifest


def read_extracted(directory: str) -> Manifest:
    """The manifest of a folder whose extraction is finished.

    Raises:
        ConfigurationError: if there is none, or it is not finished.
    """
    manifest = find_manifest(directory)
    if manifest is None:
        raise ConfigurationError(f"{directory}: no manifest.json there, so no finished extraction")
    if manifest.state == "extracting" or manifest.chunks is None:
        raise ConfigurationError(
            f"{directory}: its extraction is not finished; go on with it by `resume`"
        )
    return manifest


def write_manifest(directory: str, manifest: Manifest | ExportManifest) -> None:
    """Writes the manifest, after its lists; a reader finds the old one or the new one."""
    for list_ in manifest.lists if isinstance(manifest, Manifest) else ():
        list_.save(directory)
    data = {"version": manifest.version, **manifest.model_dump(mode="json", exclude_unset=True)}
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    replace(manifest_path(directory), text.encode())


def versions() -> dict[str, str]:
    """The versions of all that results depend on."""
    installed = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "not installed"
    return installed
