"""What removing documents costs, over building the graph of all of them.

The corpus and the ready-made predictions are those of `benchmarks.pipeline`. One document
in a hundred is removed, with tables and Turtle as by default; then the same folder, which
has no more to remove, is built once more. No model is there to be run.

    python -m benchmarks.removal                       # 100,000 documents
    python -m benchmarks.removal --documents 10000

Prints seconds of the process, wall and processor, and the ratio of processor seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.pipeline import make_corpus
from benchmarks.processes import in_process

STEPS = ("build", "remove", "again")


def run(step: str, folder: Path, documents: int) -> dict[str, Any]:
    """One step here and now; to be called in a fresh process."""
    from pfn_kg.pipeline.build_phase import run_build
    from pfn_kg.pipeline.remove import remove_documents

    start = time.perf_counter(), time.process_time()
    removed = 0
    if step == "remove":
        removed = remove_documents(str(folder), [f"d{n}" for n in range(0, documents, 100)])
    counts = run_build(str(folder))
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"wall": wall, "cpu": cpu, "removed": removed, "counts": counts}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(run(args.step, args.folder, args.documents)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        corpus, folder = Path(temporary) / "corpus.parquet", Path(temporary) / "run"
        make_corpus(corpus, args.documents)
        extract = ("--phase", "extract", "--folder", folder, "--corpus", corpus)
        in_process("benchmarks.pipeline", *extract)
        found = {}
        for step in STEPS:
            arguments = ("--folder", folder, "--step", step, "--documents", args.documents)
            found[step] = in_process("benchmarks.removal", *arguments)
            counts = found[step]["counts"]
            print(
                f"{step:8} wall {found[step]['wall']:7.1f} s, cpu {found[step]['cpu']:7.1f} s, "
                f"{found[step]['removed']:,} documents removed, {counts['documents']:,} left, "
                f"{counts['entities']:,} entities, {counts['redirects']:,} redirects",
                flush=True,
            )
        # The first build has no former one whose ids it looks for.
        for step, base in (("remove", "build"), ("remove", "again"), ("again", "build")):
            print(f"{step} / {base}: {found[step]['cpu'] / found[base]['cpu']:.2f}")


if __name__ == "__main__":
    main()
