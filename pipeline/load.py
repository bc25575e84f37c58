"""A finished graph into Neo4j: the tables of a run through the sink of a running server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from urllib.parse import quote

from apache_beam.io.filesystems import FileSystems

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.folders import delete_folder, delete_temporary
from pfn_kg.pipeline.manifest import LoadRecord, read_extracted, versions, write_manifest
from pfn_kg.pipeline.options import is_local_run
from pfn_kg.pipeline.write_graph import REJECTED_FILE, run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import LoadOptions, ServerOptions
from pfn_kg.sinks.neo4j.connection import Neo4jServer, Neo4jUnavailableError
from pfn_kg.sinks.neo4j.sink import Neo4jOptions, Neo4jSink
from pfn_kg.transforms.plumbing.files import join, make_folder, read_bytes, replace

_TEMPORARY = ".load-"


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
    server = _connectable(options.server)
    settings = Neo4jOptions(
        graph=options.graph,
        version=run.version(filters=options.filters.key, lexical=options.lexical),
        replace=options.replace,
        lexical=options.lexical,
        writers=options.writers,
        batch_rows=options.batch_rows,
    )
    if options.lexical:
        _check_sentences(run)
    options.filters.check(run.label_schema)
    sink = Neo4jSink(run.label_schema, server, settings)
    if is_local_run(pipeline_args):
        with _as_wrong_call(), closing(sink):
            sink.open()
            sink.prepare()
    delete_temporary(run.directory, _TEMPORARY)
    temporary = join(run.directory, f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        counts = run_sink(
            run, sink, temporary, filters=options.filters, pipeline_args=pipeline_args
        )
        _keep_rejected(run.directory, options.graph, temporary, counts["rejected"])
    finally:
        delete_folder(temporary)
    record = LoadRecord(
        uri=server.uri,
        database=server.database,
        version=settings.version,
        options={
            "lexical": options.lexical,
            "writers": options.writers,
            **options.filters.model_dump(mode="json"),
        },
        counts=counts,
        seconds=round(time.monotonic() - started, 3),
        versions=versions(),
    )
    manifest = read_extracted(run.directory)
    write_manifest(run.directory, manifest.changed(loads=manifest.loads | {options.graph: record}))
    return counts


def _check_sentences(run: FinishedRun) -> None:
    try:
        run.parts(["sentences"])
    except ConfigurationError:
        raise ConfigurationError(
            f"{join(run.directory, 'sentences')} is not there; make it by "
            f"`pfn-kg build {run.directory}` with `sentences`",
            field="neo4j_lexical",
        ) from None


def check_server(server: ServerOptions, pipeline_args: Sequence[str] = ()) -> None:
    """Asks the server for an answer, so that a wrong password ends no long run.

    Args:
        server: the server.
        pipeline_args: Beam's own options; workers elsewhere may see a server that this
            machine does not, so it is asked for local runs alone.

    Raises:
        ConfigurationError: if it does not answer, or refuses.
    """
    if is_local_run(pipeline_args):
        known = _connectable(server)
        with known.connect() as driver, _as_wrong_call():
            known.verify(driver)


def _connectable(server: ServerOptions) -> Neo4jServer:
    return Neo4jServer(**dict(server))


@contextmanager
def _as_wrong_call() -> Iterator[None]:
    """Before any work, a server that does not answer is a wrong option."""
    try:
        yield
    except Neo4jUnavailableError as error:
        raise ConfigurationError(f"{error}", field="neo4j_uri") from None


def _keep_rejected(directory: str, graph: str, temporary: str, rejected: int) -> None:
    folder = join(directory, "rejected")
    target = join(folder, f"neo4j-{quote(graph, safe='')}.parquet")
    if rejected:
        make_folder(folder)
        replace(target, read_bytes(join(temporary, REJECTED_FILE)))
    elif FileSystems.exists(target):
        FileSystems.delete([target])
