"""Drives a sink over the tables of a graph, as a Beam pipeline.

```
parts of the tables -> joined rows -> sink -> files, counts, rejected rows
```

Nothing here depends on the format that a sink writes. The files of the sink go to a folder that
the caller makes and renames when all of them are there.
"""

from __future__ import annotations

import json
import operator
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.locks import OWNER_FILE
from pfn_kg.pipeline.running import running
from pfn_kg.schemas.load_options import Filters
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import JoinedFile, RejectedRow, Rows, Sink, Written
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.graph.joined_rows import PART, JoinTables, read_rows, tables_read
from pfn_kg.transforms.plumbing.files import (
    PARTIAL_SUFFIX,
    join,
    make_folder,
    open_raw,
    read_bytes,
    read_pieces,
    replace,
    replace_by_pieces,
    replacing,
)
from pfn_kg.transforms.plumbing.listing import list_folder

COUNTS_FILE = "counts.json"
REJECTED_FILE = "rejected.parquet"
#: The folder of the pieces that the rejected rows are put together from.
REJECTED_FOLDER = "rejected"
# A worker holds as much of the rejected rows as one piece has.
_REJECTED_PIECES = 256
# A group of the rows of the whole file has so many at least, but for the last one.
_REJECTED_ROWS = 10_000
#: The files of the folder that are not those of the sink.
OWN_FILES = (COUNTS_FILE, REJECTED_FILE, OWNER_FILE)


class WriteGraph(beam.PTransform):
    """Writes the tables of a graph, a collection of `TablePart`, by a sink.

    The output is one dictionary of counts, when everything is written. The folder gets the
    sink's files, `COUNTS_FILE` and, if there are any, the rejected rows in `REJECTED_FILE`.

    Args:
        sink: writes the rows.
        folder: where its files go; it must exist.
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
            rows = parts | label >> JoinTables(tables, filters)
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
            | "RejectedKey" >> beam.Map(_with_piece).with_output_types(tuple[int, Any])
            | "GroupRejected" >> beam.GroupByKey()
            | "WriteRejected" >> beam.Map(_write_rejected, self._folder, sink.name)
        )
        # The counts come last: who finds them finds all that they count.
        return finished | "WriteCounts" >> beam.Map(
            _write_counts, self._folder, beam.pvalue.AsIter(kept)
        )


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
        for _key, joined in group:
            for part in joined[PART]:
                rows = read_rows(part, joined, self._filters)
                written = self._sink.write(Rows(part.table, part.number, part.of, rows))
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
        replace(join(folder, *name.split("/")), data)
    for name, whole in written.joined.items():
        replace_by_pieces(join(folder, name), _content(folder, whole))


def _content(folder: str, whole: JoinedFile) -> Iterator[bytes]:
    for part in whole.parts:
        if isinstance(part, bytes):
            yield part
            continue
        above, _, begin = part.prefix.rpartition("/")
        for metadata in list_folder(join(folder, above) if above else folder, f"{begin}*"):
            if not metadata.path.endswith(PARTIAL_SUFFIX):
                yield from read_pieces(metadata.path)


def sum_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of counts, in the order of their names."""
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return dict(sorted(total.items()))


def _with_piece(row: tuple[str, str]) -> tuple[int, tuple[str, str]]:
    """A rejected row by the piece that it is in, whatever worker it comes from."""
    return zlib.crc32("\0".join(row).encode()) % _REJECTED_PIECES, row


def _write_rejected(group: tuple[int, Iterable[tuple[str, str]]], folder: str, stage: str) -> int:
    schema = TABLE_SCHEMAS["rejected"]
    rows = [
        dict.fromkeys(schema.names) | {"stage": stage, "error": row.error, "payload": row.payload}
        for row in sorted(RejectedRow(*row) for row in group[1])
    ]
    piece = join(folder, REJECTED_FOLDER, f"{group[0]:05d}.parquet")
    replace(piece, parquet_bytes(pa.Table.from_pylist(rows, schema)))
    return len(rows)


def _write_counts(counts: dict[str, int], folder: str, rejected: Iterable[int]) -> dict[str, int]:
    counts = {**counts, "rejected": sum(rejected)}
    if counts["rejected"]:
        _join_rejected(folder)
    replace(join(folder, COUNTS_FILE), json.dumps(counts).encode())
    return counts


def _join_rejected(folder: str) -> None:
    """Puts the pieces of the rejected rows into one file; a group of its rows is in memory."""
    pieces = list_folder(join(folder, REJECTED_FOLDER), "*.parquet")
    schema = TABLE_SCHEMAS["rejected"]
    waiting = schema.empty_table()
    with (
        replacing(join(folder, REJECTED_FILE)) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for path in sorted(piece.path for piece in pieces):
            with open_raw(path) as piece:
                rows = pq.read_table(piece, use_threads=False).cast(schema)
            waiting = pa.concat_tables([waiting, rows])
            if len(waiting) >= _REJECTED_ROWS:
                writer.write_table(waiting)
                waiting = schema.empty_table()
        if len(waiting):
            writer.write_table(waiting)


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
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.

    Returns:
        What was counted; `rejected` is the number of rows in `REJECTED_FILE`, which is
        there only if there are any.

    Raises:
        ConfigurationError: if a table is missing or an option is wrong.
    """
    filters = filters or Filters()
    filters.check(run.label_schema)
    written = [table for stage in sink.stages for table in stage]
    parts = run.parts(tables_read(written, filters))
    make_folder(folder)
    with running(pipeline_args) as pipeline:
        _ = (
            pipeline
            | "Parts" >> beam.Create(parts, reshuffle=True)
            | "Graph" >> WriteGraph(sink, folder, filters)
        )
    return json.loads(read_bytes(join(folder, COUNTS_FILE)))
