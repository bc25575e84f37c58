"""Sentences a second of `Extractor.extract` over those of its bare encoder.

The encoder's own forward pass is the floor: no extractor over that encoder can be
faster. It gets its inputs tokenised beforehand, sorted by length, at the best of
several token budgets, in inference mode, without word shapes. Both are measured by
turns, and the ratio is that of the medians.

    python benchmarks/inference.py --data test.json --format docred
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from transformers import AutoModel

from pfn.extractor import Extractor
from pfn.readers import FORMATS, read

BUDGETS = (512, 1024, 2048, 4096, 8192)


def seconds(function) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def encoder_pass(encoder, batches) -> None:
    with torch.inference_mode():
        for batch in batches:
            encoder(**batch)


def encoder_batches(extractor: Extractor, texts: list[str], budget: int) -> list[dict]:
    windows = [window for found in extractor.inputs.encode(texts) for window in found]
    windows.sort(key=lambda window: -len(window.pieces))
    batches, begin = [], 0
    while begin < len(windows):
        size = max(1, budget // len(windows[begin].pieces))
        batch = extractor.inputs.collate(windows[begin : begin + size], extractor.model.device)
        batches.append({name: batch[name] for name in ("input_ids", "attention_mask")})
        begin += size
    return batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    texts = [sentence.text for sentence in read(args.data, args.format)]
    extractor = Extractor.from_pretrained(args.model, args.device)
    config = extractor.config.encoder
    encoder = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation="sdpa")
    encoder = encoder.to(extractor.model.device, extractor.model.dtype).eval()
    prepared = {budget: encoder_batches(extractor, texts, budget) for budget in BUDGETS}
    best = {"encoder": 0, "extractor": 0}
    trials = {
        "encoder": {b: lambda b=b: encoder_pass(encoder, prepared[b]) for b in BUDGETS},
        "extractor": {b: lambda b=b: extractor.extract(texts, token_budget=b) for b in BUDGETS},
    }
    for name, by_budget in trials.items():
        best[name] = min(by_budget, key=lambda budget: seconds(by_budget[budget]))
    taken: dict[str, list[float]] = {"encoder": [], "extractor": []}
    for _ in range(args.rounds):
        for name, by_budget in trials.items():
            taken[name].append(seconds(by_budget[best[name]]))
    rates = {name: len(texts) / statistics.median(found) for name, found in taken.items()}
    for name, rate in rates.items():
        print(f"{name}: {rate:.1f} sentences/s at a token budget of {best[name]}")
    print(f"ratio: {rates['extractor'] / rates['encoder']:.3f}")


if __name__ == "__main__":
    main()
