"""The build phase as a pipeline: from the chunks of extractions to the files of a graph.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.utils.windowed_value import WindowedValue

from pfn_kg.pipeline.write_graph import WriteGraph, sum_counts
from pfn_kg.schemas.extraction import read_counters, with_all_columns
from pfn_kg.schemas.job import SHARD_ROWS, Rules
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import SORTED_BY, TABLE_SCHEMAS
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.documents.deduplicate import (
    FindLosers,
    Loser,
    ProjectDocuments,
    Removed,
    removed_rows,
)
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.facts.chunk_rows import (
    NAME_COLUMNS,
    NAME_SCHEMA,
    SUPPORT_SCHEMA,
    ResolveOptions,
    chunk_names,
    resolve_chunk,
)
from pfn_kg.transforms.facts.graph_rules import (
    FindVerdicts,
    GraphRules,
    Verdict,
    judge,
    ruled_support,
)
from pfn_kg.transforms.merging.merge_entities import (
    CHUNK_NAME_SCHEMA,
    MergeEntities,
    MergeOptions,
    Move,
)
from pfn_kg.transforms.merging.redirects import FindRedirects, own_votes
from pfn_kg.transforms.plumbing.files import join, replace
from pfn_kg.transforms.plumbing.held_rows import HeldRows, at_end_of_bundle
from pfn_kg.transforms.plumbing.ids import (
    ID_TYPE,
    content_id,
    from_arrow,
    id_array,
    shard_of,
    shard_of_documents,
    to_hex,
)
from pfn_kg.transforms.plumbing.shards import decode, encode, split
from pfn_kg.transforms.tables.aggregate import aggregate_entities, aggregate_relations
from pfn_kg.transforms.tables.parts import TablePart, part_name

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
#: The file that the counts are written to.
COUNTS_FILE = "counts.json"


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
            | "WriteCounts" >> beam.Map(_write_counts, join(self._folder, COUNTS_FILE))
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
    """What reads chunks less the rows that are left out, and holds what it makes of several.

    Its `_cut` makes elements of the rows that were held.
    """

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

    def start_bundle(self) -> None:
        self._held = HeldRows()

    def _hold(self, tables: Mapping[str, pa.Table], plan: dict[str, int]) -> Iterator[Any]:
        self._plan = plan
        self._held.add(tables)
        if self._held.is_full:
            yield from self._cut(self._held.take())

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        yield from at_end_of_bundle(self._cut(self._held.take()))

    def _cut(self, tables: Mapping[str, pa.Table]) -> Iterator[Any]:
        raise NotImplementedError

    def _split(self, table: str, rows: pa.Table) -> Iterator[tuple[int, bytes]]:
        shards = self._plan[table]
        return split(rows, _shards_of(table, rows, shards), shards)


class _Names(_ReadChunk):
    """Gives the names of chunks' entities, by part of their ids."""

    def process(
        self, chunk: ChunkFile, losers: Mapping[int, Iterable[list[Loser]]], plan: dict[str, int]
    ) -> Iterator[tuple[int, bytes]]:
        rows, lost = self._read(chunk, losers, NAME_COLUMNS)
        names = chunk_names(rows, lost, self._label_schema, self._options)
        number = pa.array([chunk.number] * len(names), pa.int64())
        names = names.append_column("chunk", number).cast(CHUNK_NAME_SCHEMA)
        yield from self._hold({"entities": names}, plan)

    def _cut(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[int, bytes]]:
        for table, names in tables.items():
            yield from self._split(table, names)


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
        yield from self._hold(found.tables, plan)
        for vote in own_votes(found.moved, plan["entities"]):
            yield beam.pvalue.TaggedOutput(self.MOVED, vote)
        yield beam.pvalue.TaggedOutput(self.COUNTS, dict(found.counts))

    def _cut(
        self, tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[tuple[str, int], bytes] | beam.pvalue.TaggedOutput]:
        for table, part in tables.items():
            for shard, data in self._split(table, part):
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
