"""Which mentions the build holds for one entity, against the clusters of annotated documents.

Gold mentions go through the build's own step, so that what is scored is the merging alone.
Values are left out, since they are no entities. A row is a rule beside exact names (letters'
case, white space and compatibility characters aside), the last ones are the defaults and all.

    python -m benchmarks.clusters dev.json

Prints precision, recall and F1 of pairs and B-cubed, how many names of a document each rule
joined to others, how many of those joins gold agrees with, and with --wrong the others.
Also the time that the step takes a sentence, exact names beside the defaults.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.pfn.readers.docred import GoldDocument, read_docred_documents
from pfn_kg.pipeline.gold_extractions import gold_extractions
from pfn_kg.pipeline.graph_evaluation import document_ids
from pfn_kg.pipeline.graph_scores import by_document, score_graph
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.facts.chunk_rows import ChunkRows, rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions

EXACT = NameRules(**dict.fromkeys(NameRules.model_fields, False))
ALL = NameRules(**dict.fromkeys(NameRules.model_fields, True))


def resolved(chunk: pa.Table, schema: LabelSchema, rules: NameRules) -> list[dict[str, Any]]:
    """The rows of the mentions after the step."""
    return _rows(chunk, schema, rules).tables["mentions"].to_pylist()


def _rows(chunk: pa.Table, schema: LabelSchema, rules: NameRules) -> ChunkRows:
    options = FactOptions(0.5, 0.5, names=rules)
    return rows_of_chunk(chunk, model_hash="gold", losers=[], label_schema=schema, options=options)


def joined(
    gold: dict[str, GoldDocument], mentions: list[dict[str, Any]], exact: list[dict[str, Any]]
) -> tuple[list[list[str]], list[list[str]]]:
    """Entities of a document that have more than one exact name: those gold has, and others."""
    clusters = {
        (id_, m.begin, m.end): number
        for id_, document in gold.items()
        for number, cluster in enumerate(document.clusters)
        for m in cluster
    }
    groups: dict[tuple[str, bytes], dict[bytes, tuple[str, set[int]]]] = defaultdict(dict)
    for row, before in zip(mentions, exact, strict=True):
        place = row["document_id"], row["begin"], row["end"]
        names = groups[row["document_id"], row["entity_id"]]
        name = names.setdefault(before["entity_id"], (row["text"], set()))
        name[1].add(clusters[place])
    right, wrong = [], []
    for names in groups.values():
        if len(names) > 1:
            agrees = len({number for _, numbers in names.values() for number in numbers}) == 1
            (right if agrees else wrong).append([text for text, _ in names.values()])
    return right, wrong


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gold", type=Path, help="annotated documents, in the format docred")
    parser.add_argument("--wrong", action="store_true", help="print what gold does not agree with")
    parser.add_argument("--rounds", type=int, default=7, help="of the timing")
    args = parser.parse_args()
    schema = read_label_schema(find_model())
    entity_types = {t.name for t in schema.entity_types if t.kind == "entity"}
    documents = [
        document._replace(
            clusters=[
                kept
                for cluster in document.clusters
                if (kept := [m for m in cluster if m.type in entity_types])
            ],
            facts=set(),
        )
        for document in read_docred_documents(args.gold)
    ]
    gold = dict(zip(document_ids(documents), documents, strict=True))
    chunk = gold_extractions(documents, document_ids(documents), schema)
    exact = resolved(chunk, schema, EXACT)
    settings = {"exact names": EXACT}
    settings |= {f"+ {name}": EXACT.changed(**{name: True}) for name in NameRules.model_fields}
    settings |= {"defaults": NameRules(), "all": ALL}
    print(f"{len(gold)} documents, {len(exact)} mentions of entities")
    print(
        f"{'':18}{'pairs: P':>10}{'R':>8}{'F1':>8}{'B3: P':>10}{'R':>8}{'F1':>8}{'joins':>8}",
        end="",
    )
    print(f"{'in gold':>9}")
    for label, rules in settings.items():
        mentions = resolved(chunk, schema, rules)
        scores = score_graph(gold, by_document(mentions, []))["entity_cluster"]
        right, wrong = joined(gold, mentions, exact)
        figures = [
            scores[s][m] for s in ("pairwise", "b_cubed") for m in ("precision", "recall", "f1")
        ]
        cells = "".join(f"{100 * x:{10 if i in (0, 3) else 8}.2f}" for i, x in enumerate(figures))
        print(f"{label:18}{cells}{len(right) + len(wrong):8}{len(right):9}")
        if args.wrong:
            for names in wrong:
                print(f"    {' | '.join(names)}")

    sentences = sum(
        1 + max((m.sentence for c in d.clusters for m in c), default=0) for d in documents
    )
    times: dict[NameRules, list[float]] = {EXACT: [], NameRules(): []}
    for _ in range(args.rounds):
        for rules, seconds in times.items():
            start = time.process_time()
            _rows(chunk, schema, rules)
            seconds.append(time.process_time() - start)
    medians = [1e6 * statistics.median(seconds) / sentences for seconds in times.values()]
    print(f"\nmicroseconds of cpu a sentence: {medians[0]:.1f}, with the defaults {medians[1]:.1f}")


if __name__ == "__main__":
    main()
