"""How many of the paragraphs that a question needs a search finds.

The questions are those of MuSiQue: each needs two to four paragraphs, of which some share no word
with it. The recall at k of a question is the share of its supporting paragraphs among the best k;
the table has the means. Each paragraph is a document, and the graph is extracted from them by the
shipped model unless it is in `--graph` already. With `--vectors` an encoder ranks too. Weights were
chosen on the half of the questions that `is_for_fitting` names; `--half` takes one of the halves.
`--misses` says of each paragraph that is not among the best five which part of the graph failed.
Run from the checkout:
`python -m benchmarks.search --data musique100.json --graph runs/musique`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.search.build import name_words
from pfn_kg.pipeline.search.index import SearchIndex
from pfn_kg.pipeline.search.rank import Ranks, best, rank
from pfn_kg.pipeline.search_graph import index_of, likeness_of

DEPTHS = (2, 5, 10)


def make_graph(corpus: list[dict], folder: Path) -> None:
    """Extracts the graph of the paragraphs."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "corpus.parquet"
        pq.write_table(pa.Table.from_pylist(corpus), path)
        command = [sys.executable, "-m", "pfn_kg", "run", str(path), "--output", str(folder)]
        command += ["--title-column", "title", "--sentences"]
        subprocess.run(command, check=True)


def is_for_fitting(question: dict) -> bool:
    """Whether weights may be chosen on a question: half of them, by the hash of the id."""
    return hashlib.blake2b(question["id"].encode(), digest_size=1).digest()[0] % 2 == 0


def recalls(
    index: SearchIndex, questions: list[dict], likeness: Callable[[str], np.ndarray] | None
) -> dict[str, dict[int, list[list[float]]]]:
    """Recall at each depth by way of ranking and number of hops."""
    ids = index.documents["document_id"].to_pylist()
    found: dict[str, dict[int, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        ranks = ranked(index, question, likeness).documents
        wanted = set(question["supporting"])
        scores = {"BM25": ranks.words, "graph": ranks.graph, "fused": ranks.fused()}
        if ranks.vectors is not None:
            scores = {"BM25": ranks.words, "vectors": ranks.vectors} | scores
        for way, of_documents in scores.items():
            order = [ids[place] for place in best(of_documents, max(DEPTHS))]
            row = [len(wanted & set(order[:depth])) / len(wanted) for depth in DEPTHS]
            found[way][question["hops"]].append(row)
    return found


def ranked(
    index: SearchIndex, question: dict, likeness: Callable[[str], np.ndarray] | None
) -> Ranks:
    text = question["question"]
    return rank(index, text, None if likeness is None else likeness(text))


def misses(
    index: SearchIndex,
    questions: list[dict],
    known: Sequence[str],
    likeness: Callable[[str], np.ndarray] | None,
) -> list[tuple[str, int, str, str, str]]:
    """What limits the graph, step by step of each question whose paragraph is not found.

    A step asks for one fact: of the answer of an earlier step or of something that the question
    names, to its own answer. The first of these reasons that holds is given:

    - `answer has no entity`: no entity has the name of the answer, so it was missed or is no name;
    - `answer not in its paragraph`: the entity exists, but the paragraph has no mention of it:
      it was missed there, or merged with another;
    - `question names no entity`: no entity is named by the whole question, and the step is first;
    - `no fact`: the paragraph states no fact of the answer: its relation is not known, or missed;
    - `ranked low`: all of this is there.

    Args:
        index: of the graph.
        questions: which ones.
        known: names of documents, in the order of the index.
        likeness: as for `rank`.

    Returns:
        Id and hops of the question, paragraph, answer, and the reason.
    """
    entities_of: dict[str, list[int]] = defaultdict(list)
    for name, entity in zip(
        index.names["name"].to_pylist(), index.names["entity"].to_pylist(), strict=True
    ):
        entities_of[name].append(entity)
    place = {name: number for number, name in enumerate(known)}
    of_sentences = index.sentences["document"].to_numpy()
    rows = []
    for question in questions:
        ranks = ranked(index, question, likeness)
        top = {known[n] for n in best(ranks.documents.fused(), 5)}
        for number, (step, paragraph) in enumerate(
            zip(question["decomposition"], question["supporting"], strict=True)
        ):
            if paragraph in top:
                continue
            answer = step["answer"]
            entities = entities_of.get(" ".join(name_words(answer)), [])
            sentences = index.first_sentence + np.flatnonzero(of_sentences == place[paragraph])
            near = {int(node) for s in sentences for node in index.edges.row(s)[0]}
            here = near & set(entities)
            facts = {n for n in near if index.first_fact <= n < index.first_sentence}
            if not entities:
                reason = "answer has no entity"
            elif not here:
                reason = "answer not in its paragraph"
            elif number == 0 and not ranks.entities:
                reason = "question names no entity"
            elif not any(facts & set(index.edges.row(e)[0].tolist()) for e in here):
                reason = "no fact"
            else:
                reason = "ranked low"
            rows.append((question["id"], question["hops"], paragraph, answer, reason))
    return rows


def print_misses(rows: Sequence[tuple[str, int, str, str, str]]) -> None:
    counts = Counter(row[-1] for row in rows)
    print("\n| what limits it | paragraphs |\n| --- | ---: |")
    for reason, count in counts.most_common():
        print(f"| {reason} | {count} |")
    print("\n| question | hops | paragraph | answer | what limits it |")
    print("| --- | ---: | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSON of corpus and questions")
    parser.add_argument("--graph", type=Path, required=True, help="output folder of the graph")
    parser.add_argument("--vectors", metavar="ENCODER", help="rank by vectors of this encoder too")
    parser.add_argument("--half", choices=("fit", "rest"), help="one half of the questions")
    parser.add_argument("--misses", action="store_true", help="print what was not found, and why")
    arguments = parser.parse_args()
    data = json.loads(arguments.data.read_text(encoding="utf-8"))
    if not (arguments.graph / "manifest.json").exists():
        make_graph(data["corpus"], arguments.graph)
    questions = data["questions"]
    if arguments.half:
        questions = [q for q in questions if is_for_fitting(q) == (arguments.half == "fit")]
    run = read_finished(str(arguments.graph))
    begin = time.process_time()
    index = index_of(run)
    likeness = None
    if arguments.vectors:
        likeness = likeness_of(run, index, arguments.vectors)
    opened = time.process_time()
    found = recalls(index, questions, likeness)
    asked = time.process_time() - opened
    hops = sorted({question["hops"] for question in questions})
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
        f"{1000 * asked / len(questions):.0f} ms a question"
    )
    if arguments.misses:
        print_misses(misses(index, questions, index.documents["document_id"].to_pylist(), likeness))


if __name__ == "__main__":
    main()
