"""The runs of rows that a job reads, in a Parquet file of the job's own.

Of a corpus of many files there are more runs than a job's description may hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.plumbing.files import join, replace
from pfn_kg.transforms.plumbing.lists import read_list
from pfn_kg.transforms.reading.columns import Columns
from pfn_kg.transforms.reading.runs import AnyRun, ChunkRun, RunPack

# A run as JSON, in which also paths that are no UTF-8 can be spelt.
_SCHEMA = pa.schema({"run": pa.string()})
# So many runs are spelt at once.
_ROWS = 5_000


class RunList:
    """The file of a job's runs, beside the sign of the job, with which it is taken away.

    Args:
        folder: path of the folder of extraction files.
        sign: from `ExtractionFolder.put_sign`.
        runs: of the plan, none of them narrowed to wanted rows.
    """

    def __init__(self, folder: str, sign: str, runs: Sequence[AnyRun]):
        self._folder = folder
        self._sign = sign
        self._count = len(runs)
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, _SCHEMA, compression="zstd") as writer:
            # All of them, spelt at once, would take more memory than the plan itself.
            for begin in range(0, len(runs), _ROWS):
                some = runs[begin : begin + _ROWS]
                spelt = [json.dumps(asdict(run) | {"wanted": None}) for run in some]
                writer.write_table(pa.table([spelt], schema=_SCHEMA))
        replace(_place(folder, sign), sink.getvalue().to_pybytes())

    def reader(self) -> ReadRuns:
        """Reads the runs in a pipeline."""
        return ReadRuns(self._folder, self._sign, self._count)


class ReadRuns(beam.PTransform):
    """From the beginning of a pipeline to a collection of (number, `AnyRun`).

    Args:
        folder: path of the folder of extraction files.
        sign: of the job.
        count: how many runs there are.
    """

    def __init__(self, folder: str, sign: str, count: int):
        super().__init__()
        self._arguments = sign, folder, count

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        sign, *arguments = self._arguments
        return (
            begin
            | "Sign" >> beam.Create([sign], reshuffle=False)
            | "Read" >> beam.FlatMap(_runs, *arguments).with_output_types(tuple[int, AnyRun])
        )


def _place(folder: str, sign: str) -> str:
    return join(folder, f"runs-{sign}")


def _runs(sign: str, folder: str, count: int) -> Iterator[tuple[int, AnyRun]]:
    ExtractionFolder(folder).check_sign(sign)
    number = 0
    for batch in read_list(_place(folder, sign), _SCHEMA, count):
        for spelt in batch["run"].to_pylist():
            fields = json.loads(spelt)
            if "runs" in fields:
                yield number, RunPack(tuple(map(_run, fields["runs"])))
            else:
                yield number, _run(fields)
            number += 1


def _run(fields: Mapping[str, Any]) -> ChunkRun:
    columns = fields["columns"] | {"metadata": tuple(fields["columns"]["metadata"])}
    return ChunkRun(**{**fields, "columns": Columns(**columns)})
