"""How many of the paragraphs that a question needs a search finds.

The questions are those of MuSiQue: each needs two to four paragraphs, of which some share no word
with it. The recall at k of a question is the share of its supporting paragraphs among the best k;
the table has the means. Each paragraph is a document, and the graph is extracted from them by the
shipped model unless it is in `--graph` already. Run from the checkout:
`python -m benchmarks.search --data musique100.json --graph runs/musique`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.search.index import SearchIndex
from pfn_kg.pipeline.search.rank import best, rank
from pfn_kg.pipeline.search_graph import index_of

DEPTHS = (2, 5, 10)


def make_graph(corpus: list[dict], folder: Path) -> None:
    """Extracts the graph of the paragraphs."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "corpus.parquet"
        pq.write_table(pa.Table.from_pylist(corpus), path)
        command = [sys.executable, "-m", "pfn_kg", "run", str(path), "--output", str(folder)]
        command += ["--title-column", "title", "--sentences"]
        subprocess.run(command, check=True)


def recalls(index: SearchIndex, questions: list[dict]) -> dict[str, dict[int, list[list[float]]]]:
    """Recall at each depth by way of ranking and number of hops."""
    ids = index.documents["document_id"].to_pylist()
    found: dict[str, dict[int, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        ranks = rank(index, question["question"]).documents
        wanted = set(question["supporting"])
        scores = {"BM25": ranks.words, "graph": ranks.graph, "fused": ranks.fused()}
        for way, of_documents in scores.items():
            order = [ids[place] for place in best(of_documents, max(DEPTHS))]
            row = [len(wanted & set(order[:depth])) / len(wanted) for depth in DEPTHS]
            found[way][question["hops"]].append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSON of corpus and questions")
    parser.add_argument("--graph", type=Path, required=True, help="output folder of the graph")
    arguments = parser.parse_args()
    data = json.loads(arguments.data.read_text(encoding="utf-8"))
    if not (arguments.graph / "manifest.json").exists():
        make_graph(data["corpus"], arguments.graph)
    begin = time.process_time()
    index = index_of(read_finished(str(arguments.graph)))
    opened = time.process_time()
    found = recalls(index, data["questions"])
    asked = time.process_time() - opened
    hops = sorted({question["hops"] for question in data["questions"]})
    heads = " | ".join(f"recall@{depth}" for depth in DEPTHS)
    print(f"| hops | questions | ranking | {heads} |")
    print("| --- | ---: | --- |" + " ---: |" * len(DEPTHS))
    for group in (hops, *([hop] for hop in hops)):
        label = "all" if group is hops else str(group[0])
        for way, by_hops in found.items():
            rows = [row for hop in group for row in by_hops[hop]]
            cells = " | ".join(f"{100 * mean:.1f}" for mean in np.mean(rows, axis=0))
            print(f"| {label} | {len(rows)} | {way} | {cells} |")
    print(
        f"\n{opened - begin:.1f} s of processor to open or make the index, "
        f"{1000 * asked / len(data['questions']):.0f} ms a question"
    )


if __name__ == "__main__":
    main()
