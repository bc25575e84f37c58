"""manifest.json: what a run read, how it was configured, what came out, and its state.

| version | differs in |
| --- | --- |
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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import first_reason
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.plumbing.files import join, read_if_there, replace

#: Version of the manifest's fields.
MANIFEST_VERSION = 3

#: The path of a graph whose tables lie directly in the output folder, as up to version 2.
HERE = "."

_PACKAGES = ("pfn-kg", "apache-beam", "torch", "transformers", "pyarrow", "pyoxigraph")

RunState = Literal["extracting", "extracted", "building", "done", "failed"]


class Part(BaseModel):
    """A part of a manifest; keys that this version does not know are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class InputFile(Part):
    """A file of the corpus, as it was when it was read last.

    Attributes:
        path: where it is.
        size: in bytes.
        version: time of its last change, or checksum.
        rows: of its footer.
        error: why it could not be read, if it could not.
    """

    path: str
    size: int
    version: str
    rows: int
    error: str | None = None


class ChunkRecord(Part):
    """An extraction file; what was counted in it stands beside these.

    Attributes:
        name: of the file, without its suffix.
        generation: how many runs had added to the folder before it was written.
        model_hash: of the model that wrote it; None is the manifest's model.
    """

    name: str
    generation: int = 0
    model_hash: str | None = None


class ModelRecord(Part):
    """The model of the extractions.

    Attributes:
        name: what workers load: a folder, or the name of a shipped model.
        hash: of configuration, weights and tokenizer.
        entity_threshold: lambda_e of the model (eq. 13).
        relation_threshold: lambda_r of the model (eq. 13).
        calibration: as in `PFNConfig.calibration`.
    """

    name: str | None = None
    hash: str = ""
    entity_threshold: float = 0.5
    relation_threshold: float = 0.5
    calibration: dict[str, Any] | None = None


class Configuration(Part):
    """The options of the extraction by the names of their fields; most of them are only kept.

    Attributes:
        language: of the corpus.
        token_budget: of a batch.
        entity_floor: from which score on mentions were kept.
        relation_floor: from which score on head triples were kept.
    """

    language: str | None = None
    token_budget: int | None = None
    entity_floor: float = 0.0
    relation_floor: float = 0.0

    def recorded(self) -> dict[str, Any]:
        """All options that were recorded, by name."""
        return self.model_dump(mode="json", exclude_unset=True)


class ExtractionRecord(Part):
    """What came out of the extraction.

    Attributes:
        seconds: that it took.
        counts: of rows, sentences, mentions and so on.
        resumed_rows: rows that an earlier run had finished.
        sentences_per_second: of those that this run read.
        documents_per_second: likewise.
        unchanged_rows: of an update, rows whose document the graph had already.
    """

    seconds: float = 0.0
    counts: dict[str, int] = {}
    resumed_rows: int = 0
    sentences_per_second: float = 0.0
    documents_per_second: float = 0.0
    unchanged_rows: int | None = None


class BuildRecord(Part):
    """How the graph was built last, and what came out.

    Attributes:
        options: as `pfn_kg.pipeline.build_phase.recorded_options` reads them.
        seconds: that it took.
        counts: of rows by table, of what rules did and so on.
        precision: of the model by the facts that corrections judge, as in
            `pfn_kg.pipeline.correction_precision.precision_record`; absent without any.
    """

    options: dict[str, Any] = {}
    seconds: float = 0.0
    counts: dict[str, int] = {}
    precision: dict[str, Any] | None = None


class LoadRecord(Part):
    """How the graph was loaded into Neo4j under one name.

    Attributes:
        uri: of the server.
        database: None is the user's home database.
        version: of the graph that was loaded.
        options: that decided what was loaded.
        counts: of what was loaded.
        seconds: that it took.
        versions: of the packages.
    """

    uri: str
    database: str | None = None
    version: str
    options: dict[str, Any] = {}
    counts: dict[str, int] = {}
    seconds: float = 0.0
    versions: dict[str, str] = {}


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
        chunks: the extraction files in order; None until the extraction is finished.
        removed: ids of removed documents, each with the last generation that it is removed from.
        extract: what came out of the extraction.
        graph: path of the current snapshot, from the output folder; None if no graph is
            finished.
        build: of the current snapshot.
        loads: by the name of the graph in the database.
    """

    version: int = MANIFEST_VERSION
    run_id: str | None = None
    state: RunState = "extracted"
    inputs: tuple[InputFile, ...] = ()
    configuration: Configuration = Configuration()
    model: ModelRecord = ModelRecord()
    versions: dict[str, str] = {}
    chunks: tuple[ChunkRecord, ...] | None = None
    removed: dict[str, int] = {}
    extract: ExtractionRecord | None = None
    graph: str | None = None
    build: BuildRecord | None = None
    loads: dict[str, LoadRecord] = {}

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
        return max((chunk.generation for chunk in self.chunks or ()), default=0)

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
    source: dict[str, str | None] = {}
    options: dict[str, Any] = {}
    filters: dict[str, Any] = {}
    counts: dict[str, int] = {}
    seconds: float = 0.0
    versions: dict[str, str] = {}

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


def _migrated(data: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of an older version as one of the newest."""
    data = dict(data)
    if data.get("version", 1) == 1:
        data["removed"] = data.get("removed") or {}
        if isinstance(data.get("chunks"), list):
            data["chunks"] = [
                {"generation": 0, **chunk} if isinstance(chunk, dict) else chunk
                for chunk in data["chunks"]
            ]
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


def chunk_files(folder: ExtractionFolder, manifest: Manifest) -> list[ChunkFile]:
    """The files of the chunks that a manifest lists, in its order."""
    return [
        ChunkFile(
            index,
            folder.file(chunk.name),
            chunk.model_hash or manifest.model.hash,
            chunk.generation,
        )
        for index, chunk in enumerate(manifest.chunks or ())
    ]


def write_manifest(directory: str, manifest: Manifest | ExportManifest) -> None:
    """Writes the manifest; a reader finds the old one or the new one."""
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
