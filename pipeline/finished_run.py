"""A finished graph in its output folder: what `load` and `export` begin with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, NamedTuple

from pfn_kg.pipeline.manifest import BuildRecord, Manifest, find_manifest
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.plumbing.files import absolute, join, read_if_there
from pfn_kg.transforms.tables.parts import TablePart, find_parts

#: The label schema that the graph was built with: that of the model, or the user's.
GRAPH_SCHEMA_FILE = "graph_schema.yaml"


class FinishedRun(NamedTuple):
    """A graph that is built.

    Attributes:
        directory: its output folder.
        manifest: its manifest.json.
        label_schema: the one it was built with.
    """

    directory: str
    manifest: Manifest
    label_schema: LabelSchema

    @property
    def run_id(self) -> str:
        """What tells this output folder from all others, however it is called."""
        assert self.manifest.run_id is not None  # or it is no finished run
        return self.manifest.run_id

    @property
    def build(self) -> BuildRecord:
        """How it was built, and what came out."""
        assert self.manifest.build is not None  # or it is no finished run
        return self.manifest.build

    @property
    def language(self) -> str | None:
        """Language of the corpus."""
        return self.manifest.configuration.language

    def version(self, **settings: Any) -> str:
        """What names one state of this graph: the run's id, a full stop, and a hash.

        Args:
            settings: all that decides what of the graph is written, and how.
        """
        build = self.build.model_dump(mode="json", exclude_unset=True, exclude={"seconds"})
        decides = {
            "chunks": [chunk.name for chunk in self.manifest.chunks or ()],
            "removed": self.manifest.removed,
            "build": build,
            "label_schema": self.label_schema.to_dict(),
            "program": version("pfn-kg"),
            "settings": settings,
        }
        spelt = json.dumps(decides, sort_keys=True, default=str).encode()
        return f"{self.run_id}.{blake2b(spelt, digest_size=8).hexdigest()}"

    def parts(self, tables: Iterable[str]) -> list[TablePart]:
        """The files of some of its tables.

        Raises:
            ConfigurationError: if one is missing.
        """
        return find_parts(self.directory, tables)


def read_finished(directory: str) -> FinishedRun:
    """A finished graph.

    Raises:
        ConfigurationError: if there is none, or not a whole one.
    """
    directory = absolute(directory)
    manifest = find_manifest(directory)
    if manifest is None:
        raise ConfigurationError(f"{directory}: no manifest.json there, so no finished graph")
    if manifest.state != "done" or manifest.build is None:
        raise ConfigurationError(
            f"{directory}: its graph is not finished; make it by `pfn-kg build {directory}`"
        )
    if manifest.run_id is None:
        raise ConfigurationError(
            f"{directory}: built by an older version; build it again by `pfn-kg build {directory}`"
        )
    path = join(directory, GRAPH_SCHEMA_FILE)
    content = read_if_there(path)
    if content is None:
        raise ConfigurationError(f"{path}: no label schema there; build the graph again")
    return FinishedRun(directory, manifest, LabelSchema.from_yaml(content.decode(), path))
