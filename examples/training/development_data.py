"""Development data for a model that reads more than Wikipedia abstracts, as one DocRED file.

    python examples/training/development_data.py FOLDER -o dev.json

The file holds three parts: the development documents of Re-DocRED; as many documents made of
unrelated parts of them, so that thresholds are chosen where neighbouring sentences need not be
related, and left out where scores of facts are calibrated; and half of a fold of KnowledgeNet,
annotated in part, which calibrates relations and takes no part in scores. FOLDER holds redocred
and knowledgenet_facts.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from partial_data import knowledgenet, write_relation_names

Document = dict[str, Any]

# Parts of a document, and the share of documents in which each part is one sentence.
_PARTS = (2, 9)
_LISTS = 0.6


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds the data sets by name")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=3, help="of KnowledgeNet; default: 3")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    dev = json.loads((args.folder / "redocred" / "dev.json").read_text(encoding="utf-8"))
    rng = random.Random(args.seed)
    mixed = [unrelated_parts(dev, number, rng) for number in range(len(dev))]
    documents = [*dev, *mixed, *knowledgenet(args.folder, {args.fold}, part=0)]
    args.output.write_text(json.dumps(documents, ensure_ascii=False), encoding="utf-8")
    write_relation_names(args.folder, args.output)


def unrelated_parts(documents: list[Document], number: int, rng: random.Random) -> Document:
    """A document of short runs of sentences of others; its facts are those inside a run."""
    count, is_list = rng.randint(*_PARTS), rng.random() < _LISTS
    sentences: list[list[str]] = []
    clusters: list[list[dict[str, Any]]] = []
    labels: list[dict[str, Any]] = []
    for document in rng.sample(documents, count):
        size = len(document["sents"])
        length = min(size, 1 if is_list else rng.randint(1, 3))
        first = 0 if rng.random() < 0.4 else rng.randrange(size - length + 1)
        numbers: dict[int, int] = {}
        for cluster, mentions in enumerate(document["vertexSet"]):
            inside = [
                mention | {"sent_id": mention["sent_id"] - first + len(sentences)}
                for mention in mentions
                if first <= mention["sent_id"] < first + length
            ]
            if inside:
                numbers[cluster] = len(clusters)
                clusters.append(inside)
        labels += [
            {"h": numbers[label["h"]], "t": numbers[label["t"]], "r": label["r"], "evidence": []}
            for label in document["labels"]
            if label["h"] in numbers and label["t"] in numbers
        ]
        sentences += document["sents"][first : first + length]
    return {
        "title": f"mixed {number}",
        "sents": sentences,
        "vertexSet": clusters,
        "labels": labels,
        "unrelated_parts": True,
    }


if __name__ == "__main__":
    main()
