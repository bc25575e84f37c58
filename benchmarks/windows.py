"""Windows of sentences beside one sentence at a time: facts found, and speed.

    python -m benchmarks.windows --data redocred/test.json

The same model reads the same documents both ways, by turns. Facts are scored at the
thresholds that suit each way best on --dev.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from pfn_kg.pfn.evaluation.annotated_texts import annotated_texts
from pfn_kg.pfn.evaluation.documents import score_documents, tune_document_thresholds
from pfn_kg.pfn.evaluation.predictions import predict_texts
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers import read
from pfn_kg.schemas.choices import DEFAULT_FLOOR


def main() -> None:
    """Prints scores and the ratio of speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="annotated documents, DocRED JSON")
    parser.add_argument("--dev", help="documents that thresholds are chosen on; default: --data")
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--window-tokens", type=int, nargs="*", help="default: the model's own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    extractor = Extractor.from_pretrained(args.model)
    documents = annotated_texts(read(args.data, "docred"))
    dev = annotated_texts(read(args.dev, "docred")) if args.dev else documents
    sentences = sum(len(document.sentences) for document in documents)
    ways = [0, *(args.window_tokens or [extractor.config.window_tokens])]
    seconds: dict[int, list[float]] = {way: [] for way in ways}
    found: dict[int, list[Any]] = {}
    for _ in range(args.rounds):
        for way in ways:
            begin = clock()
            found[way] = predict_texts(
                extractor,
                documents,
                entity_floor=DEFAULT_FLOOR,
                relation_floor=DEFAULT_FLOOR,
                window_tokens=way,
            )
            seconds[way].append(clock() - begin)
    print(
        f"{'window':>8}{'sentences/s':>13}{'ratio':>7}{'entity F1':>11}"
        f"{'P':>7}{'R':>7}{'fact F1':>9}"
    )
    for way in ways:
        chosen = tune_document_thresholds(
            predict_texts(
                extractor,
                dev,
                entity_floor=DEFAULT_FLOOR,
                relation_floor=DEFAULT_FLOOR,
                window_tokens=way,
            ),
            dev,
        )
        entity, relation = chosen
        scores = score_documents(
            found[way], documents, entity_threshold=entity, relation_threshold=relation
        )
        ratio = statistics.median(
            alone / this for alone, this in zip(seconds[0], seconds[way], strict=True)
        )
        fact = scores["fact"]
        figures = "".join(f"{100 * fact[name]:7.2f}" for name in ("precision", "recall"))
        print(
            f"{way:8}{sentences / statistics.median(seconds[way]):13.1f}{ratio:7.2f}"
            f"{100 * scores['entity']['f1']:11.2f}{figures}{100 * fact['f1']:9.2f}"
        )


if __name__ == "__main__":
    main()
