"""Seconds and memory of merging entities across documents, from extractions to tables.

The corpus is made up: documents of ten mentions whose names are of skewed frequency, two
or three words each, one mention in fifty with a letter that is wrong, and an alias table
of a row for every fifth name. Builds are by equal names alone, with the alias table, and
with fuzzy matching, each in a process of its own; what is compared is what the option
adds to the build.

    python -m benchmarks.canonicalise                      # 100,000 and 1,000,000 mentions
    python -m benchmarks.canonicalise --mentions 100000

Prints wall and processor seconds, what was merged, and the peak memory of the process
before the build and after.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.processes import in_process
from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, with_counters

MENTIONS, CHUNK_DOCUMENTS = 10, 500
KINDS = ("exact", "aliases", "fuzzy", "both")
_SIMILARITY = 0.92
_SYLLABLES = [c + v for c in "bcdfghklmnprstvz" for v in "aeiou"]


def names(count: int, rng: np.random.Generator) -> list[str]:
    """Names of two or three words; words are of skewed frequency as well."""
    words = [
        "".join(_SYLLABLES[i] for i in rng.integers(len(_SYLLABLES), size=2 + n % 3)).capitalize()
        for n in range(max(1000, count // 10))
    ]
    of_name = rng.zipf(1.2, size=(count, 3)) % len(words)
    sizes = 2 + rng.integers(2, size=count)
    found = zip(of_name.tolist(), sizes.tolist(), strict=True)
    return [" ".join(words[i] for i in row[:size]) for row, size in found]


def misspelt(name: str, rng: np.random.Generator) -> str:
    """The name with one letter that is another, left out, or doubled."""
    place, kind = int(rng.integers(1, len(name))), int(rng.integers(3))
    letter = ("x", "", name[place] * 2)[kind]
    return name[:place] + letter + name[place + 1 :]


def make_folder(folder: Path, mentions: int, seed: int = 0) -> None:
    """Writes extractions, manifest, label schema and an alias table."""
    rng = np.random.default_rng(seed)
    label_schema = read_label_schema(find_model())
    types = [t.name for t in label_schema.entity_types if t.kind == "entity"]
    known = names(max(mentions // 3, 10), rng)
    (folder / "extractions").mkdir(parents=True)
    (folder / "label_schema.yaml").write_text(label_schema.to_yaml(), encoding="utf-8")
    chunks = []
    schema = with_counters(EXTRACTION_SCHEMA, {})
    for begin in range(0, mentions // MENTIONS, CHUNK_DOCUMENTS):
        rows = []
        for number in range(begin, min(begin + CHUNK_DOCUMENTS, mentions // MENTIONS)):
            found = []
            text = ""
            for which in (rng.zipf(1.1, size=MENTIONS) % len(known)).tolist():
                name = known[which]
                if rng.random() < 0.02:
                    name = misspelt(name, rng)
                place = len(text)
                end = place + len(name)
                type_ = types[which % len(types)]
                found.append(
                    {"begin": place, "end": end, "type": type_, "score": 0.9, "sentence": 0}
                )
                text += f"{name}, "
            rows.append(
                {
                    "source_file": "made up",
                    "source_row": number,
                    "document_id": f"d{number}",
                    "content_hash": str(number),
                    "text": text,
                    "sentences": [{"begin": 0, "end": len(text)}],
                    "mentions": found,
                    "head_triples": [],
                    "rejected": [],
                }
            )
        pq.write_table(
            pa.Table.from_pylist(rows, schema), folder / "extractions" / f"c{begin}.parquet"
        )
        chunks.append({"name": f"c{begin}"})
    table: dict[str, list[Any]] = {"alias": [], "type": [], "canonical_name": [], "iri": []}
    for which in range(0, len(known), 5):
        table["alias"].append(known[which])
        table["type"].append(types[which % len(types)])
        table["canonical_name"].append(f"{known[which]} Holding")
        table["iri"].append(None)
    pq.write_table(pa.table(table), folder / "names.parquet")
    manifest = {
        "state": "extracted",
        "model": {"hash": "m", "entity_threshold": 0.5, "relation_threshold": 0.5},
        "chunks": chunks,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def run(folder: Path, kind: str) -> dict[str, Any]:
    """Builds here and now; to be called in a fresh process."""
    from pfn_kg.pipeline.build_phase import BuildOptions, run_build
    from pfn_kg.schemas.rules import NearNameOptions

    options = BuildOptions(
        rdf=None,
        aliases=str(folder / "names.parquet") if kind in ("aliases", "both") else None,
        fuzzy=NearNameOptions(similarity=_SIMILARITY) if kind in ("fuzzy", "both") else None,
    )
    before = _peak()
    start = time.perf_counter(), time.process_time()
    counts = run_build(str(folder), options)
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"wall": wall, "cpu": cpu, "before": before, "peak": _peak(), "counts": counts}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mentions", default="100000,1000000", help="sizes of the corpus")
    parser.add_argument("--kinds", default="exact,aliases,fuzzy", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind:
        print(json.dumps(run(args.folder, args.kind)))
        return
    print(f"{'mentions':>10} {'build':8}{'wall s':>8}{'cpu s':>8}{'peak MiB':>10}{'grown by':>10}")
    for size in sorted(int(size) for size in args.mentions.split(",")):
        with tempfile.TemporaryDirectory() as temporary:
            corpus = Path(temporary) / "corpus"
            make_folder(corpus, size)
            for kind in args.kinds.split(","):
                folder = Path(temporary) / kind
                shutil.copytree(corpus, folder)
                found = in_process("benchmarks.canonicalise", "--folder", folder, "--kind", kind)
                counts = found["counts"]
                said = {
                    name: counts[name]
                    for name in ("entities", *sorted(counts))
                    if name == "entities" or name.startswith(("merged", "fuzzy"))
                }
                print(
                    f"{size:10,} {kind:8}{found['wall']:8.1f}{found['cpu']:8.1f}"
                    f"{found['peak']:10,.0f}{found['peak'] - found['before']:10,.0f}  {said}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
