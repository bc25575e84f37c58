"""A finished graph into Neo4j: the tables of a run through the sink of a running server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from os import PathLike, fspath
from typing import Any, NamedTuple
from urllib.parse import quote

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.folders import delete_folder, delete_temporary, list_files
from pfn_kg.pipeline.manifest import read_extracted, versions, write_manifest
from pfn_kg.pipeline.options import is_local_run
from pfn_kg.pipeline.write_graph import REJECTED_FILE, Filters, WriteRun, run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.sinks.neo4j.connection import Neo4jServer, Neo4jUnavailableError
from pfn_kg.sinks.neo4j.sink import BATCH_ROWS, Neo4jOptions, Neo4jSink
from pfn_kg.transforms.plumbing.files import join, make_folder, read_bytes, replace

_TEMPORARY = ".load-"


class LoadOptions(NamedTuple):
    """How a graph is loaded into Neo4j.

    Attributes:
        server: where it goes.
        graph: its name in the database.
        replace: whether a graph of that name from another run may be replaced.
        lexical: whether the text is loaded too.
        writers: how many transactions may run side by side.
        filters: which relations are loaded.
        batch_rows: rows in one transaction; halved where the server's memory is too small.
    """

    server: Neo4jServer
    graph: str = "default"
    replace: bool = False
    lexical: bool = False
    writers: int = 1
    filters: Filters = Filters()
    batch_rows: int = BATCH_ROWS

    def check(self) -> None:
        """Refuses what can't be meant.

        Raises:
            ConfigurationError: names the option.
        """
        self.server.check()
        if not self.graph.strip():
            raise ConfigurationError("--graph: the name is empty")
        if self.writers < 1:
            raise ConfigurationError(f"--neo4j-writers: {self.writers} is not 1 or more")


def load(
    run: FinishedRun, options: LoadOptions, pipeline_args: Sequence[str] = ()
) -> dict[str, int]:
    """Loads the graph of a run, so that the database mirrors it.

    Rows that the server refuses are kept in DIR/rejected/, in a file that the next load
    of the same graph replaces.

    Args:
        run: the graph.
        options: where it goes and how.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.

    Returns:
        What was counted.

    Raises:
        ConfigurationError: if an option is wrong, the server does not answer, or the
            name of the graph is taken.
    """
    started = time.monotonic()
    sink, version = make_sink(run, options)
    if is_local_run(pipeline_args):
        with _as_wrong_call(), closing(sink):
            sink.open()
            sink.prepare()
    delete_temporary(run.directory, _TEMPORARY)
    temporary = _temporary_folder(run.directory)
    try:
        counts = run_sink(run, sink, temporary, options.filters, pipeline_args)
        _keep_rejected(run.directory, options.graph, temporary, counts["rejected"])
    finally:
        delete_folder(temporary)
    _record(run.directory, options, version, counts, time.monotonic() - started)
    return counts


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
        password: where a worker finds it, `env:NAME` or `file:PATH`, never the password itself.
        graph: the graph's name in the database.
        replace: whether a graph of that name from another run may be replaced.
        lexical: whether documents and sentences are loaded too; the graph must have been built
            with `--sentences`.
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
        self._options = LoadOptions(
            server=Neo4jServer(uri, database=database, username=username, password=password),
            graph=graph,
            replace=replace,
            lexical=lexical,
            writers=writers,
            filters=Filters.of(min_confidence, min_evidence, relations),
        )
        self._sink, self._version = make_sink(self._run, self._options)

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        run, options, version = self._run, self._options, self._version
        directory = run.directory
        temporary = _temporary_folder(directory)

        def begin(_: None) -> float:
            make_folder(temporary)
            return time.time()

        def end(counts: dict[str, int], began: float) -> dict[str, int]:
            # A runner may try this step again when all of it is done.
            if list_files(temporary):
                _keep_rejected(directory, options.graph, temporary, counts["rejected"])
                _record(directory, options, version, counts, time.time() - began)
                delete_temporary(directory, _TEMPORARY)
            return counts

        begun = root | "Once" >> beam.Create([None]) | "Begin" >> beam.Map(begin)
        return (
            begun
            | "Graph" >> WriteRun(run, self._sink, temporary, options.filters)
            | "Record" >> beam.Map(end, beam.pvalue.AsSingleton(begun))
        )


def make_sink(run: FinishedRun, options: LoadOptions) -> tuple[Neo4jSink, str]:
    """The sink of a load, and the version that it gives to all that it writes.

    Raises:
        ConfigurationError: if an option is wrong; the server is not asked.
    """
    options.check()
    if options.lexical:
        _check_sentences(run)
    options.filters.check(run.label_schema)
    version = run.version(filters=options.filters, lexical=options.lexical)
    settings = Neo4jOptions(
        graph=options.graph,
        version=version,
        replace=options.replace,
        lexical=options.lexical,
        writers=options.writers,
        batch_rows=options.batch_rows,
    )
    return Neo4jSink(run.label_schema, options.server, settings), version


def _temporary_folder(directory: str) -> str:
    return join(directory, f"{_TEMPORARY}{uuid.uuid4().hex}")


def _record(
    directory: str, options: LoadOptions, version: str, counts: dict[str, int], seconds: float
) -> None:
    """Says in the run's manifest what was loaded, where and how."""
    done = {
        "uri": options.server.uri,
        "database": options.server.database,
        "version": version,
        "options": {
            "lexical": options.lexical,
            "writers": options.writers,
            **options.filters._asdict(),
        },
        "counts": counts,
        "seconds": round(seconds, 3),
        "versions": versions(),
    }
    manifest = read_extracted(directory)
    loads: dict[str, Any] = manifest.get("loads", {}) | {options.graph: done}
    write_manifest(directory, manifest | {"loads": loads})


def _check_sentences(run: FinishedRun) -> None:
    try:
        run.parts(["sentences"])
    except ConfigurationError:
        raise ConfigurationError(
            f"--neo4j-lexical: {join(run.directory, 'sentences')} is not there; make it by "
            f"`pfn-kg build {run.directory} --sentences`"
        ) from None


def check_server(server: Neo4jServer, pipeline_args: Sequence[str] = ()) -> None:
    """Asks the server for an answer, so that a wrong password ends no long run.

    Args:
        server: the server.
        pipeline_args: Beam's own options; workers elsewhere may see a server that this
            machine does not, so it is asked for local runs alone.

    Raises:
        ConfigurationError: if it does not answer, or refuses.
    """
    if is_local_run(pipeline_args):
        with server.connect() as driver, _as_wrong_call():
            server.verify(driver)


@contextmanager
def _as_wrong_call() -> Iterator[None]:
    """Before any work, a server that does not answer is a wrong option."""
    try:
        yield
    except Neo4jUnavailableError as error:
        raise ConfigurationError(f"--neo4j-uri: {error}") from None


def _keep_rejected(directory: str, graph: str, temporary: str, rejected: int) -> None:
    folder = join(directory, "rejected")
    target = join(folder, f"neo4j-{quote(graph, safe='')}.parquet")
    if rejected:
        make_folder(folder)
        replace(target, read_bytes(join(temporary, REJECTED_FILE)))
    elif FileSystems.exists(target):
        FileSystems.delete([target])
