"""OpenLineage: which data sets an extraction, a build or a load read and wrote, for a catalogue.

Nothing is sent, and nothing is imported, unless OpenLineage's own configuration names a transport
(`OPENLINEAGE_URL`, `OPENLINEAGE_CONFIG`, variables that begin with `OPENLINEAGE__`, or a file
`openlineage.yml`) and the extra `openlineage` is installed.

A data set is a folder, named as OpenLineage names it: the namespace is the file system, the name is
the path. A graph has the same name after every build; its version is the path of its snapshot.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from pfn_kg.pipeline.manifest import Manifest, find_manifest, versions
from pfn_kg.pipeline.snapshots import LINK
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.transforms.plumbing.files import folder_and_name, join

if TYPE_CHECKING:
    import pyarrow as pa
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, OutputDataset

Job: TypeAlias = Literal["extract", "build", "load"]

_PREFIX = "OPENLINEAGE__"
_FILE = "openlineage.yml"
_DEFAULT_NAMESPACE = "pfn-kg"
_PRODUCER = "urn:pfn-kg"
# More characters of an error say no more.
_MOST_CHARACTERS = 2000

_logger = logging.getLogger(__name__)

_is_untold: ContextVar[bool] = ContextVar("is_untold", default=False)


class DataSet(NamedTuple):
    """A folder, or a graph of a database.

    Attributes:
        uri: where it is.
        rows: how many it has; None where that is not known.
        files: likewise.
        bytes: likewise.
        schema: of its rows; None where it has none.
        version: which state of it is meant, if it has versions.
    """

    uri: str
    rows: int | None = None
    files: int | None = None
    bytes: int | None = None
    schema: pa.Schema | None = None
    version: str | None = None


class DataSets(NamedTuple):
    """What a job read, and what it wrote."""

    inputs: list[DataSet]
    outputs: list[DataSet]


def extraction_sets(directory: str) -> DataSets:
    """The folders of a corpus, and the extractions."""
    manifest = _manifest(directory)
    rows, files, sizes = Counter[str](), Counter[str](), Counter[str]()
    for file in manifest.inputs:
        folder = folder_and_name(file.path)[0]
        rows[folder] += file.rows
        files[folder] += 1
        sizes[folder] += file.size
    corpus = [DataSet(name, rows[name], files[name], sizes[name]) for name in sorted(files)]
    return DataSets(corpus, [_extractions(directory, manifest)])


def build_sets(directory: str) -> DataSets:
    """The extractions, and the tables of the current graph."""
    manifest = _manifest(directory)
    return DataSets([_extractions(directory, manifest)], _tables(directory, manifest))


def load_sets(directory: str, target: str, counts: Mapping[str, int]) -> DataSets:
    """The tables of the current graph, and a graph of a database.

    Args:
        directory: the output folder.
        target: URI of the graph: of the server, with the database and the name as its path.
        counts: of the load.
    """
    rows = counts.get("neo4j_entities", 0) + counts.get("neo4j_relations", 0)
    return DataSets(_tables(directory, _manifest(directory)), [DataSet(target, rows)])


def neo4j_target(uri: str, database: str | None, graph: str) -> str:
    """The URI of a graph in Neo4j, without an account.

    Example:
        >>> neo4j_target("bolt://me:secret@db.example:7687", None, "news")
        'bolt://db.example:7687/neo4j/news'
    """
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{database or 'neo4j'}/{graph}"


def _manifest(directory: str) -> Manifest:
    return find_manifest(directory) or Manifest()


def _extractions(directory: str, manifest: Manifest) -> DataSet:
    from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA

    chunks = manifest.chunks
    listed = () if chunks is None else manifest.listed_chunks(directory)
    return DataSet(
        join(directory, "extractions"),
        rows=sum(chunk.counts.get("rows", 0) for chunk in listed),
        files=len(listed),
        schema=EXTRACTION_SCHEMA,
        version=None if chunks is None else chunks.digest,
    )


def _tables(directory: str, manifest: Manifest) -> list[DataSet]:
    from pfn_kg.schemas.tables import TABLE_SCHEMAS, table_schema

    if manifest.build is None:
        return []
    counts, options = manifest.build.counts, manifest.build.options
    corrected = options.get("corrections") is not None
    return [
        DataSet(
            join(directory, LINK, table),
            rows=counts.get(table, 0),
            schema=table_schema(table, corrected=corrected),
            version=manifest.graph,
        )
        for table in TABLE_SCHEMAS
        if table != "sentences" or options.get("sentences")
    ]


@contextmanager
def untold() -> Iterator[None]:
    """Tells nobody of the jobs in the block: of graphs that are only scored, and then deleted."""
    token = _is_untold.set(True)
    try:
        yield
    finally:
        _is_untold.reset(token)


@contextmanager
def lineage(job: Job, directory: str, sets: Callable[[], DataSets]) -> Iterator[None]:
    """Tells of a job that begins and ends in the block.

    Args:
        job: what is done.
        directory: the output folder.
        sets: gives what was read and written, once the block is done.
    """
    run_id = tell_start(job, directory)
    try:
        yield
    except Exception as error:
        tell_failure(job, directory, run_id, error)
        raise
    tell_end(job, directory, run_id, sets)


def tell_start(job: Job, directory: str) -> str | None:
    """Tells that a job begins; gives the id of this run of it, None where nobody is told."""
    if not _is_wanted():
        return None
    from openlineage.client.uuid import generate_new_uuid

    run_id = str(generate_new_uuid())
    _tell(job, directory, run_id, "START")
    return run_id


def tell_end(job: Job, directory: str, run_id: str | None, sets: Callable[[], DataSets]) -> None:
    """Tells that a job is done.

    Args:
        job: what was done.
        directory: the output folder.
        run_id: from `tell_start`; None tells nothing.
        sets: gives what was read and written.
    """
    if run_id is not None:
        _tell(job, directory, run_id, "COMPLETE", sets=sets)


def tell_failure(job: Job, directory: str, run_id: str | None, error: Exception) -> None:
    """Tells that a job has failed.

    Args:
        job: what was done.
        directory: the output folder.
        run_id: from `tell_start`; None tells nothing.
        error: why.
    """
    if run_id is not None:
        _tell(job, directory, run_id, "FAIL", error=error)


def _is_wanted() -> bool:
    """Whether events go anywhere; warns where only the package is missing."""
    if _is_untold.get() or os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    named = [
        name
        for name in os.environ
        if name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG") or name.startswith(_PREFIX)
    ]
    # Where OpenLineage looks without being told.
    files = [p for p in (Path.cwd(), Path.home() / ".openlineage") if (p / _FILE).is_file()]
    if not named and not files:
        return False
    try:
        is_there = find_spec("openlineage.client") is not None
    except ModuleNotFoundError:  # a package above it
        is_there = False
    if not is_there:
        why = f"{min(named)} is set" if named else f"{files[0] / _FILE} is there"
        _logger.warning("%s, but %s", why, how_to_install("openlineage-python", "openlineage"))
    return is_there


def _tell(
    job: Job,
    directory: str,
    run_id: str,
    state: str,
    *,
    sets: Callable[[], DataSets] | None = None,
    error: Exception | None = None,
) -> None:
    try:
        from openlineage.client import OpenLineageClient

        client = OpenLineageClient()
        try:
            _emit(client, job, directory, run_id, state, sets=sets, error=error)
        finally:
            client.close()
    except Exception as failure:
        # Each transport has errors of its own, and no graph depends on who is told.
        _logger.warning("OpenLineage: %s", " ".join(str(failure).split()))


def _emit(
    client: OpenLineageClient,
    job: Job,
    directory: str,
    run_id: str,
    state: str,
    *,
    sets: Callable[[], DataSets] | None,
    error: Exception | None,
) -> None:
    from openlineage.client import event_v2 as events
    from openlineage.client.facet_v2 import error_message_run, job_type_job, processing_engine_run

    facets: dict[str, Any] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            name="pfn-kg", version=versions()["pfn-kg"]
        )
    }
    if error is not None:
        message = " ".join(str(error).split())[:_MOST_CHARACTERS] or type(error).__name__
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "PYTHON")
    namespace = os.environ.get("OPENLINEAGE_NAMESPACE") or _DEFAULT_NAMESPACE
    kind = job_type_job.JobTypeJobFacet("BATCH", "PFN-KG", jobType=job.upper())
    found = DataSets([], []) if sets is None else sets()
    events.set_producer(_PRODUCER)
    client.emit(
        events.RunEvent(
            eventType=events.RunState(state),
            eventTime=datetime.now(UTC).isoformat(),
            run=events.Run(runId=run_id, facets=facets),
            job=events.Job(namespace, f"{job} {directory}", facets={"jobType": kind}),
            inputs=[_input(of) for of in found.inputs],
            outputs=[_output(of) for of in found.outputs],
            producer=_PRODUCER,
        )
    )


def _input(of: DataSet) -> InputDataset:
    from openlineage.client import event_v2 as events
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    counted = statistics.InputStatisticsInputDatasetFacet(of.rows, of.bytes, of.files)
    facets: dict[str, Any] = {"inputStatistics": counted}
    return events.InputDataset(*dataset_name(of.uri), facets=_facets(of), inputFacets=facets)


def _output(of: DataSet) -> OutputDataset:
    from openlineage.client import event_v2 as events
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    counted = statistics.OutputStatisticsOutputDatasetFacet(of.rows, of.bytes, of.files)
    facets: dict[str, Any] = {"outputStatistics": counted}
    return events.OutputDataset(*dataset_name(of.uri), facets=_facets(of), outputFacets=facets)


def dataset_name(uri: str) -> tuple[str, str]:
    """Namespace and name of a data set.

    Example:
        >>> dataset_name("gs://bucket/runs/x"), dataset_name("/runs/x")
        (('gs://bucket', 'runs/x'), ('file', '/runs/x'))
    """
    if "://" not in uri:
        return "file", uri.replace(os.sep, "/")
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", path or "/"


def _facets(of: DataSet) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset

    facets: dict[str, Any] = {}
    if of.schema is not None:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(_fields(of.schema))
    if of.version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(of.version)
    return facets


def _fields(columns: Iterable[pa.Field]) -> list[Any]:
    """The columns; what has columns of its own is told with them."""
    import pyarrow as pa
    from openlineage.client.facet_v2 import schema_dataset

    fields = []
    for column in columns:
        inner = column.type
        while pa.types.is_list(inner):
            inner = inner.value_type
        nested = _fields(inner) if pa.types.is_struct(inner) else []
        # With its columns spelt out, a type would say everything twice.
        type_ = str(column.type)
        if nested:
            type_ = "struct" if column.type == inner else "array<struct>"
        fields.append(
            schema_dataset.SchemaDatasetFacetFields(column.name, type_, fields=nested or None)
        )
    return fields
