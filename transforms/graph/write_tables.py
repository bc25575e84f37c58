"""From the rows of a graph to the files of its tables: merged, judged, sorted, written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.rules import Rules
from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.schemas.tables import SORTED_BY, TABLE_SCHEMAS
from pfn_kg.transforms.corrections.corrected_tables import TableCorrections
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.facts.graph_rules import Verdict, judge
from pfn_kg.transforms.graph.table_shards import Shard, empty_shards
from pfn_kg.transforms.plumbing.files import join, replace
from pfn_kg.transforms.plumbing.ids import from_arrow, id_order, to_hex
from pfn_kg.transforms.plumbing.shards import ShuffledRows, decode
from pfn_kg.transforms.tables.aggregate import aggregate_entities, aggregate_relations
from pfn_kg.transforms.tables.parts import TablePart, part_name

# The tables whose rows are sorted by their ids before these are written out.
_BY_ID = ("entities", "mentions", "relations", "triples")


class WrittenTables(NamedTuple):
    """The output of `WriteTables`.

    Attributes:
        parts: a `TablePart` for each file.
        counts: dictionaries.
    """

    parts: beam.PCollection
    counts: beam.PCollection


class WriteTables(beam.PTransform):
    """From ((table, number of the file), `ShuffledRows`) to `WrittenTables`.

    Every planned file is written, even if it has no rows: the numbers have no gap and no table
    is missing.

    Args:
        folder: where to write; a folder a table.
        to_bytes: turns a table into the bytes of a file.
        base_iri: namespace of the entities' IRIs.
        rules: the policies of the rules of the whole graph.
        plan: the number of files of each table, a collection of one dictionary.
        verdicts: of the rules of the whole graph, by file, from
            `pfn_kg.transforms.graph.route_verdicts.RouteVerdicts`.
        canonical: rows of `entities` that the alias table gives, keyed as the rows are; None
            without an alias table.
        corrections: side inputs `corrections`, the plan of corrections, and `applied`, what each
            concerns; none without corrections.
    """

    def __init__(
        self,
        folder: str,
        to_bytes: Callable[[pa.Table], bytes],
        *,
        base_iri: str,
        rules: Rules,
        plan: beam.PCollection,
        verdicts: beam.PCollection,
        canonical: beam.PCollection | None = None,
        corrections: Mapping[str, beam.pvalue.AsSideInput] | None = None,
    ):
        super().__init__()
        self._corrections = corrections or {}
        self._write = _WriteShard(folder, to_bytes, base_iri=base_iri, rules=rules)
        self._plan = plan
        self._beside = [beam.pvalue.AsSingleton(plan), beam.pvalue.AsMultiMap(verdicts)]
        if canonical is not None:
            self._beside.append(beam.pvalue.AsMultiMap(canonical))

    def expand(self, rows: beam.PCollection) -> WrittenTables:
        """Applies the transform."""
        written = rows | "GroupByShard" >> beam.GroupByKey() | "Write" >> self._writing()
        # Joined to the rows above, empty ones would have a local runner hold all of them twice.
        empty = (
            self._plan
            | "EmptyShards" >> beam.FlatMap(empty_shards, beam.pvalue.AsIter(written["parts"]))
            | "WriteEmpty" >> self._writing()
        )
        counts = (written[_WriteShard.COUNTS], empty[_WriteShard.COUNTS])
        return WrittenTables(
            (written["parts"], empty["parts"]) | "Parts" >> beam.Flatten(),
            counts | "TableCounts" >> beam.Flatten(),
        )

    def _writing(self) -> beam.PTransform:
        return beam.ParDo(self._write, *self._beside, **self._corrections).with_outputs(
            _WriteShard.COUNTS, main="parts"
        )


class _WriteShard(beam.DoFn):
    """Merges the rows of one file, sorts and writes them; yields the file.

    Rows of `entities` that the alias table gives come as a side input. The output `counts` has
    the counts.
    """

    COUNTS = "counts"

    def __init__(
        self, folder: str, to_bytes: Callable[[pa.Table], bytes], *, base_iri: str, rules: Rules
    ):
        self._folder = folder
        self._to_bytes = to_bytes
        self._base_iri = base_iri
        self._rules = rules

    def process(
        self,
        group: tuple[Shard, Iterable[ShuffledRows]],
        plan: dict[str, int],
        verdicts: Mapping[Shard, Iterable[Verdict]],
        canonical: Mapping[Shard, Iterable[bytes]] | None = None,
        corrections: CorrectionPlan | None = None,
        applied: Mapping[tuple[int, int], int] | None = None,
    ) -> Iterator[TablePart | beam.pvalue.TaggedOutput]:
        (table, shard), parts = group
        names = [] if canonical is None else canonical[table, shard]
        tables = itertools.chain((part.table for part in parts), map(decode, names))
        rows = pa.concat_tables(tables)
        correct = corrections and TableCorrections(corrections, applied or {})
        counts: dict[str, int] = {}
        if table == "entities":
            if correct is not None:
                rows = pa.concat_tables([rows, correct.names(rows, shard, plan[table])])
            rows = aggregate_entities(rows, self._base_iri)
        elif table == "relations":
            rows = aggregate_relations(rows)
        else:
            rows = _sorted_by_id(rows, SORTED_BY[table][0])
        schema = TABLE_SCHEMAS[table]
        rows = in_hexadecimal(rows).select(schema.names).cast(schema)
        if table in ("relations", "triples"):
            spared = None if correct is None else correct.spared
            rows, dropped = judge(rows, verdicts[table, shard], self._rules, spared)
            if dropped and table == "triples":
                counts[table] = -dropped
        if table == "relations":
            if correct is not None:
                rows = correct.relations(rows, shard, plan[table])
            counts["relations"] = len(rows)
        elif table == "entities":
            if correct is not None:
                rows = correct.entities(rows)
            counts["entities"] = rows["kind"].to_pylist().count("entity")
            counts["values"] = len(rows) - counts["entities"]
        if table not in _BY_ID or correct is not None:
            rows = rows.sort_by([(column, "ascending") for column in SORTED_BY[table]])
        path = join(self._folder, table, part_name(shard, plan[table]))
        replace(path, self._to_bytes(rows))
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)
        yield TablePart(table, shard, plan[table], path)


def _sorted_by_id(rows: pa.Table, column: str) -> pa.Table:
    """Rows in the order of their ids, if the column holds any: bytes sort as their digits do."""
    if rows.schema.field(column).type != ID_TYPE:
        return rows
    return rows.take(pa.array(id_order(from_arrow(rows[column]))))


def in_hexadecimal(rows: pa.Table) -> pa.Table:
    """The rows with each column of ids as hexadecimal text."""
    for index, field in enumerate(rows.schema):
        if field.type == ID_TYPE:
            rows = rows.set_column(index, field.name, to_hex(from_arrow(rows[field.name])))
    return rows


def write_redirects(
    part: tuple[int, bytes],
    folder: str,
    to_bytes: Callable[[pa.Table], bytes],
    plan: Mapping[str, int],
) -> dict[str, int]:
    """Writes one file of the table `redirects`; returns the number of its rows.

    Args:
        part: the number of the file, and its rows as Arrow IPC bytes.
        folder: where the tables are written.
        to_bytes: turns a table into the bytes of a file.
        plan: the number of files of each table; `redirects` has as many as `entities`.
    """
    number, redirects = part[0], decode(part[1])
    path = join(folder, "redirects", part_name(number, plan["entities"]))
    replace(path, to_bytes(redirects))
    return {"redirects": len(redirects)}
