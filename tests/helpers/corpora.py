"""Small corpora as Parquet files, runs over them, and what the extract phase leaves."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.output_folders import listed_chunks
from pfn_kg.pipeline.cli import main

ROOT = Path(__file__).parents[2]

TEXTS = [
    "Marie Curie was born in Warsaw. She worked with Pierre Curie in Paris.",
    "Ada Lovelace was born in London in 1815. She knew Charles Babbage.",
    "The Danube flows through Vienna, Budapest and Belgrade.",
    "Nikola Tesla moved to New York in 1884 and worked for Thomas Edison.",
    "Oslo is the capital of Norway. Bergen lies on its west coast.",
]


def corpus_table(
    texts: Sequence[str | None] = TEXTS, prefix: str = "d", **columns: Any
) -> pa.Table:
    """A table of documents with the columns `id`, `title` and `text`, and others."""
    number = range(len(texts))
    data: dict[str, Any] = {
        "id": pa.array([f"{prefix}{i}" for i in number], pa.string()),
        "title": pa.array([f"Title {i}" for i in number], pa.string()),
        "text": pa.array(texts, pa.string()),
    }
    return pa.table(data | columns)


def write_corpus(path: Path, texts: Sequence[str | None] = TEXTS, **columns: Any) -> Path:
    """Writes `corpus_table` as one file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(corpus_table(texts, path.stem, **columns), path)
    return path


def extract(corpus: object, output: object, model: Path, *options: str) -> int:
    """Runs `pfn-kg extract` in this process; gives its exit code."""
    return main(["extract", str(corpus), "--output", str(output), "--model", str(model), *options])


def run(corpus: object, output: object, model: Path, *options: str) -> int:
    """Runs `pfn-kg run` in this process; gives its exit code."""
    return main(["run", str(corpus), "--output", str(output), "--model", str(model), *options])


def process(*arguments: object) -> subprocess.Popen[str]:
    """Starts `pfn-kg` in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pfn_kg", *map(str, arguments)],
        # A command that reads its input waits for it, whatever the tests' own input is.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def extracted(output: Path) -> list[dict[str, Any]]:
    """The rows of all extraction files, in the order of the manifest's chunks."""
    rows: list[dict[str, Any]] = []
    for chunk in listed_chunks(output):
        rows += pq.read_table(output / "extractions" / f"{chunk['name']}.parquet").to_pylist()
    return rows


def rejections(output: Path) -> list[tuple[str, int, str]]:
    """File name, row and reason of all that was rejected."""
    return [
        (Path(row["source_file"]).name, row["source_row"], rejected["error"])
        for row in extracted(output)
        for rejected in row["rejected"]
    ]
