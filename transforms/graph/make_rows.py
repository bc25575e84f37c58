"""From extraction files to the rows of a graph, on their way to the files they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.utils.windowed_value import WindowedValue

from pfn_kg.schemas.extraction import JOINED_WORDS, read_counters, with_all_columns
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.shuffled_rows import CHUNK_NAME_SCHEMA, Link, Move
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.documents.deduplicate import Loser
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.facts.chunk_rows import NAME_COLUMNS, names_of_chunk, rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.graph_rules import GraphRules, ruled_support
from pfn_kg.transforms.facts.kept_rows import KeptRows, Kind
from pfn_kg.transforms.graph.route_verdicts import claims
from pfn_kg.transforms.graph.table_shards import Shard, shards_of
from pfn_kg.transforms.merging.redirects import own_votes
from pfn_kg.transforms.plumbing.held_rows import HeldRows, at_end_of_bundle
from pfn_kg.transforms.plumbing.shards import ShuffledRows, encode, split_rows
from pfn_kg.transforms.tables.aggregate import fewer_support


class GraphRows(NamedTuple):
    """The output of `MakeRows`.

    Attributes:
        rows: ((table, number of the file), `ShuffledRows`).
        moved: (part of the old id, votes as Arrow IPC bytes), from
            `pfn_kg.transforms.merging.redirects.own_votes`.
        ruled: the rows that `pfn_kg.transforms.facts.graph_rules.FindVerdicts` reads.
        claims: what `pfn_kg.transforms.graph.route_verdicts.RouteVerdicts` reads.
        counts: a dictionary for each chunk.
        applied: what corrections concern, a dictionary for some chunks.
        judged: support and evidence of what corrections judge, each as Arrow IPC bytes; both as
            in `pfn_kg.transforms.facts.chunk_rows.ChunkRows`.
    """

    rows: beam.PCollection
    moved: beam.PCollection
    ruled: beam.PCollection
    claims: beam.PCollection
    counts: beam.PCollection
    applied: beam.PCollection
    judged: beam.PCollection


class MakeRows(beam.PTransform):
    """From `ChunkFile` to `GraphRows`.

    Args:
        label_schema: of the graph.
        options: thresholds and policies.
        rules: the rules of the whole graph.
        losers: side input: by number of the chunk, the rows that are left out.
        plan: side input: the number of files of each table.
        moves: side input: by number of the chunk, lists of `Move`; None if nothing is merged.
        links: side input: by number of the chunk, lists of `Link`; None if nothing is linked.
        splits: the same for names of several things, once they are linked.
        corrections: side input: the plan of corrections; None if there are none.
        kept: where the rows of chunks are kept for later builds, if they are; not those that
            corrections change.
    """

    def __init__(
        self,
        label_schema: LabelSchema,
        options: FactOptions,
        *,
        rules: GraphRules,
        losers: beam.pvalue.AsMultiMap,
        plan: beam.pvalue.AsSingleton,
        moves: beam.pvalue.AsMultiMap | None = None,
        links: beam.pvalue.AsMultiMap | None = None,
        splits: beam.pvalue.AsMultiMap | None = None,
        corrections: beam.pvalue.AsSingleton | None = None,
        kept: KeptRows | None = None,
    ):
        super().__init__()
        self._read = _RowsOfChunk(
            label_schema, options, graph_rules=rules, kept=None if corrections else kept
        )
        self._beside = (losers, plan) if moves is None else (losers, plan, moves)
        named = {"links": links, "splits": splits, "corrections": corrections}
        self._named = {name: given for name, given in named.items() if given is not None}

    def expand(self, chunks: beam.PCollection) -> GraphRows:
        """Applies the transform."""
        tags = [_RowsOfChunk.COUNTS, _RowsOfChunk.MOVED, _RowsOfChunk.RULED]
        tags += [_RowsOfChunk.CLAIMS, _RowsOfChunk.APPLIED, _RowsOfChunk.JUDGED]
        tagged = chunks | "Rows" >> beam.ParDo(
            self._read, *self._beside, **self._named
        ).with_outputs(*tags, main="rows")
        # What ParDo with several outputs gives has no types, which the coders of keys need.
        return GraphRows(
            tagged["rows"]
            | "KeyTypes" >> beam.Map(_same).with_output_types(tuple[tuple[str, int], Any]),
            tagged[_RowsOfChunk.MOVED]
            | "MovedTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
            tagged[_RowsOfChunk.RULED]
            | "RuledTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
            tagged[_RowsOfChunk.CLAIMS]
            | "ClaimTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
            tagged[_RowsOfChunk.COUNTS],
            tagged[_RowsOfChunk.APPLIED],
            tagged[_RowsOfChunk.JUDGED],
        )


class MakeNames(beam.PTransform):
    """From `ChunkFile` to the names of its entities: (part of the ids, CHUNK_NAME_SCHEMA as bytes).

    Args:
        label_schema: of the graph.
        options: thresholds and policies.
        losers: side input: by number of the chunk, the rows that are left out.
        plan: side input: the number of files of each table.
        kept: where names of chunks are kept for later builds, if they are.
    """

    def __init__(
        self,
        label_schema: LabelSchema,
        options: FactOptions,
        *,
        losers: beam.pvalue.AsMultiMap,
        plan: beam.pvalue.AsSingleton,
        kept: KeptRows | None = None,
    ):
        super().__init__()
        self._read = _NamesOfChunk(label_schema, options, kept)
        self._beside = (losers, plan)

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return chunks | "Names" >> beam.ParDo(self._read, *self._beside).with_output_types(
            tuple[int, bytes]
        )


def _same(element: Any) -> Any:
    return element


def of_chunk(given: Mapping[int, Iterable[list[Any]]] | None, chunk: ChunkFile) -> list[Any]:
    """What a side input has for a chunk; nothing if there is no such side input."""
    return [] if given is None else [one for some in given[chunk.number] for one in some]


def moves_of_chunk(
    moves: Mapping[int, Iterable[list[Move]]] | None, chunk: ChunkFile
) -> dict[bytes, Move]:
    """The moves of a chunk, by the id that a name gives by itself."""
    return {move.old: move for move in of_chunk(moves, chunk)}


class ReadChunk(beam.DoFn):
    """Reads chunks, and holds rows of several chunks.

    A subclass's `_cut` turns the held rows into elements.

    Args:
        label_schema: of the graph.
        options: thresholds and policies.
        kept: where something of chunks is kept for later builds, if it is.
    """

    def __init__(
        self, label_schema: LabelSchema, options: FactOptions, kept: KeptRows | None = None
    ):
        self._label_schema = label_schema
        self._options = options
        self._kept = kept

    def _tables(
        self,
        kind: Kind,
        chunk: ChunkFile,
        beside: Mapping[str, Any],
        make: Callable[[], dict[str, pa.Table]],
    ) -> dict[str, pa.Table]:
        """What `KeptRows.tables` gives, or what `make` gives where nothing is kept."""
        return make() if self._kept is None else self._kept.tables(kind, chunk, beside, make)

    def _read(
        self, chunk: ChunkFile, columns: Sequence[str] | None = None
    ) -> tuple[pa.Table, bool]:
        rows = read_columns(chunk.path, columns)
        counters = read_counters(rows.schema)  # refuses a format that is not ours
        return with_all_columns(rows), counters.get(JOINED_WORDS, 0) > 0

    def start_bundle(self) -> None:
        """Holds nothing yet."""
        self._held = HeldRows()

    def _hold(self, tables: Mapping[str, pa.Table], plan: dict[str, int]) -> Iterator[Any]:
        self._plan = plan
        self._held.add(tables)
        if self._held.is_full:
            yield from self._cut(self._held.take())

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        """Yields what is still held."""
        yield from at_end_of_bundle(self._cut(self._held.take()))

    def _cut(self, tables: Mapping[str, pa.Table]) -> Iterator[Any]:
        raise NotImplementedError

    def _split(self, table: str, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        shards = self._plan[table]
        return split_rows(rows, shards_of(table, rows, shards), shards)


class _NamesOfChunk(ReadChunk):
    """Yields the names of chunks' entities, by part of their ids."""

    def process(
        self, chunk: ChunkFile, losers: Mapping[int, Iterable[list[Loser]]], plan: dict[str, int]
    ) -> Iterator[tuple[int, bytes]]:
        # All that the names depend on beside the file. The chunk's number is not among them: it is
        # another one where chunks come or go before it.
        beside: dict[str, Any] = {"losers": of_chunk(losers, chunk)}

        def make() -> dict[str, pa.Table]:
            rows, dehyphenate = self._read(chunk, NAME_COLUMNS)
            names = names_of_chunk(
                rows,
                label_schema=self._label_schema,
                options=self._options,
                dehyphenate=dehyphenate,
                **beside,
            )
            return {"names": names}

        names = self._tables("names", chunk, beside, make)["names"]
        number = pa.array([chunk.number] * len(names), pa.int64())
        names = names.append_column("chunk", number).select(CHUNK_NAME_SCHEMA.names)
        names = names.cast(CHUNK_NAME_SCHEMA)
        yield from self._hold({"entities": names}, plan)

    def _cut(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[int, bytes]]:
        for table, names in tables.items():
            for number, part in self._split(table, names):
                yield number, encode(part)


class _RowsOfChunk(ReadChunk):
    """Turns chunks into rows, keyed by table and number of the file.

    The output `counts` has the counts of each chunk, `moved` the votes for redirects, and
    `ruled` the support of relations that rules of the whole graph apply to, `claims` where triples
    of these are, `applied` and `judged` what corrections concern.
    """

    COUNTS, MOVED, RULED = "counts", "moved", "ruled"
    CLAIMS, APPLIED, JUDGED = "claims", "applied", "judged"

    def __init__(
        self,
        label_schema: LabelSchema,
        options: FactOptions,
        *,
        graph_rules: GraphRules,
        kept: KeptRows | None,
    ):
        super().__init__(label_schema, options, kept)
        self._graph_rules = graph_rules

    def process(
        self,
        chunk: ChunkFile,
        losers: Mapping[int, Iterable[list[Loser]]],
        plan: dict[str, int],
        moves: Mapping[int, Iterable[list[Move]]] | None = None,
        links: Mapping[int, Iterable[list[Link]]] | None = None,
        splits: Mapping[int, Iterable[list[Link]]] | None = None,
        corrections: CorrectionPlan | None = None,
    ) -> Iterator[tuple[Shard, ShuffledRows] | beam.pvalue.TaggedOutput]:
        layers = (of_chunk(layer, chunk) for layer in (links, splits) if layer is not None)
        # All that the rows depend on beside the file; what is kept of a chunk goes by this too.
        beside: dict[str, Any] = {
            "losers": of_chunk(losers, chunk),
            "moves": moves_of_chunk(moves, chunk),
            # One layer goes after the other, and one without any changes nothing.
            "links": tuple(layer for layer in layers if layer),
        }
        made = None if self._kept is None else self._kept.find(chunk, beside)
        if made is None:
            rows, dehyphenate = self._read(chunk)
            made = rows_of_chunk(
                rows,
                model_hash=chunk.model_hash,
                label_schema=self._label_schema,
                options=self._options,
                dehyphenate=dehyphenate,
                corrections=corrections,
                **beside,
            )
            if self._kept is not None:
                self._kept.keep(chunk, beside, made)
        yield from self._hold(made.tables, plan)
        if made.applied:
            yield beam.pvalue.TaggedOutput(self.APPLIED, dict(made.applied))
        if made.judged is not None:
            yield beam.pvalue.TaggedOutput(self.JUDGED, tuple(map(encode, made.judged)))
        for vote in own_votes(made.moved, plan["entities"]):
            yield beam.pvalue.TaggedOutput(self.MOVED, vote)
        yield beam.pvalue.TaggedOutput(self.COUNTS, dict(made.counts))

    def _cut(
        self, tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[Shard, ShuffledRows] | beam.pvalue.TaggedOutput]:
        if "relations" in tables:
            tables = {**tables, "relations": fewer_support(tables["relations"])}
        for table, part in tables.items():
            for shard, of_shard in self._split(table, part):
                yield (table, shard), ShuffledRows(of_shard)
        if "relations" in tables:
            shards = self._plan["relations"]
            for row in ruled_support(tables["relations"], self._graph_rules, shards):
                yield beam.pvalue.TaggedOutput(self.RULED, row)
        if "triples" in tables:
            for claim in claims(tables["triples"], self._graph_rules, self._plan):
                yield beam.pvalue.TaggedOutput(self.CLAIMS, claim)
