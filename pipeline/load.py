"""A finished graph into Neo4j: the tables of a run through the sink of a running server."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from urllib.parse import quote

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.folders import delete_folder, delete_temporary
from pfn_kg.pipeline.lineage import lineage, load_sets, neo4j_target
from pfn_kg.pipeline.locks import Owner, is_abandoned, write_owner
from pfn_kg.pipeline.manifest import LoadRecord, versions
from pfn_kg.pipeline.manifest_updates import update_manifest
from pfn_kg.pipeline.options import is_local_run
from pfn_kg.pipeline.told_rows import keep_told, open_told
from pfn_kg.pipeline.verify_files import check_files
from pfn_kg.pipeline.write_graph import REJECTED_FILE, run_sink
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import LoadOptions, ServerOptions
from pfn_kg.sinks.neo4j.connection import Neo4jServer, Neo4jUnavailableError
from pfn_kg.sinks.neo4j.sink import Neo4jOptions, Neo4jSink
from pfn_kg.sinks.neo4j.told import Told
from pfn_kg.sinks.neo4j.vectors import add_vectors
from pfn_kg.transforms.plumbing.files import (
    delete,
    exists,
    join,
    make_folder,
    open_raw,
    read_pieces,
    replace_by_pieces,
)

_logger = logging.getLogger(__name__)

#: How the names of folders begin that hold the counts and rejected rows of a load.
TEMPORARY_PREFIX = ".load-"


def load(
    run: FinishedRun, options: LoadOptions, pipeline_args: Sequence[str] = ()
) -> dict[str, int]:
    """Loads the graph of a run, so that the database mirrors it.

    Rows that the server refuses are kept in DIR/rejected/, in a file that the next load
    of the same graph replaces.

    Args:
        run: the graph.
        options: where it goes and how.
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.

    Returns:
        What was counted.

    Raises:
        ConfigurationError: if a file of the graph is not what its build wrote, an option is
            wrong, the server does not answer, or the name of the graph is taken.
    """
    counts: dict[str, int] = {}
    target = neo4j_target(options.server.uri, options.server.database, options.graph)
    with lineage("load", run.directory, lambda: load_sets(run.directory, target, counts)):
        counts |= _load(run, options, pipeline_args)
    return counts


def _load(run: FinishedRun, options: LoadOptions, pipeline_args: Sequence[str]) -> dict[str, int]:
    started = time.monotonic()
    check_files(run)
    temporary = temporary_folder(run.directory)
    tables = [table for stage in make_sink(run, options)[0].stages for table in stage]
    told = open_told(run, options.server, options.graph, tables, temporary)
    sink, version = make_sink(run, options, told)
    embedder = None
    if options.vectors is not None:
        from pfn_kg.pfn.inference.embedding import open_embedder

        embedder = open_embedder(options.vectors, field="neo4j_vectors")
    if is_local_run(pipeline_args):
        with _as_wrong_call(), closing(sink):
            sink.open()
            sink.prepare()
    delete_temporary(run.directory, TEMPORARY_PREFIX, is_abandoned)
    try:
        write_owner(temporary, Owner.of_this_process("load"))
        counts = run_sink(
            run, sink, temporary, filters=options.filters, pipeline_args=pipeline_args
        )
        keep_told(run.directory, options.server, options.graph, told, temporary)
        keep_rejected(run.directory, options.graph, temporary, counts["rejected"])
        if counts["rejected"]:
            _hint_at_constraints(join(temporary, REJECTED_FILE))
    finally:
        delete_folder(temporary)
    if embedder is not None:
        with _as_wrong_call():
            counts["neo4j_vectors"] = add_vectors(
                _connectable(options.server),
                options.graph,
                embedder.embed,
                width=embedder.width,
                encoder=embedder.key,
            )
    record_load(run.directory, options, version, counts, time.monotonic() - started)
    return counts


def make_sink(
    run: FinishedRun, options: LoadOptions, told: Told | None = None
) -> tuple[Neo4jSink, str]:
    """The sink of a load, and the version that it gives to all that it writes.

    Args:
        run: the graph.
        options: where it goes and how.
        told: of the load before; None sends all rows.

    Raises:
        ConfigurationError: if an option is wrong; the server is not asked.
    """
    if options.lexical:
        _check_sentences(run)
    options.filters.check(run.label_schema)
    version = run.version(filters=options.filters.key, lexical=options.lexical)
    settings = Neo4jOptions(
        graph=options.graph,
        version=version,
        replace=options.replace,
        lexical=options.lexical,
        writers=options.writers,
        batch_rows=options.batch_rows,
        told=told,
    )
    return Neo4jSink(run.label_schema, _connectable(options.server), settings), version


def temporary_folder(directory: str) -> str:
    """A new name for the folder of a load's counts and rejected rows."""
    return join(directory, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")


def record_load(
    directory: str, options: LoadOptions, version: str, counts: dict[str, int], seconds: float
) -> None:
    """Says in the run's manifest what was loaded, where and how."""
    record = LoadRecord(
        uri=options.server.uri,
        database=options.server.database,
        version=version,
        options={
            "lexical": options.lexical,
            "vectors": options.vectors,
            "writers": options.writers,
            **options.filters.model_dump(mode="json"),
        },
        counts=counts,
        seconds=round(seconds, 3),
        versions=versions(),
    )
    update_manifest(
        directory,
        "load",
        lambda manifest: manifest.changed(loads=manifest.loads | {options.graph: record}),
    )


def _check_sentences(run: FinishedRun) -> None:
    try:
        run.parts(["sentences"])
    except ConfigurationError:
        raise ConfigurationError(
            f"{join(run.graph, 'sentences')} is not there; make it by "
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


def _hint_at_constraints(rejected: str) -> None:
    """Says so on standard error if a constraint of others refused rows."""
    # Ours are on the graph's name and the id together, and every row is merged on both.
    refused = 0
    with open_raw(rejected) as file:
        for rows in pq.ParquetFile(file).iter_batches(columns=["error"]):
            is_of_others = pc.match_substring(rows["error"], "already exists with")
            refused += pc.sum(is_of_others).as_py() or 0
    if refused:
        _logger.warning(
            "%d rows were refused by a constraint that pfn-kg did not make, such as one on "
            "__Entity__.id, under which two graphs can't share an id: look at SHOW CONSTRAINTS, "
            "drop it, or load into another database",
            refused,
        )


def keep_rejected(directory: str, graph: str, temporary: str, rejected: int) -> None:
    """Puts the rows that a server refused in the place of those of an earlier load."""
    folder = join(directory, "rejected")
    target = join(folder, f"neo4j-{quote(graph, safe='')}.parquet")
    if rejected:
        make_folder(folder)
        replace_by_pieces(target, read_pieces(join(temporary, REJECTED_FILE)))
    elif exists(target):
        delete(target)
