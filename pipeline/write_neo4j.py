"""`WriteNeo4j`: a finished graph into Neo4j, as a Beam transform for any pipeline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from os import PathLike, fspath

import apache_beam as beam

from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.folders import delete_folder, list_files
from pfn_kg.pipeline.load import (
    keep_rejected,
    make_sink,
    record_load,
    temporary_folder,
)
from pfn_kg.pipeline.locks import Owner, write_owner
from pfn_kg.pipeline.write_files import WriteRun, make_filters
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import LoadOptions, ServerOptions


class WriteNeo4j(beam.PTransform):
    """Loads a finished graph into a running Neo4j, so that the database mirrors it.

    The transform is the root of a pipeline and does the same as `pfn-kg load`. Every row is
    merged on its id, so a load may be repeated. At the end, rows of an older version of the same
    graph are deleted, and nothing else. Rows that the server refuses are kept in `rejected/` of
    the folder.

    The input is a folder and not a collection of rows, because a relationship can be written
    only after both its nodes.

    Args:
        directory: the output folder of a finished run, on any file system that Beam knows.
        uri: of the server, such as `neo4j+s://host:7687`.
        database: its database; the user's home database by default.
        username: None is without authentication.
        password: where a worker finds it, `env:NAME`, `file:PATH` or `secret:NAME`, never the
            password itself.
        graph: the graph's name in the database.
        replace: whether a graph of that name from another run may be replaced.
        lexical: whether documents and sentences are loaded too; the graph must have been built
            with the option `sentences`.
        writers: how many transactions may run side by side.
        min_confidence: relations below this confidence are left out.
        min_evidence: relations with fewer pieces of evidence are left out.
        relations: the relations to load, by their names in the label schema; all by default.

    Returns:
        A collection of one dictionary: what was counted.

    Raises:
        ConfigurationError: if there is no finished graph, or if an option is wrong.

    Example:
        >>> uri = "neo4j://localhost:7687"
        >>> pipeline | WriteNeo4j("runs/example", uri)  # doctest: +SKIP
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        uri: str,
        *,
        database: str | None = None,
        username: str | None = None,
        password: str | None = None,
        graph: str = "default",
        replace: bool = False,
        lexical: bool = False,
        writers: int = 1,
        min_confidence: float = 0.0,
        min_evidence: int = 1,
        relations: Sequence[str] | None = None,
    ):
        super().__init__()
        self._run = read_finished(fspath(directory))
        if (username is None) != (password is None):
            raise ConfigurationError("username, password: give both of them or none")
        server = {"uri": uri, "database": database, "username": username, "password": password}
        self._options = validate(
            LoadOptions,
            {
                "server": validate(ServerOptions, server),
                "graph": graph,
                "replace": replace,
                "lexical": lexical,
                "writers": writers,
                "filters": make_filters(min_confidence, min_evidence, relations),
            },
        )
        self._sink, self._version = make_sink(self._run, self._options)

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        run, options, version = self._run, self._options, self._version
        directory = run.directory
        temporary = temporary_folder(directory)

        owner = Owner.of_this_process("load")

        def begin(_: None) -> float:
            write_owner(temporary, owner)
            return time.time()

        def end(counts: dict[str, int], began: float) -> dict[str, int]:
            # A runner may try this step again when all of it is done.
            if list_files(temporary):
                keep_rejected(directory, options.graph, temporary, counts["rejected"])
                record_load(directory, options, version, counts, time.time() - began)
                delete_folder(temporary)
            return counts

        begun = root | "Once" >> beam.Create([None]) | "Begin" >> beam.Map(begin)
        return (
            begun
            | "Graph" >> WriteRun(run, self._sink, temporary, options.filters)
            | "Record" >> beam.Map(end, beam.pvalue.AsSingleton(begun))
        )
