"""How the pipeline grows beside the model: small files, the memory of a local build, updates.

    python -m benchmarks.growth small-files          # 1,000 files of 2 documents, one of 2,000
    python -m benchmarks.growth memory               # builds of 20,000 to 200,000 documents
    python -m benchmarks.growth changes              # of 0.1 % of 10,000 documents
    python -m benchmarks.growth changes --fuzzy 0.92 # of names of which some are misspelt

As in `benchmarks/pipeline.py`, the corpus is made up and a table of ready-made predictions stands
in the model's place. Each phase runs in a process of its own on one core, and figures are its own
seconds of processor time.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.pipeline import MENTIONS, SENTENCES, ReadyMade, make_corpus
from benchmarks.processes import in_process
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import COLLECTION_THRESHOLDS
from pfn_kg.pipeline.extract_phase import run_extraction
from pfn_kg.pipeline.prepare_extraction import prepare_extraction
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.transforms.extraction import inference
from pfn_kg.transforms.reading.plan import plan_extraction

#: The share of names that are misspelt where near names are merged.
MISSPELT = 0.02


def extract(folder: Path, corpus: Path, packed: bool, into: bool = False) -> dict[str, Any]:
    """Extracts a corpus with ready-made predictions; `packed` as in `plan_extraction`."""
    with mock.patch.object(inference.PFNModelHandler, "load_model", return_value=ReadyMade()):
        options = ExtractOptions(corpus=[str(corpus)], output=str(folder), into=into)
        start = time.process_time()
        prepared = prepare_extraction(options)
        if not packed and not into:
            plan = plan_extraction(prepared.options, prepared.model_hash, packed=False)
            prepared = prepared._replace(plan=plan)
        manifest = run_extraction(prepared)
    assert manifest.chunks is not None  # since it is finished
    return {"cpu": time.process_time() - start, "chunks": manifest.chunks.count}


def build(folder: Path, keep_rows: bool, fuzzy: float | None = None) -> dict[str, Any]:
    """Builds the graph of a folder; `fuzzy` as the option."""
    start = time.process_time()
    near = None if fuzzy is None else NearNameOptions(similarity=fuzzy)
    counts = run_build(str(folder), BuildOptions(keep_rows=keep_rows, fuzzy=near))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": time.process_time() - start, "counts": counts, "peak_mib": peak}


def small_files(place: Path, documents: int, each: int, rounds: int) -> None:
    """Prints what a corpus of small files costs beside one file of the same documents."""
    large, small = place / "large.parquet", place / "small"
    make_corpus(large, documents)
    small.mkdir()
    table = pq.read_table(large)
    for begin in range(0, documents, each):
        pq.write_table(table.slice(begin, each), small / f"{begin:09d}.parquet")
    shapes = {
        "one file": (large, True),
        "small files, a chunk each": (small, False),
        "small files, packed": (small, True),
    }
    print(f"{documents:,} documents, {each} in a small file; seconds of processor time, least of "
          f"{rounds}; bytes of extractions")  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in shapes}
    for number in range(rounds):
        for name, (corpus, packed) in shapes.items():
            folder = place / f"run-{number}-{len(found[name])}-{name.replace(' ', '-')}"
            one = in_process(
                "benchmarks.growth", "extract", "--folder", folder, "--corpus", corpus,
                *(["--packed"] if packed else []),
            )  # fmt: skip
            built = in_process("benchmarks.growth", "build", "--folder", folder)
            size = sum(f.stat().st_size for f in (folder / "extractions").iterdir())
            found[name].append(one | {"build": built["cpu"], "bytes": size})
    first: dict[str, float] = {}
    for name, runs in found.items():
        least = {key: min(run[key] for run in runs) for key in ("cpu", "build")}
        first = first or least
        print(
            f"{name:28} {runs[0]['chunks']:6,} chunks {runs[0]['bytes']:12,} bytes   "
            f"extract {least['cpu']:6.2f} s ({least['cpu'] / first['cpu']:.2f})   "
            f"build {least['build']:6.2f} s ({least['build'] / first['build']:.2f})"
        )


def memory(place: Path, sizes: Sequence[int]) -> None:
    """Prints the peak memory of builds of some sizes, and how it grows."""
    found: list[tuple[int, float]] = []
    for size in sizes:
        corpus, folder = place / f"{size}.parquet", place / f"run-{size}"
        make_corpus(corpus, size)
        in_process(
            "benchmarks.growth", "extract", "--packed", "--folder", folder, "--corpus", corpus
        )
        corpus.unlink()
        built = in_process("benchmarks.growth", "build", "--folder", folder)
        mentions = built["counts"]["mentions"]
        found.append((mentions, built["peak_mib"]))
        print(
            f"{size:9,} documents, {mentions:11,} mentions: build {built['cpu']:7.1f} s of "
            f"processor time, peak {built['peak_mib']:7,.0f} MiB",
            flush=True,
        )
        shutil.rmtree(folder)
    for (less, before), (more, after) in itertools.pairwise(found):
        slope = (after - before) * 2**20 / (more - less)
        million = slope * 1e6 * SENTENCES * MENTIONS
        print(
            f"{slope:.0f} bytes a mention more; 2,000,000 documents would take "
            f"{after / 1024 + (2 * million - slope * more) / 2**30:.1f} GiB"
        )


def misspell(texts: pa.ChunkedArray, share: float, seed: int = 2) -> list[str]:
    """Texts of `make_corpus` with another letter in a share of their names."""
    rng = np.random.default_rng(seed)
    name = re.compile(r"\b([A-Z][a-z]{6} [A-Z])a(?=[a-z]{5}\b)")

    def spelt(found: re.Match[str]) -> str:
        return f"{found[1]}e" if rng.random() < share else found[0]

    return [name.sub(spelt, text) for text in texts.to_pylist()]


def changes(place: Path, documents: int, rounds: int, fuzzy: float | None) -> None:
    """Prints what a build takes after a thousandth of the documents changed."""
    corpus, new, folder = place / "all.parquet", place / "new.parquet", place / "run"
    make_corpus(corpus, documents)
    if fuzzy is not None:
        table = pq.read_table(corpus)
        texts = pa.array(misspell(table["text"], MISSPELT))
        pq.write_table(table.set_column(2, "text", texts), corpus)
    in_process("benchmarks.growth", "extract", "--packed", "--folder", folder, "--corpus", corpus)

    def built(*options: str) -> dict[str, Any]:
        named = [] if fuzzy is None else ["--fuzzy", str(fuzzy)]
        return in_process("benchmarks.growth", "build", "--folder", folder, *options, *named)

    def rows() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (folder / "rows").rglob("*.rows")}

    found: dict[str, list[float]] = {"whole": [], "first that keeps": [], "after a change": []}
    for number in range(rounds):
        # Without the option a build deletes what was kept.
        found["whole"].append(built()["cpu"])
        found["first that keeps"].append(built("--keep-rows")["cpu"])
        kept = (path for path in (folder / "rows").rglob("*") if path.is_file())
        size, before = sum(path.stat().st_size for path in kept), rows()
        count = max(documents // 1000, 1)
        table = pq.read_table(corpus)
        ids = table["id"].slice(number * count, count)
        texts = table["text"].slice(documents - (number + 1) * count, count)
        pq.write_table(pa.table({"id": ids, "title": ids, "text": texts}), new)
        in_process("benchmarks.growth", "extract", "--into", "--folder", folder, "--corpus", new)
        last = built("--keep-rows")
        found["after a change"].append(last["cpu"])
        after = rows()
        made = sum(before.get(path) != written for path, written in after.items())
    least = {name: min(values) for name, values in found.items()}
    print(f"{documents:,} documents, {count} changed; {size:,} bytes are kept; in the last round "
          f"{made} of {len(after)} chunks were worked out again")  # fmt: skip
    if fuzzy is not None:
        print(f"{last['counts'].get('merged.fuzzy', 0):,} entities went to another one")
    for name, value in least.items():
        print(f"{name:20} {value:7.2f} s of processor time ({value / least['whole']:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("small-files", "memory", "changes", "extract", "build"))
    parser.add_argument("--documents", help="how many; several sizes for `memory`")
    parser.add_argument("--each", type=int, default=2, help="documents in a small file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fuzzy", type=float, metavar="P", help="as of `pfn-kg build`")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    for name in ("--packed", "--into", "--keep-rows"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what in ("extract", "build"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        pa.set_cpu_count(1)
        gc.set_threshold(*COLLECTION_THRESHOLDS)  # as a command has it
        if args.what == "extract":
            print(json.dumps(extract(args.folder, args.corpus, args.packed, args.into)))
        else:
            print(json.dumps(build(args.folder, args.keep_rows, args.fuzzy)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if args.what == "memory":
            memory(
                place, [int(size) for size in (args.documents or "20000,100000,200000").split(",")]
            )
        elif args.what == "changes":
            changes(place, int(args.documents or 10_000), args.rounds, args.fuzzy)
        else:
            small_files(place, int(args.documents or 2000), args.each, args.rounds)


if __name__ == "__main__":
    main()
