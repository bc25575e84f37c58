"""A finished graph in its output folder: what `load` and `export` begin with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from pfn_kg.pipeline.manifest import BuildRecord, Manifest, find_manifest
from pfn_kg.pipeline.snapshots import (
    GRAPH_SCHEMA_FILE,
    SnapshotRecord,
    current_record,
    place_of,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.plumbing.files import absolute, join, read_if_there

# Whoever asks a graph in SPARQL needs no Arrow.
if TYPE_CHECKING:
    import pyarrow as pa

    from pfn_kg.transforms.tables.parts import TablePart


class FinishedRun(NamedTuple):
    """A graph that is built: one snapshot, to which whoever has it holds.

    Attributes:
        directory: the output folder.
        manifest: its manifest.json.
        snapshot: the record of the snapshot.
        label_schema: the one it was built with.
    """

    directory: str
    manifest: Manifest
    snapshot: SnapshotRecord
    label_schema: LabelSchema

    @property
    def graph(self) -> str:
        """The folder of the snapshot: tables, RDF and label schema."""
        return place_of(self.directory, self.snapshot.path)

    @property
    def run_id(self) -> str:
        """What tells this output folder from all others, however it is called."""
        assert self.manifest.run_id is not None  # or it is no finished run
        return self.manifest.run_id

    @property
    def build(self) -> BuildRecord:
        """How it was built, and what came out."""
        return self.snapshot.build

    @property
    def language(self) -> str | None:
        """Language of the corpus."""
        return self.manifest.configuration.language

    def version(self, **settings: Any) -> str:
        """What names one state of this graph: the run's id, a full stop, and a hash.

        Args:
            settings: all that decides what of the graph is written, and how.
        """
        build = self.build.model_dump(
            mode="json", exclude_unset=True, exclude={"seconds", "metrics"}
        )
        # How many snapshots are kept changes no graph.
        build["options"] = {k: v for k, v in build["options"].items() if k != "keep_builds"}
        decides = {
            "extraction": self.snapshot.extraction,
            "build": build,
            "label_schema": self.label_schema.to_dict(),
            "program": version("pfn-kg"),
            "settings": settings,
        }
        spelt = json.dumps(decides, sort_keys=True, default=str).encode()
        return f"{self.run_id}.{blake2b(spelt, digest_size=8).hexdigest()}"

    def schema_of(self, table: str) -> pa.Schema:
        """The columns of a table of this graph: with corrections some tables have more.

        Args:
            table: a key of `pfn_kg.schemas.tables.TABLE_SCHEMAS`.
        """
        from pfn_kg.schemas.tables import table_schema

        return table_schema(table, corrected=self.has_corrections)

    @property
    def has_corrections(self) -> bool:
        """Whether it was built with corrections."""
        return self.build.options.get("corrections") is not None

    def parts(self, tables: Iterable[str]) -> list[TablePart]:
        """The files of some of its tables.

        Raises:
            ConfigurationError: if one is missing.
        """
        from pfn_kg.transforms.tables.parts import find_parts

        return find_parts(self.graph, tables)


def read_finished(directory: str) -> FinishedRun:
    """The current graph of an output folder.

    A build that is running, or has failed, leaves the graph before it in its place.

    Raises:
        ConfigurationError: if there is none.
    """
    directory = absolute(directory)
    manifest = find_manifest(directory)
    if manifest is None:
        raise ConfigurationError(f"{directory}: no manifest.json there, so no finished graph")
    snapshot = current_record(directory, manifest)
    if snapshot is None:
        raise ConfigurationError(
            f"{directory}: its graph is not finished; make it by `pfn-kg build {directory}`"
        )
    if manifest.run_id is None:
        raise ConfigurationError(
            f"{directory}: built by an older version; build it again by `pfn-kg build {directory}`"
        )
    label_schema = read_label_schema(join(place_of(directory, snapshot.path), GRAPH_SCHEMA_FILE))
    return FinishedRun(directory, manifest, snapshot, label_schema)


def read_label_schema(path: str) -> LabelSchema:
    """A label schema in an output folder.

    Raises:
        ConfigurationError: if there is none, or it is wrong; names the file.
        OSError: if it is there but can't be read.
    """
    content = read_if_there(path)
    if content is None:
        raise ConfigurationError(f"{path}: no label schema there; build the graph again")
    return LabelSchema.from_yaml(content.decode(), path)
