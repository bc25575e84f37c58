"""SPARQL over the RDF of a finished run, or of an export."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyoxigraph

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.manifest import ExportManifest, find_any_manifest
from pfn_kg.pipeline.no_network import has_service
from pfn_kg.pipeline.query_store import open_store
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.rdf.names import RdfNames
from pfn_kg.transforms.plumbing.files import (
    absolute,
    join,
    name_of,
    read_bytes,
)
from pfn_kg.transforms.plumbing.listing import list_folder

#: What describes the graph but is none of it: shapes and statistics.
_NOT_DATA = ("shapes.ttl", "void.ttl")
_SUFFIX = re.compile(r"\.(ttl|nt|trig)(\.gz)?$")
#: Known to all who write SPARQL, beside the namespaces of the graph.
_WELL_KNOWN = {
    "owl": "http://www.w3.org/2002/07/owl#",
    "schema": "https://schema.org/",
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
}
_POSITION = re.compile(r"error at (\d+):(\d+): ")
_PREFIXED = re.compile(r"(?<![\w:?$<])([A-Za-z][\w.-]{0,60}):[\w.-]{0,200}\s*$")
_DECLARED = re.compile(r"prefix\s+([\w.-]*):", re.IGNORECASE)


class RdfGraph(NamedTuple):
    """A graph that can be asked.

    Attributes:
        store: all of it; its default graph holds what stands in named graphs too.
        prefixes: of its namespaces, which queries need not declare.
    """

    store: pyoxigraph.Store
    prefixes: dict[str, str]

    def query(
        self, sparql: str
    ) -> pyoxigraph.QuerySolutions | pyoxigraph.QueryBoolean | pyoxigraph.QueryTriples:
        """The answer to a query; without GRAPH it is about all graphs together.

        Raises:
            ConfigurationError: if it is no SPARQL (names line and column), or asks another server.
        """
        if has_service(sparql):
            raise ConfigurationError(
                "SERVICE asks another server, and a query never leaves this machine",
                field="sparql",
            )
        try:
            return self.store.query(sparql, prefixes=self.prefixes)
        except SyntaxError as error:
            raise ConfigurationError(
                f"{_reason(str(error), sparql, self.prefixes)}", field="sparql"
            ) from None


def read_graph(directory: str) -> RdfGraph:
    """The RDF of the current graph of a run, or of an export.

    Args:
        directory: on any file system that Beam knows.

    Raises:
        ConfigurationError: if there is no RDF, or not all of it.
    """
    directory = absolute(directory)
    manifest = find_any_manifest(directory)
    if not isinstance(manifest, ExportManifest):
        return read_run_rdf(read_finished(directory))
    if manifest.export != "rdf":
        raise ConfigurationError(f"{directory}: an export to {manifest.export}, not RDF")
    if manifest.state != "done":
        raise ConfigurationError(f"{directory}: its export is not finished; export it again")
    return _read(directory, directory, directory, prefixes=_prefixes(manifest.options))


def read_run_rdf(run: FinishedRun) -> RdfGraph:
    """The RDF of a finished run.

    Args:
        run: one snapshot; which one is current is not looked up again.

    Raises:
        ConfigurationError: if there is no RDF, or not all of it.
    """
    prefixes = RdfNames(run.label_schema).prefixes()
    return _read(join(run.graph, "rdf"), run.graph, run.directory, prefixes=prefixes)


def _read(folder: str, beside: str, directory: str, *, prefixes: Mapping[str, str]) -> RdfGraph:
    files = _rdf_files(folder)
    if not any(not name.startswith("ontology.") for name in files):
        raise ConfigurationError(
            f"{folder}: no RDF there; write it by `pfn-kg build {directory}` or `pfn-kg export`"
        )
    store = open_store(beside, files, lambda store: _load_all(store, files))
    return RdfGraph(store, {**_WELL_KNOWN, **prefixes})


def _load_all(store: pyoxigraph.Store, files: Mapping[str, str]) -> None:
    for name, path in files.items():
        try:
            _load(store, _content(name, path), name)
        except SyntaxError as error:
            raise _unreadable(path, error) from None


def _content(name: str, path: str) -> bytes:
    data = read_bytes(path)
    if not name.endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: Exception) -> ConfigurationError:
    reason = " ".join(str(error).split())
    return ConfigurationError(f"{path}: not readable as RDF: {reason}")


def _load(store: pyoxigraph.Store, data: bytes, name: str) -> None:
    suffix = _SUFFIX.search(name)
    assert suffix is not None
    format_ = pyoxigraph.RdfFormat.from_extension(suffix[1])
    assert format_ is not None
    store.bulk_load(data, format_)
    if format_.supports_datasets:
        # The store's own union of graphs gives a triple once for each of them.
        quads = pyoxigraph.parse(data, format_)
        store.bulk_extend(pyoxigraph.Quad(*quad.triple) for quad in quads)


def _prefixes(options: Mapping[str, Any]) -> dict[str, str]:
    nothing: dict[str, Any] = {"entity_types": [], "relations": []}
    base = {"base_iri": options["base_iri"]} if "base_iri" in options else {}
    return RdfNames(LabelSchema.from_dict(nothing | base)).prefixes()


def _rdf_files(folder: str) -> dict[str, str]:
    try:
        folder_files = list_folder(folder, "*")
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error}") from None
    paths = sorted(metadata.path for metadata in folder_files)
    files = {name_of(path): path for path in paths}
    return {n: p for n, p in files.items() if _SUFFIX.search(n) and n not in _NOT_DATA}


def _reason(message: str, sparql: str, prefixes: Mapping[str, str]) -> str:
    """One line out of a parser's message, whose list of what it expected may be half of Unicode."""
    position = _POSITION.match(message)
    if position is None:
        return " ".join(message.split())
    line, column = int(position[1]), int(position[2])
    lines = sparql.split("\n")
    before = "\n".join([*lines[: line - 1], lines[line - 1][: column - 1]])
    after = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
    where = f"line {line}, column {column}"
    known = {*prefixes, *_DECLARED.findall(sparql)}
    if (name := _PREFIXED.search(before)) and name[1] not in known:
        return f"{where}: no namespace is known for the prefix {name[1]}:"
    return f"{where}: a syntax error after {_short(before)[-30:]!r}, at {_short(after)[:30]!r}"


def _short(text: str) -> str:
    return " ".join(text.split())
