"""The extractor on a GPU: its speed, its stages, and how many processes fill it; ten minutes.

    python -m benchmarks.gpu --data knowledgenet/test-no-facts.json --column documentText

Prints each figure as soon as it is there, so that what is printed stays if time runs out. A part,
or a number of processes, that would begin after `--seconds` is left out, and said to be; a part
that fails says so in one line. Texts are JSON lines, or made up as in `benchmarks.pipeline`. Parts,
in order:

    encoder       the bare text encoder, already tokenised, at several token budgets
    extractor     `Extractor.predict_columns` and `extract_documents` at the same budgets
    recurrence    microseconds a step of the partition filter, by sequences side by side: as
                  PyTorch's operations, by the fused kernel, by CUDA graphs, by both; fp32 and TF32
    agreement     sentences with the same triples as at fp32 on the CPU, by precision
    waits         which lines wait for the GPU while texts are read
    stages        where the extractor's time goes, one batch at a time, with waits between
    large         encoder and extractor with a random encoder of 12 layers of 768
    chunks        `predict_columns` by documents of a call
    processes     `pfn-kg extract` in several processes on one GPU
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import AutoModel

from benchmarks.arguments import add_texts, parser_of, read_texts
from benchmarks.inference import (
    Timer,
    encoder_batches,
    encoder_pass,
    one_by_one,
    random_extractor,
    stages,
)
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference import head_reader
from pfn_kg.pfn.inference.devices import find_device
from pfn_kg.pfn.inference.parallel_batches import read_batches
from pfn_kg.pfn.inference.precision import common_precision
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.model.encoder_precision import products_dtype
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder, Steps

BUDGETS = (32_768, 65_536, 131_072, 262_144)
SEQUENCES, STEPS = (64, 512, 2048, 8192), 64


class Corpus:
    """Texts, their sentences, and the same as texts of their own."""

    def __init__(self, texts: list[str]):
        self.texts = texts
        self.split = [split_sentences(text) for text in texts]
        self.spelt = [
            text[s.begin : s.end]
            for text, of_text in zip(texts, self.split, strict=True)
            for s in of_text
        ]


def rate(timer: Timer, sentences: int, function: Callable, rounds: int) -> str:
    """Sentences a second, the median of several rounds after the first.

    What is made once for a shape or a process counts in the first alone. New texts have new shapes.
    """
    first = timer.seconds(function)
    seconds = statistics.median(timer.seconds(function) for _ in range(rounds))
    return (
        f"{sentences / seconds:10,.0f} sentences/s {1e6 * seconds / sentences:8.1f} us, "
        f"{first / seconds:.1f} times as long at first"
    )


def bare_encoder(extractor: Extractor) -> Any:
    """The text encoder without what is above it."""
    options = {"add_pooling_layer"} & signature(type(extractor.model.encoder)).parameters.keys()
    encoder = AutoModel.from_config(
        extractor.config.encoder, attn_implementation="sdpa", **dict.fromkeys(options, False)
    )
    return encoder.to(extractor.model.device, products_dtype(extractor.model.encoder)).eval()


def encoder_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints what the bare encoder reads."""
    encoder = bare_encoder(extractor)
    for budget in args.budgets:
        prepared = {budget: encoder_batches(extractor, corpus.spelt, budget)}
        read = partial(encoder_pass, encoder, prepared, read_batches, budget)
        said = rate(Timer("wall"), len(corpus.spelt), read, args.rounds)
        print(f"  bare encoder at {budget:>8,}: {said}", flush=True)


def extractor_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints what the extractor reads, in windows of sentences and in single sentences."""
    timer, sentences = Timer("wall"), len(corpus.spelt)
    for budget in args.budgets:
        calls: dict[str, Callable] = {
            "predict_columns": partial(
                extractor.predict_columns, corpus.texts, corpus.split, token_budget=budget
            ),
            "predict_columns, single sentences": partial(
                extractor.predict_columns,
                corpus.texts,
                corpus.split,
                token_budget=budget,
                window_tokens=0,
            ),
            "extract_documents": partial(
                extractor.extract_documents, corpus.texts, token_budget=budget
            ),
        }
        for name, call in calls.items():
            said = rate(timer, sentences, call, args.rounds)
            print(f"  {name} at {budget:>8,}: {said}", flush=True)
    if extractor.model.device.type == "cuda":
        gib = torch.cuda.max_memory_allocated() / 2**30
        print(f"  most memory of the GPU: {gib:.1f} GiB", flush=True)


def stages_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints the stages of the extractor, without overlap."""
    timer, budget = Timer("wall"), args.budgets[0]

    def in_order(*steps: Any) -> None:
        *_, failed, batches = steps
        one_by_one(failed, batches, extractor.model.device)

    def read() -> None:
        extractor.extract_documents(corpus.texts, token_budget=budget)

    with (
        mock.patch.object(head_reader, "read_in_line", in_order),
        mock.patch.object(head_reader, "read_batches", one_by_one),
    ):
        read()
        with stages(extractor, timer) as found:
            whole = timer.seconds(read)
    found["the rest"] = whole - sum(found.values())
    for stage, seconds in found.items():
        print(f"  {stage:24}{1e6 * seconds / len(corpus.spelt):8.1f} us a sentence")


def agreement_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints the share of sentences whose triples are those of fp32 on the CPU."""
    step = max(1, len(corpus.spelt) // args.sample)
    texts = corpus.spelt[::step][: args.sample]
    exact = Extractor.from_pretrained(args.model, "cpu", "fp32").extract(texts)
    device = str(extractor.model.device)
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("fp32", {"precision": "fp32"}),
        ("bf16", {"precision": "bf16"}),
    ]
    if extractor.model.device.type == "cuda":
        kinds += [
            ("fp32, TF32", {"precision": "fp32", "tf32": True}),
            ("fp16", {"precision": "fp16"}),
            ("fp16, TF32 above", {"precision": "fp16", "tf32": True}),
        ]
    for name, options in kinds:
        found = Extractor.from_pretrained(args.model, device, **options).extract(texts)
        same = sum(_triples(f) == _triples(e) for f, e in zip(found, exact, strict=True))
        print(f"  {name}: {same} of {len(texts)} sentences ({same / len(texts):.2%})", flush=True)


def _triples(extraction: Any) -> list[Any]:
    mentions = extraction.mentions
    return [
        (mentions[t.subject][:4], t.relation, mentions[t.object][:4]) for t in extraction.triples
    ]


@torch.inference_mode()
def recurrence_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints microseconds a step of the recurrence by how it runs, and how much each way differs.

    Features are compared with those of PyTorch's operations at fp32.
    """
    device, timer = extractor.model.device, Timer("wall")
    torch.manual_seed(0)
    width = extractor.config.encoder.hidden_size  # type: ignore[union-attr]
    filter_ = PartitionFilterEncoder(width, extractor.config.hidden_size).to(device).eval()
    before = torch.get_float32_matmul_precision()
    for sequences in args.sequences:
        x = torch.randn(sequences, STEPS, width, device=device)
        mask = torch.ones(sequences, STEPS, dtype=torch.bool, device=device)
        expected = None
        for how, products in product(("plain", "fused", "graphs", "auto"), ("highest", "high")):
            try:
                torch.set_float32_matmul_precision(products)
                with mock.patch.dict(os.environ, PFN_KG_RECURRENCE=how):
                    filter_._blocks = None
                    read = partial(filter_, x, mask, Steps.of(mask))
                    # Graphs are recorded when their shapes have come up some times.
                    for _ in range(3):
                        found = read().entity
                    expected = found if expected is None else expected
                    seconds = min(timer.seconds(read) for _ in range(args.rounds))
                    blocks = filter_._blocks
            finally:
                torch.set_float32_matmul_precision(before)
            graphs = f"{blocks.graphs} graphs" if blocks else "no blocks"
            name = "fp32" if products == "highest" else "TF32"
            error = float((found - expected).abs().max())
            print(
                f"  {sequences:>6} sequences, {how:>6}, {name}: {1e6 * seconds / STEPS:8.1f} "
                f"us a step, differs by {error:.1e} ({graphs})",
                flush=True,
            )


def waits_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints the lines that wait for the GPU, with how often they do."""
    call = partial(
        extractor.predict_columns, corpus.texts, corpus.split, token_budget=args.budgets[0]
    )
    call()
    if extractor.model.device.type != "cuda":
        print("  a CPU is not waited for", flush=True)
        return
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    lines = Counter(f"{Path(w.filename).name}:{w.lineno}" for w in caught)
    said = ", ".join(f"{count} in {line}" for line, count in lines.most_common(12))
    print(f"  {sum(lines.values())} waits{': ' if lines else ''}{said}", flush=True)


def chunks_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints what `predict_columns` reads by how many documents a call has."""
    timer = Timer("wall")
    budget = extractor.default_token_budget
    for size in args.chunks:
        parts = range(0, len(corpus.texts), size)

        def read(parts: range = parts, size: int = size) -> None:
            for begin in parts:
                part = slice(begin, begin + size)
                extractor.predict_columns(
                    corpus.texts[part], corpus.split[part], token_budget=budget
                )

        said = rate(timer, len(corpus.spelt), read, args.rounds)
        print(f"  {size:>6} documents a call: {said}", flush=True)


def large_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints the first parts of a random encoder of base width."""
    large = random_extractor(extractor, 12, corpus.spelt)
    fewer = argparse.Namespace(**{**vars(args), "budgets": args.budgets[:2]})
    encoder_part(large, corpus, fewer)
    for budget in fewer.budgets:
        call = partial(
            large.predict_columns, corpus.texts, corpus.split, token_budget=budget, window_tokens=0
        )
        said = rate(Timer("wall"), len(corpus.spelt), call, args.rounds)
        print(f"  predict_columns, single sentences at {budget:>8,}: {said}", flush=True)


@contextmanager
def watched_gpu() -> Iterator[dict[str, float]]:
    """How busy the GPU is inside (per cent, on average) and the most memory in use (GiB)."""
    found: dict[str, float] = {}
    busy, memory, done = [], [], threading.Event()

    def look() -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used"]
        while not done.wait(1):
            try:
                said = subprocess.run(
                    [*query, "--format=csv,noheader,nounits"], capture_output=True, text=True
                ).stdout.split(",")
            except OSError:
                return
            if len(said) == 2:
                busy.append(float(said[0]))
                memory.append(float(said[1]) / 1024)

    thread = threading.Thread(target=look)
    try:
        if torch.cuda.is_available():
            thread.start()
        yield found
    finally:
        done.set()
        if thread.ident:
            thread.join()
        found["busy"] = statistics.mean(busy) if busy else 0.0
        found["memory"] = max(memory, default=0.0)


def processes_part(extractor: Extractor, corpus: Corpus, args: argparse.Namespace) -> None:
    """Prints what `pfn-kg extract` reads with several processes on one GPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.parquet"
        copies = max(1, args.sentences // max(1, len(corpus.spelt)))
        texts = corpus.texts * copies
        # Row groups are read side by side.
        table = pa.table({"text": texts})
        pq.write_table(table, path, row_group_size=max(1, len(texts) // 64))
        for count in args.processes:
            if time.perf_counter() > args.until:
                print(f"  {count} processes: left out", flush=True)
                continue
            output = Path(folder) / f"run{count}"
            command = [sys.executable, "-m", "pfn_kg", "extract", str(path), "--output"]
            command += [str(output), "--id-column", "none", "--device", args.device]
            if args.model:
                command += ["--model", args.model]
            if count > 1:
                command += ["--", "--direct_running_mode=multi_processing"]
                command += [f"--direct_num_workers={count}"]
            threads = str(max(1, (os.cpu_count() or 1) // count))
            begin = time.perf_counter()
            with watched_gpu() as gpu:
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": threads},
                )
            seconds = time.perf_counter() - begin
            if done.returncode:
                print(f"  {count} processes: failed: {done.stderr[-500:]}", flush=True)
                continue
            extracted = json.loads((output / "manifest.json").read_text())["extract"]
            sentences = extracted["counts"]["sentences"]
            print(
                f"  {count:>2} processes: {sentences:,} sentences, "
                f"{extracted['sentences_per_second']:10,.0f} sentences/s as printed, "
                f"{sentences / seconds:10,.0f} with start-up; GPU busy {gpu['busy']:.0f} %, "
                f"{gpu['memory']:.1f} GiB",
                flush=True,
            )


PARTS = {
    "encoder": encoder_part,
    "extractor": extractor_part,
    "recurrence": recurrence_part,
    "agreement": agreement_part,
    "waits": waits_part,
    "stages": stages_part,
    "large": large_part,
    "chunks": chunks_part,
    "processes": processes_part,
}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def main() -> None:
    """Prints the figures."""
    begin = time.perf_counter()
    parser = parser_of(__doc__)
    add_texts(parser)
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=540, help="no part begins after so many")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--budgets", type=_numbers, default=BUDGETS)
    parser.add_argument("--sequences", type=_numbers, default=SEQUENCES)
    parser.add_argument("--sample", type=int, default=1200, help="sentences of agreement")
    parser.add_argument("--processes", type=_numbers, default=(1, 4, 8, 16))
    parser.add_argument("--chunks", type=_numbers, default=(250, 500, 1000, 2000, 4000))
    parser.add_argument("--sentences", type=int, default=400_000, help="that processes read")
    args = parser.parse_args()
    args.until = begin + args.seconds
    device = find_device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    print(f"{name}, {os.cpu_count()} CPU cores, PyTorch {torch.__version__}", flush=True)
    corpus = Corpus(read_texts(args))
    print(f"{len(corpus.texts)} documents, {len(corpus.spelt)} sentences", flush=True)
    extractor = Extractor.from_pretrained(args.model, args.device, common_precision(device.type))
    unknown = set(args.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--parts: {', '.join(sorted(unknown))}: not among {', '.join(PARTS)}")
    for part in args.parts.split(","):
        passed = time.perf_counter() - begin
        if passed > args.seconds:
            print(f"{part}: left out, {passed:.0f} s have passed", flush=True)
            continue
        print(f"{part}, after {passed:.0f} s:", flush=True)
        try:
            PARTS[part](extractor, corpus, args)
        except Exception as error:
            # The other parts need less memory, or nothing of what failed.
            said = " ".join(str(error).split())[:300]
            print(f"  failed: {type(error).__name__}: {said}", flush=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
