"""Drives a sink over the tables of a graph, as a Beam pipeline.

```
parts of the tables -> what their rows refer to -> rows -> sink -> files, counts, rejected rows
```

Nothing here knows what a sink writes. What it gives is placed in a folder that the
caller makes and, when all is there, gives its final name.
"""

from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.schemas.job import Filters
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import JOINED_COLUMNS, RejectedRow, Rows, Sink, Written
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.plumbing.files import join, make_folder, read_bytes, replace
from pfn_kg.transforms.plumbing.shards import decode_all
from pfn_kg.transforms.tables.look_up import LookUp, Question, scatter
from pfn_kg.transforms.tables.parts import TablePart, read_part
from pfn_kg.transforms.tables.sentence_contents import SentenceContents, with_contents

COUNTS_FILE = "counts.json"
REJECTED_FILE = "rejected.parquet"
#: What `WriteGraph` places in the folder beside the sink's files.
OWN_FILES = (COUNTS_FILE, REJECTED_FILE)

_ENDS = {
    "relations": ("subject_id", "object_id"),
    "triples": ("subject_entity_id", "object_entity_id"),
}
_PREDICATE = {"relations": "predicate", "triples": "relation"}
_VALUE_COLUMNS = ("type", "value", "datatype")
# What an entity is by itself is known from its id; of most there is nothing to look up.
_TELLING = (pc.field("kind") == "value") | pc.field("same_as").is_valid()


def _too_weak(filters: Filters) -> pc.Expression | None:
    """What relations are left out for; None where that is no reason."""
    reasons = []
    if filters.min_confidence > 0:
        # Compared as it is stored: 0.7 is below the double 0.7 as a float of 32 bits.
        least = pa.scalar(filters.min_confidence, pa.float32())
        reasons.append(pc.field("confidence") < least)
    if filters.min_evidence > 1:
        reasons.append(pc.field("evidence_count") < filters.min_evidence)
    return reduce(operator.or_, reasons) if reasons else None


def _not_wanted(filters: Filters) -> Mapping[str, pc.Expression]:
    """For each table the rows that are left out for their relation."""
    if filters.relations is None:
        return {}
    wanted = pa.array(filters.relations, pa.string())
    return {table: ~pc.field(name).isin(wanted) for table, name in _PREDICATE.items()}


class WriteGraph(beam.PTransform):
    """Writes the files of tables, a collection of `TablePart`, by a sink.

    Gives the counts, one dictionary, when all is written; on the way it places the
    sink's files, `COUNTS_FILE` and `REJECTED_FILE` in the folder.

    Args:
        sink: what writes.
        folder: where its files go; it must be there.
        filters: which relations are written.
    """

    def __init__(self, sink: Sink, folder: str, filters: Filters | None = None):
        super().__init__()
        self._sink = sink
        self._folder = folder
        self._filters = filters or Filters()

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        sink, filters = self._sink, self._filters
        write = _Write(sink, self._folder, filters)
        before = (
            parts.pipeline | "Once" >> beam.Create([None]) | "Prepare" >> beam.ParDo(_Prepare(sink))
        )
        counts, rejected = [], []
        for number, tables in enumerate(sink.stages):
            label = f"Stage{number}"
            found: dict[str, beam.PCollection] = {"part": _keyed(parts, tables, label)}
            for table in tables:
                for name, question in _questions(table, filters).items():
                    found[f"{table} {name}"] = parts | f"{label}{table}{name}" >> LookUp(question)
                if table == "sentences":
                    found |= _contents(parts, filters, label)
            rows = found | f"{label}Join" >> beam.CoGroupByKey()
            if sink.one_writer:
                rows = (
                    rows
                    | f"{label}OneKey"
                    >> beam.Map(lambda row: (0, row)).with_output_types(tuple[int, Any])
                    | f"{label}OneWriter" >> beam.GroupByKey()
                    # In whatever order they come, since a list of them may not fit into memory.
                    | f"{label}Ungroup" >> beam.Map(operator.itemgetter(1))
                )
            else:
                rows = rows | f"{label}Alone" >> beam.Map(lambda row: [row])
            written = rows | f"{label}Write" >> beam.ParDo(
                write, beam.pvalue.AsIter(before)
            ).with_outputs(_Write.REJECTED, main="counts")
            before = written["counts"]
            counts.append(before)
            rejected.append(written[_Write.REJECTED])
        finished = (
            counts
            | "AllCounts" >> beam.Flatten()
            | "SumCounts" >> beam.CombineGlobally(sum_counts)
            | "Finish" >> beam.ParDo(_Finish(sink, self._folder))
        )
        kept = (
            rejected
            | "AllRejected" >> beam.Flatten()
            | "RejectedKey" >> beam.Map(lambda row: (0, row)).with_output_types(tuple[int, Any])
            | "GroupRejected" >> beam.GroupByKey()
            | "WriteRejected" >> beam.Map(_write_rejected, self._folder, sink.name)
        )
        # The counts come last: who finds them finds all that they count.
        return finished | "WriteCounts" >> beam.Map(
            _write_counts, self._folder, beam.pvalue.AsIter(kept)
        )


def _keyed(parts: beam.PCollection, tables: Sequence[str], label: str) -> beam.PCollection:
    """The files of some tables, each by its table and number."""
    return (
        parts
        | f"{label}Parts" >> beam.Filter(lambda part: part.table in tables)
        | f"{label}Key"
        >> beam.Map(lambda part: ((part.table, part.number), part)).with_output_types(
            tuple[tuple[str, int], Any]
        )
    )


def _contents(parts: beam.PCollection, filters: Filters, label: str) -> dict[str, beam.PCollection]:
    """What must be known of mentions and triples to write sentences."""
    contents = {}
    for table, name in (("mentions", "values"), ("triples", "weak")):
        found = {"part": _keyed(parts, (table,), f"{label}{table}")}
        if (question := _questions(table, filters).get(name)) is not None:
            found["found"] = parts | f"{label}{table}{name}" >> LookUp(question)
        contents[f"sentences {table}"] = (
            found
            | f"{label}{table}Join" >> beam.CoGroupByKey()
            | f"{label}{table}Contents"
            >> SentenceContents(table, parts, _not_wanted(filters).get(table))
        )
    return contents


def _questions(table: str, filters: Filters) -> dict[str, Question]:
    """What must be known of other tables to write the rows of one."""
    questions = {}
    if table == "mentions":
        questions["values"] = Question(
            table, ("entity_id",), "entities", "entity_id", (), pc.field("kind") == "value"
        )
    if table in _ENDS:
        questions["ends"] = Question(
            table,
            _ENDS[table],
            "entities",
            "entity_id",
            (*_VALUE_COLUMNS, "same_as"),
            _TELLING,
        )
    if table == "triples" and _too_weak(filters) is not None:
        questions["weak"] = Question(
            table, ("relation_id",), "relations", "relation_id", (), _too_weak(filters)
        )
    return questions


def tables_read(sink: Sink, filters: Filters) -> list[str]:
    """The tables that a sink needs, those that are looked into among them."""
    tables = [table for stage in sink.stages for table in stage]
    if "sentences" in tables:
        tables += ["mentions", "triples"]
    others = [q.other for table in tables for q in _questions(table, filters).values()]
    return [name for name in TABLE_SCHEMAS if name in {*tables, *others}]


def read_rows(part: TablePart, found: Mapping[str, Iterable[bytes]], filters: Filters) -> Rows:
    """The rows of a part that pass, with what was found for them.

    Args:
        part: the file.
        found: by `table name` of the question, the answers as Arrow IPC bytes.
        filters: which relations are written.
    """
    rows = read_part(part)
    table = part.table
    if table in _ENDS:
        rows = _with_ends(rows, decode_all(found.get(f"{table} ends", ())))
        dropped = _not_wanted(filters).get(table)
        if table == "relations" and _too_weak(filters) is not None:
            dropped = _too_weak(filters) if dropped is None else dropped | _too_weak(filters)
        weak = decode_all(found.get(f"{table} weak", ()))
        if weak is not None:
            row = pa.array(range(len(rows)), pa.int32())
            rows = rows.append_column("row", row).filter(
                ~pc.field("row").isin(weak["row"].combine_chunks())
            )
            rows = rows.drop_columns(["row"])
        if dropped is not None:
            rows = rows.filter(~dropped)
    elif table == "sentences":
        rows = with_contents(
            rows, found.get("sentences mentions", ()), found.get("sentences triples", ())
        )
    return Rows(table, part.number, part.of, rows.combine_chunks())


def _with_ends(rows: pa.Table, found: pa.Table | None) -> pa.Table:
    for position, end in enumerate(("subject", "object")):
        nothing = pa.nulls(len(rows), pa.string())
        columns = dict.fromkeys((*_VALUE_COLUMNS, "same_as"), nothing)
        if found is not None:
            columns = {name: scatter(len(rows), found, position, name) for name in columns}
        is_entity = pc.is_null(columns["datatype"])
        columns["type"] = pc.if_else(is_entity, pa.scalar(None, pa.string()), columns["type"])
        rows = rows.append_column(f"{end}_kind", pc.if_else(is_entity, "entity", "value"))
        rows = rows.append_column(f"{end}_same_as", columns["same_as"])
        if end == "object":
            for name in _VALUE_COLUMNS:
                if f"{end}_{name}" not in rows.column_names:
                    rows = rows.append_column(f"{end}_{name}", columns[name])
    names = [name for name in rows.column_names if name not in JOINED_COLUMNS.names]
    return rows.select(list(dict.fromkeys([*names, *JOINED_COLUMNS.names])))


class _Prepare(beam.DoFn):
    """Prepares the sink, once; gives nothing to count."""

    def __init__(self, sink: Sink):
        self._sink = sink

    def process(self, _: Any) -> Iterator[dict[str, int]]:
        self._sink.open()
        try:
            self._sink.prepare()
        finally:
            self._sink.close()
        yield {}


class _Write(beam.DoFn):
    """Hands rows to the sink; gives its counts, and what it refused on `rejected`."""

    REJECTED = "rejected"

    def __init__(self, sink: Sink, folder: str, filters: Filters):
        self._sink = sink
        self._folder = folder
        self._filters = filters
        self._is_open = False

    def process(
        self, group: Iterable[tuple[tuple[str, int], Mapping[str, Iterable[Any]]]], _: Any
    ) -> Iterator[Any]:
        if not self._is_open:
            self._sink.open()
            self._is_open = True
        for _key, found in group:
            for part in found["part"]:
                written = self._sink.write(read_rows(part, found, self._filters))
                _place(self._folder, written)
                yield dict(written.counts)
                for row in written.rejected:
                    yield beam.pvalue.TaggedOutput(self.REJECTED, tuple(row))

    def teardown(self) -> None:
        if self._is_open:
            self._is_open = False
            self._sink.close()


class _Finish(beam.DoFn):
    """Ends the sink's work; gives all counts."""

    def __init__(self, sink: Sink, folder: str):
        self._sink = sink
        self._folder = folder

    def process(self, counts: dict[str, int]) -> Iterator[dict[str, int]]:
        self._sink.open()
        try:
            written = self._sink.finish(counts)
        finally:
            self._sink.close()
        _place(self._folder, written)
        yield sum_counts([counts, dict(written.counts)])


def _place(folder: str, written: Written) -> None:
    for name, data in written.files.items():
        replace(join(folder, name), data)


def sum_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of counts, in the order of their names."""
    total: Counter[str] = Counter()
    for found in counts:
        total.update(found)
    return dict(sorted(total.items()))


def _write_rejected(group: tuple[int, Iterable[tuple[str, str]]], folder: str, stage: str) -> int:
    found = sorted(RejectedRow(*row) for row in group[1])
    schema = TABLE_SCHEMAS["rejected"]
    rows = [
        dict.fromkeys(schema.names) | {"stage": stage, "error": row.error, "payload": row.payload}
        for row in found
    ]
    replace(join(folder, REJECTED_FILE), parquet_bytes(pa.Table.from_pylist(rows, schema)))
    return len(rows)


def _write_counts(counts: dict[str, int], folder: str, rejected: Iterable[int]) -> dict[str, int]:
    counts = {**counts, "rejected": sum(rejected)}
    replace(join(folder, COUNTS_FILE), json.dumps(counts).encode())
    return counts


def run_sink(
    run: FinishedRun,
    sink: Sink,
    folder: str,
    *,
    filters: Filters | None = None,
    pipeline_args: Sequence[str] = (),
) -> dict[str, int]:
    """Writes a finished graph by a sink.

    Args:
        run: the graph.
        sink: what writes.
        folder: where its files, the counts and the rejected rows go; made if need be.
        filters: which relations are written.
        pipeline_args: Beam's own options; without a runner, FnApiRunner.

    Returns:
        What was counted; `rejected` is the number of rows in `REJECTED_FILE`, which is
        there only if there are any.

    Raises:
        ConfigurationError: if a table is missing or an option is wrong.
    """
    filters = filters or Filters()
    filters.check(run.label_schema)
    parts = run.parts(tables_read(sink, filters))
    make_folder(folder)
    with beam.Pipeline(options=pipeline_options(pipeline_args)) as pipeline:
        _ = (
            pipeline
            | "Parts" >> beam.Create(parts, reshuffle=True)
            | "Graph" >> WriteGraph(sink, folder, filters)
        )
    return json.loads(read_bytes(join(folder, COUNTS_FILE)))
