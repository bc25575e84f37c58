"""The build phase: from extractions to tables and Turtle, without the model.

The graph is a function of the extractions that the manifest lists, the label schema
and the options. Files are written into a temporary folder and take the place of the
last build's when all of them are there.

```
chunks -> ids -> which rows lose, how many rows there are
chunks -> rows of each table, by shard -> merge -> one file a shard
```

With an alias table or fuzzy matching the chunks' names are read before, to find out which
entities are one; without, nothing of that is in the pipeline.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError
from apache_beam.utils.windowed_value import WindowedValue

from pfn.calibration import calibration_of
from pfn.resolution import HeadPolicy
from pipeline.alias_files import keep_aliases, kept_aliases, merge_options
from pipeline.finished_run import GRAPH_SCHEMA_FILE
from pipeline.folders import delete_folder, delete_temporary, move_files
from pipeline.manifest import chunk_files, read_extracted, write_manifest
from pipeline.options import pipeline_options
from pipeline.write_graph import OWN_FILES, WriteGraph, sum_counts
from schemas.errors import ConfigurationError
from schemas.extraction import read_counters, with_all_columns
from schemas.job import ConstraintPolicy, NameRules, Rules
from schemas.label_schema import LabelSchema
from schemas.tables import SORTED_BY, TABLE_SCHEMAS
from sinks.rdf import RdfOptions, RdfSink
from sinks.tables import parquet_bytes
from transforms.aggregate import aggregate_entities, aggregate_relations
from transforms.alias_table import read_alias_table
from transforms.deduplicate import (
    FindLosers,
    Loser,
    ProjectDocuments,
    Removed,
    group_count,
    removed_rows,
)
from transforms.extraction_files import ExtractionFolder
from transforms.extractions import ChunkFile, read_columns
from transforms.files import absolute, join, read_bytes, replace
from transforms.fuzzy import FuzzyOptions
from transforms.graph_rules import FindVerdicts, GraphRules, Verdict, judge, ruled_support
from transforms.held_rows import HeldRows, at_end_of_bundle
from transforms.identity import (
    ID_TYPE,
    content_id,
    from_arrow,
    id_array,
    shard_of,
    shard_of_documents,
    to_hex,
)
from transforms.merge_entities import CHUNK_NAME_SCHEMA, MergeEntities, MergeOptions, Move
from transforms.redirects import FindRedirects, own_votes
from transforms.resolve import (
    NAME_COLUMNS,
    NAME_SCHEMA,
    SUPPORT_SCHEMA,
    ResolveOptions,
    chunk_names,
    resolve_chunk,
)
from transforms.shards import decode, encode, split
from transforms.table_parts import TablePart, find_parts, part_name

_logger = logging.getLogger(__name__)

#: How many rows a file of a table is planned to hold; texts are long, so fewer of those.
SHARD_ROWS = 200_000

#: Which count of the corpus bounds the rows of each table.
_BOUNDED_BY = {
    "documents": "documents",
    "sentences": "sentences",
    "mentions": "mentions",
    "triples": "head_triples",
    "entities": "mentions",
    "relations": "head_triples",
    "rejected": "documents",
}
_COUNTS_FILE = "counts.json"
_TEMPORARY = ".build-"


class BuildOptions(NamedTuple):
    """How the graph is made of the extractions.

    Attributes:
        entity_threshold: mentions from this score on; None is the model's.
        relation_threshold: head triples from this score on; None is the model's.
        label_schema: in place of the one in the folder.
        head_policy: which mentions at one head take part.
        constraint_policy: what becomes of triples between types that the label
            schema does not give their relation.
        rules: what becomes of triples that other rules of the label schema speak of.
        names: which names are held for one.
        base_iri: namespace of the graph's IRIs, in place of the label schema's.
        rdf: how to write Turtle; None is not at all. Its language is of no account.
        label_language: language tag of names in RDF; None is the corpus's language, and
            `none` is no tag.
        sentences: whether to write the table `sentences`.
        aliases: a file that says which names are of one entity, as in
            `transforms.alias_table`.
        fuzzy: how alike names are that are of one entity; None compares none.
        shard_rows: about how many rows a file holds.
    """

    entity_threshold: float | None = None
    relation_threshold: float | None = None
    label_schema: LabelSchema | None = None
    head_policy: HeadPolicy = "all"
    constraint_policy: ConstraintPolicy = "flag"
    rules: Rules = Rules()
    names: NameRules = NameRules()
    base_iri: str | None = None
    rdf: RdfOptions | None = RdfOptions()
    label_language: str | None = None
    sentences: bool = False
    aliases: str | None = None
    fuzzy: FuzzyOptions | None = None
    shard_rows: int = SHARD_ROWS


def build(
    directory: str, options: BuildOptions | None = None, pipeline_args: Sequence[str] = ()
) -> dict[str, Any]:
    """Makes the tables and the Turtle of an output folder from its extractions.

    Args:
        directory: the folder, on any file system that Beam knows.
        options: policies and thresholds.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.

    Returns:
        What was counted, as it also stands in the manifest.

    Raises:
        ConfigurationError: if the folder or an option is wrong.
    """
    options = options or BuildOptions()
    started = time.monotonic()
    directory = absolute(directory)
    manifest = read_extracted(directory)
    label_schema = _label_schema(directory, options)
    resolve = _resolve_options(manifest, options)
    rdf = _rdf_sink(manifest, label_schema, options)
    aliases = (
        None
        if options.aliases is None
        else read_alias_table(options.aliases, label_schema, options.names)
    )
    old = _last_graph(directory, manifest)
    folder = ExtractionFolder(join(directory, "extractions"))
    chunks = chunk_files(folder, manifest)
    removed = manifest.get("removed", {})
    # Folders of older versions have none.
    manifest.setdefault("run_id", uuid.uuid4().hex)
    write_manifest(directory, manifest | {"state": "building"})
    delete_temporary(directory, _TEMPORARY)
    temporary = join(directory, f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        merge = merge_options(temporary, label_schema, options.names, aliases, options.fuzzy)
        with beam.Pipeline(options=pipeline_options(pipeline_args)) as pipeline:
            _ = (
                pipeline
                | "Chunks" >> beam.Create(chunks, reshuffle=True)
                | "Graph"
                >> BuildGraph(
                    temporary,
                    label_schema,
                    resolve,
                    group_count(len(chunks)),
                    rdf,
                    options.shard_rows,
                    removed,
                    merge,
                    old,
                )
            )
        counts: dict[str, int] = json.loads(read_bytes(join(temporary, _COUNTS_FILE)))
        _swap(temporary, directory)
        alias_hash = keep_aliases(directory, aliases)
        replace(join(directory, GRAPH_SCHEMA_FILE), label_schema.to_yaml().encode())
    except BaseException:
        write_manifest(directory, manifest | {"state": "failed"})
        raise
    finally:
        delete_folder(temporary)
    settings = resolve._asdict() | {
        "fact_calibration": resolve.fact_calibration._asdict(),
        "rules": options.rules._asdict(),
        "names": options.names._asdict(),
        "base_iri": label_schema.base_iri,
        "label_language": options.label_language,
        "aliases": alias_hash,
        "fuzzy": options.fuzzy._asdict() if options.fuzzy else None,
        "shard_rows": options.shard_rows,
        "label_schema": "given" if options.label_schema else "label_schema.yaml",
        "rdf": rdf.options._asdict() if rdf else None,
    }
    finished = {
        "options": settings,
        "seconds": round(time.monotonic() - started, 3),
        "counts": counts,
    }
    write_manifest(directory, manifest | {"state": "done", "build": finished})
    return counts


def recorded_options(directory: str, manifest: dict[str, Any]) -> BuildOptions:
    """The options of the last build of a folder; the defaults where there was none.

    Raises:
        ConfigurationError: if the label schema or the alias table that it was given is gone.
    """
    recorded = manifest.get("build", {}).get("options", {})
    taken_apart = {"rdf", "label_schema", "rules", "names", "aliases", "fuzzy"}
    known = set(BuildOptions._fields) - taken_apart
    options = BuildOptions(**{name: recorded[name] for name in known & recorded.keys()})
    options = options._replace(
        rules=Rules(**recorded.get("rules", {})), names=NameRules(**recorded.get("names", {}))
    )
    if "rdf" in recorded:
        rdf = recorded["rdf"]
        options = options._replace(rdf=None if rdf is None else RdfOptions(**rdf))
    if recorded.get("fuzzy") is not None:
        options = options._replace(fuzzy=FuzzyOptions(**recorded["fuzzy"]))
    if recorded.get("aliases") is not None:
        options = options._replace(aliases=kept_aliases(directory, recorded["aliases"]))
    if recorded.get("label_schema") == "given":
        options = options._replace(label_schema=_read_schema(directory, GRAPH_SCHEMA_FILE))
    return options


def check_aliases(
    directory: str, options: BuildOptions, label_schema: LabelSchema | None = None
) -> None:
    """Refuses an alias table that the build would refuse, before anything else is done.

    Args:
        directory: the output folder.
        options: of the build.
        label_schema: of the model, if nothing was extracted there yet.

    Raises:
        ConfigurationError: if the table is wrong.
    """
    if options.aliases is not None:
        known = options.label_schema or label_schema or _label_schema(absolute(directory), options)
        read_alias_table(options.aliases, known, options.names)


def _last_graph(directory: str, manifest: Mapping[str, Any]) -> list[TablePart]:
    """The files of the last build that say where ids of entities were."""
    if "build" not in manifest:
        return []
    try:
        # Mostly there are none, and then there is nothing to follow.
        had_redirects = manifest["build"].get("counts", {}).get("redirects")
        return find_parts(directory, ["mentions", *(["redirects"] if had_redirects else [])])
    except ConfigurationError as error:
        _logger.warning("redirects do not go back to the last build: %s", error)
        return []


def _read_schema(directory: str, name: str) -> LabelSchema:
    path = join(directory, name)
    try:
        text = read_bytes(path).decode()
    except (OSError, BeamIOError):
        raise ConfigurationError(f"{path}: no label schema there") from None
    return LabelSchema.from_yaml(text, path)


def _label_schema(directory: str, options: BuildOptions) -> LabelSchema:
    label_schema = options.label_schema
    if label_schema is None:
        label_schema = _read_schema(directory, "label_schema.yaml")
    if options.base_iri is not None:
        data = label_schema.to_dict() | {"base_iri": options.base_iri}
        label_schema = LabelSchema.from_dict(data, "--base-iri")
    return label_schema


def _rdf_sink(
    manifest: dict[str, Any], label_schema: LabelSchema, options: BuildOptions
) -> RdfSink | None:
    if options.rdf is None:
        return None
    language = options.label_language or manifest.get("configuration", {}).get("language")
    language = None if language == "none" else language
    return RdfSink(label_schema, options.rdf._replace(language=language))


def _resolve_options(manifest: dict[str, Any], options: BuildOptions) -> ResolveOptions:
    model = manifest.get("model", {})
    configuration = manifest.get("configuration", {})
    thresholds = {}
    for name in ("entity", "relation"):
        given = getattr(options, f"{name}_threshold")
        floor = configuration.get(f"{name}_floor", 0.0)
        threshold = given if given is not None else model.get(f"{name}_threshold", 0.5)
        if threshold < floor:
            raise ConfigurationError(
                f"--{name}-threshold: {threshold} is below {floor}, "
                "from which on scores were kept by the extraction"
            )
        thresholds[name] = threshold
    return ResolveOptions(
        thresholds["entity"],
        thresholds["relation"],
        options.head_policy,
        options.constraint_policy,
        options.sentences,
        options.rules,
        options.names,
        calibration_of(model.get("calibration"), "fact"),
    )


class BuildGraph(beam.PTransform):
    """Writes the files of a graph from a collection of `ChunkFile`.

    Args:
        folder: where to write; a folder a table.
        label_schema: of the graph.
        options: thresholds and policies.
        groups: in how many groups documents meet, as `group_count` says.
        rdf: what writes Turtle; None is not at all.
        shard_rows: about how many rows a file holds.
        removed: the documents that are left out.
        merge: what makes entities of different keys one; None is nothing.
        old: the files of `mentions` of the last build, and those of `redirects` if it had any.
    """

    def __init__(
        self,
        folder: str,
        label_schema: LabelSchema,
        options: ResolveOptions,
        groups: int,
        rdf: RdfSink | None = None,
        shard_rows: int = SHARD_ROWS,
        removed: Removed | None = None,
        merge: MergeOptions | None = None,
        old: Sequence[TablePart] = (),
    ):
        super().__init__()
        self._merge = merge
        self._old = old
        self._groups = groups
        self._removed = removed or {}
        self._folder = folder
        self._label_schema = label_schema
        self._options = options
        self._rdf = rdf
        self._shard_rows = shard_rows

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """Applies the transform; gives the one path of the counts' file."""
        found = (
            chunks
            | "ProjectDocuments"
            >> beam.ParDo(ProjectDocuments(self._removed, self._groups)).with_output_types(
                tuple[int, bytes]
            )
            | "GroupByDocumentId" >> beam.GroupByKey()
            | "FindLosers"
            >> beam.ParDo(FindLosers()).with_outputs(FindLosers.COUNTS, main="losers")
        )
        tables = [name for name in _BOUNDED_BY if name != "sentences" or self._options.sentences]
        shards = (
            found[FindLosers.COUNTS]
            | "SumSizes" >> beam.CombineGlobally(sum_counts)
            | "PlanShards" >> beam.Map(_plan_shards, tables, self._shard_rows)
        )
        plan = beam.pvalue.AsSingleton(shards)
        losers = beam.pvalue.AsMultiMap(found["losers"])
        moves, canonical, counts = [], [], []
        if self._merge is not None:
            merged = (
                chunks
                # FnApiRunner holds back what is joined of a collection until all who read
                # that collection are done, and `Resolve` waits for what is joined here.
                | "ChunksAgain" >> beam.Reshuffle()
                | "Names"
                >> beam.ParDo(
                    _Names(self._label_schema, self._options, self._removed), losers, plan
                ).with_output_types(tuple[int, bytes])
                | "MergeEntities" >> MergeEntities(self._merge, plan)
            )
            moves = [beam.pvalue.AsMultiMap(merged.moves)]
            names = merged.names | "NameTypes" >> beam.Map(_identity).with_output_types(
                tuple[tuple[str, int], bytes]
            )
            canonical = [beam.pvalue.AsMultiMap(names)]
            counts.append(merged.counts)
        rules = GraphRules(self._label_schema, self._options.rules)
        resolved = chunks | "Resolve" >> beam.ParDo(
            _Resolve(self._label_schema, self._options, self._removed, rules), losers, plan, *moves
        ).with_outputs(_Resolve.COUNTS, _Resolve.MOVED, _Resolve.RULED, main="rows")
        verdicts = (
            resolved[_Resolve.RULED]
            | "RuledTypes" >> beam.Map(_identity).with_output_types(tuple[int, bytes])
            | "GraphRules" >> FindVerdicts(rules)
        )
        write = _WriteShard(self._folder, self._label_schema.base_iri, self._options.rules)
        beside = (plan, beam.pvalue.AsIter(verdicts), *canonical)
        written = (
            resolved["rows"]
            | "KeyTypes" >> beam.Map(_identity).with_output_types(tuple[tuple[str, int], bytes])
            | "GroupByShard" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(write, *beside).with_outputs(_WriteShard.COUNTS, main="parts")
        )
        # Every planned file is written, be it empty: no gap in the numbers, no table missing.
        # Joined to the rows above, empty ones would have a local runner hold all of them twice.
        empty = (
            shards
            | "EmptyShards" >> beam.FlatMap(_empty_shards, beam.pvalue.AsIter(written["parts"]))
            | "WriteEmpty"
            >> beam.ParDo(write, *beside).with_outputs(_WriteShard.COUNTS, main="parts")
        )
        parts = (written["parts"], empty["parts"]) | "Parts" >> beam.Flatten()
        spoken = verdicts | "CountVerdicts" >> beam.Map(
            lambda verdict: {f"violations.{verdict.rule}": verdict.relations}
        )
        moved = resolved[_Resolve.MOVED] | "MovedTypes" >> beam.Map(_identity).with_output_types(
            tuple[int, bytes]
        )
        redirects = (
            parts
            | "FindRedirects" >> FindRedirects(moved, self._old, plan)
            | "WriteRedirects" >> beam.Map(_write_redirects, self._folder, plan)
        )
        counts += [resolved[_Resolve.COUNTS], spoken, redirects]
        counts += [found[_WriteShard.COUNTS] for found in (written, empty)]
        if self._rdf is not None:
            # What is written is read again: the same sink serves every graph, whoever built it.
            graph = parts | "Rdf" >> WriteGraph(self._rdf, join(self._folder, "rdf"))
            counts.append(graph | "RdfCounts" >> beam.Map(_rdf_counts))
        return (
            counts
            | "Counts" >> beam.Flatten()
            | "SumCounts" >> beam.CombineGlobally(sum_counts)
            | "WriteCounts" >> beam.Map(_write_counts, join(self._folder, _COUNTS_FILE))
        )


def _identity(element: Any) -> Any:
    return element


def _rdf_counts(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name.startswith("rdf_")}


def _plan_shards(sizes: dict[str, int], tables: Sequence[str], shard_rows: int) -> dict[str, int]:
    """How many files each table gets; follows from the corpus alone."""
    return {name: max(1, -(-sizes.get(_BOUNDED_BY[name], 0) // shard_rows)) for name in tables}


def _travel_schema(table: str) -> pa.Schema:
    """The schema of a table's rows on their way: ids as bytes, parts for what is aggregated."""
    if table in ("entities", "relations"):
        return NAME_SCHEMA if table == "entities" else SUPPORT_SCHEMA
    schema = TABLE_SCHEMAS[table]
    if table not in ("mentions", "triples"):
        return schema
    return pa.schema(
        [
            f.with_type(ID_TYPE) if f.name.endswith("_id") and f.name != "document_id" else f
            for f in schema
        ]
    )


def _empty_shards(
    plan: dict[str, int], written: Iterable[TablePart]
) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """The planned shards that no row went to, with no rows."""
    there = {(part.table, part.number) for part in written}
    for table, shards in plan.items():
        empty = encode(_travel_schema(table).empty_table())
        for shard in range(shards):
            if (table, shard) not in there:
                yield (table, shard), [empty]


class _ReadChunk(beam.DoFn):
    """What reads chunks less the rows that are left out."""

    def __init__(self, label_schema: LabelSchema, options: ResolveOptions, removed: Removed):
        self._label_schema = label_schema
        self._options = options
        self._removed = removed

    def _read(
        self,
        chunk: ChunkFile,
        losers: Mapping[int, Iterable[list[Loser]]],
        columns: Sequence[str] | None = None,
    ) -> tuple[pa.Table, list[Loser]]:
        rows = read_columns(chunk.path, columns)
        read_counters(rows.schema)  # refuses a format that is not ours
        rows = with_all_columns(rows)
        lost = [loser for found in losers[chunk.number] for loser in found]
        gone = removed_rows(rows["document_id"], chunk.generation, self._removed)
        return rows, lost + [Loser(row, "removed") for row in np.flatnonzero(gone).tolist()]


class _Names(_ReadChunk):
    """Gives the names of chunks' entities, by part of their ids."""

    def start_bundle(self) -> None:
        self._held = HeldRows()

    def process(
        self, chunk: ChunkFile, losers: Mapping[int, Iterable[list[Loser]]], plan: dict[str, int]
    ) -> Iterator[tuple[int, bytes]]:
        rows, lost = self._read(chunk, losers, NAME_COLUMNS)
        names = chunk_names(rows, lost, self._label_schema, self._options)
        number = pa.array([chunk.number] * len(names), pa.int64())
        self._shards = plan["entities"]
        self._held.add({"entities": names.append_column("chunk", number).cast(CHUNK_NAME_SCHEMA)})
        if self._held.is_full:
            yield from self._cut()

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        yield from at_end_of_bundle(self._cut())

    def _cut(self) -> Iterator[tuple[int, bytes]]:
        for table, names in self._held.take().items():
            yield from split(names, _shards_of(table, names, self._shards), self._shards)


class _Resolve(_ReadChunk):
    """Turns chunks into rows, keyed by table and shard.

    On `counts` is what it counted, on `moved` the keys whose mentions other entities took,
    on `ruled` the support of relations that rules of the whole graph speak of.
    """

    COUNTS, MOVED, RULED = "counts", "moved", "ruled"

    def __init__(
        self,
        label_schema: LabelSchema,
        options: ResolveOptions,
        removed: Removed,
        graph_rules: GraphRules,
    ):
        super().__init__(label_schema, options, removed)
        self._graph_rules = graph_rules

    def start_bundle(self) -> None:
        self._held = HeldRows()

    def process(
        self,
        chunk: ChunkFile,
        losers: Mapping[int, Iterable[list[Loser]]],
        plan: dict[str, int],
        moves: Mapping[int, Iterable[list[Move]]] | None = None,
    ) -> Iterator[tuple[tuple[str, int], bytes] | beam.pvalue.TaggedOutput]:
        rows, lost = self._read(chunk, losers)
        heirs = {} if moves is None else dict(m for found in moves[chunk.number] for m in found)
        found = resolve_chunk(
            rows, chunk.model_hash, lost, self._label_schema, self._options, heirs
        )
        self._plan = plan
        self._held.add(found.tables)
        if self._held.is_full:
            yield from self._cut()
        for vote in own_votes(found.moved, plan["entities"]):
            yield beam.pvalue.TaggedOutput(self.MOVED, vote)
        yield beam.pvalue.TaggedOutput(self.COUNTS, dict(found.counts))

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        yield from at_end_of_bundle(self._cut())

    def _cut(self) -> Iterator[tuple[tuple[str, int], bytes] | beam.pvalue.TaggedOutput]:
        tables = self._held.take()
        for table, part in tables.items():
            shards = self._plan[table]
            for shard, data in split(part, _shards_of(table, part, shards), shards):
                yield (table, shard), data
        if "relations" in tables:
            shards = self._plan["relations"]
            for row in ruled_support(tables["relations"], self._graph_rules, shards):
                yield beam.pvalue.TaggedOutput(self.RULED, row)


def _shards_of(table: str, rows: pa.Table, shards: int) -> np.ndarray:
    """The shard of each row: by its id, or by the hash of what stands for one."""
    if shards == 1 or not len(rows):
        return np.zeros(len(rows), dtype=np.int64)
    if table in ("documents", "sentences"):
        return shard_of_documents(rows["document_id"], shards)
    if table == "rejected":
        places = zip(rows["source_file"].to_pylist(), rows["source_row"].to_pylist(), strict=True)
        ids = id_array(content_id("row", str(file), str(row)) for file, row in places)
    else:
        ids = from_arrow(rows[SORTED_BY[table][0]])
    return shard_of(ids, shards)


class _WriteShard(beam.DoFn):
    """Merges the rows of one shard, sorts and writes them; yields the file.

    Rows of `entities` that are names of the alias table come beside the others. On `counts`
    is what it counted.
    """

    COUNTS = "counts"

    def __init__(self, folder: str, base_iri: str, rules: Rules):
        self._folder = folder
        self._base_iri = base_iri
        self._rules = rules

    def process(
        self,
        group: tuple[tuple[str, int], Iterable[bytes]],
        plan: dict[str, int],
        verdicts: Iterable[Verdict],
        canonical: Mapping[tuple[str, int], Iterable[bytes]] | None = None,
    ) -> Iterator[TablePart | beam.pvalue.TaggedOutput]:
        (table, shard), parts = group
        names = [] if canonical is None else canonical[table, shard]
        rows = pa.concat_tables(map(decode, itertools.chain(parts, names)))
        counts: dict[str, int] = {}
        if table == "entities":
            rows = aggregate_entities(rows, self._base_iri)
            counts["entities"] = rows["kind"].to_pylist().count("entity")
            counts["values"] = len(rows) - counts["entities"]
        elif table == "relations":
            rows = aggregate_relations(rows)
            counts["relations"] = len(rows)
        schema = TABLE_SCHEMAS[table]
        rows = _in_hexadecimal(rows).select(schema.names).cast(schema)
        if table in ("relations", "triples"):
            rows, dropped = judge(rows, verdicts, self._rules)
            if dropped:
                counts[table] = counts.get(table, 0) - dropped
        rows = rows.sort_by([(column, "ascending") for column in SORTED_BY[table]])
        path = join(self._folder, table, part_name(shard, plan[table]))
        replace(path, parquet_bytes(rows))
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)
        yield TablePart(table, shard, plan[table], path)


def _in_hexadecimal(rows: pa.Table) -> pa.Table:
    for index, field in enumerate(rows.schema):
        if field.type == ID_TYPE:
            rows = rows.set_column(index, field.name, to_hex(from_arrow(rows[field.name])))
    return rows


def _write_redirects(
    part: tuple[int, bytes], folder: str, plan: Mapping[str, int]
) -> dict[str, int]:
    number, redirects = part[0], decode(part[1])
    path = join(folder, "redirects", part_name(number, plan["entities"]))
    replace(path, parquet_bytes(redirects))
    return {"redirects": len(redirects)}


def _write_counts(counts: dict[str, int], path: str) -> str:
    replace(path, json.dumps(counts).encode())
    return path


def _swap(temporary: str, directory: str) -> None:
    """Puts the new files in the place of the old ones, of which none stays."""
    for name in (*TABLE_SCHEMAS, "rdf"):
        delete_folder(join(directory, name))
        move_files(join(temporary, name), join(directory, name), OWN_FILES)
