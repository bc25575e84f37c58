"""The plan of a large corpus without its texts: what is held where, and whether it stays bounded.

    python -m benchmarks.plan                               # 100,000,000 documents
    python -m benchmarks.plan --documents 1000000

Files, row groups and document ids are made up, and all that follows from them is the pipeline's own
work: the runs of rows and the file of them that workers read, the list of chunks, the groups in
which documents of one id meet, the number of files of each table, and the pieces in which rows
travel to these. A tenth of the documents is in files of 50. Prints seconds of processor time and
the peak memory after each step.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.pipeline.manifest_lists import ChunkList, ChunkRecord
from pfn_kg.schemas.choices import SHARD_ROWS
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.documents.groups import group_count, groups_of
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.run_lists import RunList
from pfn_kg.transforms.graph.table_shards import BOUNDED_BY, plan_shards
from pfn_kg.transforms.plumbing.held_rows import MOST_BYTES
from pfn_kg.transforms.reading import plan as planning
from pfn_kg.transforms.reading.packs import PlannedRun, packed_runs

# Of a document: as in `benchmarks/pipeline.py`.
SIZES = {"sentences": 8, "mentions": 24, "head_triples": 19}
DOCUMENT_BYTES = 1400
GROUP, GROUPS, SMALL = 1000, 100, 50
_KEYS = 500_000


class Group(NamedTuple):
    """What a footer says of a row group."""

    num_rows: int
    total_byte_size: int


class Footer(NamedTuple):
    """What a plan asks a footer."""

    num_row_groups: int
    group: Group

    def row_group(self, _: int) -> Group:
        return self.group


def footers(documents: int) -> Iterator[planning._Footer]:
    """The footers of a corpus: files of 100 row groups, and small ones of one."""
    schema = pa.schema({"id": pa.string(), "title": pa.string(), "text": pa.string()})
    shapes = (
        ("large", documents * 9 // 10, Footer(GROUPS, Group(GROUP, GROUP * DOCUMENT_BYTES))),
        ("small", documents // 10, Footer(1, Group(SMALL, SMALL * DOCUMENT_BYTES))),
    )
    for name, count, footer in shapes:
        for number in range(count // (footer.num_row_groups * footer.group.num_rows)):
            path = f"gs://bucket/corpus/{name}/part-{number:08d}.parquet"
            parquet = cast(pq.FileMetaData, footer)
            yield planning._Footer(path, 1, f"{number}.5", parquet, schema)


class Clock:
    """Prints what a step took."""

    def __init__(self) -> None:
        self._last = time.process_time()

    def step(self, said: str) -> None:
        now = time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{now - self._last:7.1f} s, peak {peak:7,.0f} MiB: {said}", flush=True)
        self._last = now


def simulate(documents: int, folder: Path) -> None:
    """Prints the steps of a plan, and what is held where."""
    clock = Clock()
    clock.step("imports")
    options = ExtractOptions(corpus=["gs://bucket/corpus"], output="gs://bucket/out")
    names = {"id", "title", "text"}
    files, planned = 0, list[PlannedRun]()
    for footer in footers(documents):
        planned += planning._plan_file(
            footer, options=options, model_hash="m", live_version=None, names=names
        )[1]
        files += 1
    runs = packed_runs(planned)
    del planned
    clock.step(f"plan: {files:,} files, {len(runs):,} runs of chunks")

    extractions = ExtractionFolder(str(folder / "extractions"))
    Path(extractions.path).mkdir(parents=True)
    sign = extractions.put_sign()
    RunList(extractions.path, sign, runs)
    size = (Path(extractions.path) / f"runs-{sign}").stat().st_size
    clock.step(f"file of the runs: {size:,} bytes; a job's description names it and no run")

    counts = {"rows": 500, "documents": 500, "characters": 700_000, "rejected": 0, "windows": 900}
    counts |= {name: 500 * of_each for name, of_each in SIZES.items()}
    records = (ChunkRecord(name=run.chunk_name(run.begin), counts=counts) for run in runs)
    listed = ChunkList.of(records)
    chunks = listed.count
    listed.save(str(folder))
    size = Path(listed.place(str(folder))).stat().st_size
    del runs, listed
    clock.step(f"list of {chunks:,} chunks: {size:,} bytes")

    groups = group_count(chunks)
    rows = np.zeros(groups, np.int64)
    for begin in range(0, documents, _KEYS):
        numbers = pa.array(np.arange(begin, min(begin + _KEYS, documents)))
        ids = pc.binary_join_element_wise("document-", numbers.cast(pa.string()), "")
        rows += np.bincount(groups_of(pa.chunked_array([ids]), groups), minlength=groups)
    clock.step(
        f"document ids: {groups:,} groups, the greatest of {rows.max():,} rows "
        f"({rows.max() * 120 / 2**20:.1f} MiB at 120 bytes)"
    )

    sizes = {"documents": documents} | {n: documents * of for n, of in SIZES.items()}
    shards = plan_shards(sizes, list(BOUNDED_BY), SHARD_ROWS)
    for table, count in shards.items():
        print(f"{'':28}{table:10} {sizes[BOUNDED_BY[table]]:15,} rows, {count:7,} files")
    held = MOST_BYTES // (sum(SIZES.values()) * 120)
    pieces = sum(
        min(count, held * sizes[BOUNDED_BY[table]] // documents) for table, count in shards.items()
    )
    print(
        f"{'':28}rows of {held:,} documents ({MOST_BYTES >> 20} MiB) are sent on together, in up "
        f"to {pieces:,} pieces"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=100_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        simulate(args.documents, Path(temporary))


if __name__ == "__main__":
    main()
