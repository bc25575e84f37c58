"""Sentences a second of `Extractor.extract` over those of its bare encoder.

The encoder's own forward pass is the floor that the rest is measured by. It is a plain
`AutoModel` with SDPA attention at the extractor's precision; it gets its inputs tokenised
beforehand, sorted by length, in inference mode, without word shapes. Both run at the best of
several token budgets and by turns, and the ratio is that of the medians. On several cores the
encoder reads batches side by side as the extractor does, or one after the other on all cores,
whichever is better.

    python -m benchmarks.inference --data test.json --format docred
    python -m benchmarks.inference --datasets FOLDER     # redocred and webnlg_partial in there
    python -m benchmarks.inference --data test.json --format docred --layers 12 --sample 160

`--layers` measures a BERT of base width and that many layers with random weights, whose
scores are shifted so that three mentions and two and a half triples a sentence are accepted,
about what annotated text has. `--stages` prints where the extractor's time goes. On a machine
that others use, `--threads 1 --clock cpu` counts this process's own seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import isgenerator, signature
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from transformers import AutoModel, BertConfig

from pfn_kg.pfn import extractor as extractor_module
from pfn_kg.pfn.extractor import PRECISIONS, Extractor
from pfn_kg.pfn.inference import decoding, head_reader
from pfn_kg.pfn.inference.parallel_batches import read_batches
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.encoder_precision import lower_precision, products_dtype
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.readers import FORMATS, read

BUDGETS = (512, 1024, 2048, 4096, 8192)
DATASETS = (("redocred/test.json", "docred"), ("webnlg_partial/test_triples.json", "triple-list"))
MENTIONS, TRIPLES = 3.0, 2.4
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Timer:
    def __init__(self, clock: str):
        self.clock = CLOCKS[clock]

    def now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return self.clock()

    def seconds(self, function: Callable) -> float:
        start = self.now()
        function()
        return self.now() - start


def one_by_one(
    read: Callable, batches: list, device: torch.device, *, pieces: int | None = None
) -> None:
    for batch in batches:
        read(batch)


def encoder_pass(encoder, prepared: dict[int, list[dict]], in_order: Callable, budget: int) -> None:
    @torch.inference_mode()
    def read(batch: dict[str, torch.Tensor]) -> None:
        encoder(**batch)

    in_order(read, prepared[budget], encoder.device)


def extractor_pass(extractor: Extractor, texts: list[str], in_order: Callable, budget: int) -> None:
    with mock.patch.object(head_reader, "read_batches", in_order):
        extractor.extract(texts, token_budget=budget)


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


def random_extractor(like: Extractor, layers: int, texts: list[str]) -> Extractor:
    """An extractor over a random BERT of base width, otherwise as the given one."""
    torch.manual_seed(0)
    shipped = like.config.to_dict()
    config = PFNConfig(
        **{name: shipped[name] for name in ("entity_types", "relation_types", "hidden_size")},
        **{name: shipped[name] for name in ("positions", "word_shapes", "window_pieces")},
        reflexive=like.config.reflexive,
        encoder=BertConfig(num_hidden_layers=layers),
    )
    model = PFNModel(config).to(like.model.device).eval()
    lower_precision(model.encoder, products_dtype(like.model.encoder), like.model.device)
    found = Extractor(model, like.tokenizer)
    shift(found, texts[:: max(1, len(texts) // 64)])
    return found


@torch.no_grad()
def shift(extractor: Extractor, texts: list[str]) -> None:
    """Moves the labels' biases until as many cells are accepted as annotated text has."""
    logits, pairs = [], []
    windows = [window for found in extractor.inputs.encode(texts) for window in found]
    for window in windows:
        batch = extractor.inputs.collate([window], extractor.model.device)
        logits.append(extractor.model(**batch).entity_table[0].float())
    least = torch.cat([t[t.isfinite()] for t in logits]).topk(int(MENTIONS * len(texts)))[0][-1]
    extractor.model.ner.label.bias -= least
    for window in windows:
        batch = extractor.inputs.collate([window], extractor.model.device)
        tables = extractor.model(**batch)
        heads = (tables.entity_table[0] >= 0).any(-1).any(-1).nonzero().squeeze(1)
        table = tables.relation_table[0][heads][:, heads].float()
        differ = ~torch.eye(len(heads), dtype=torch.bool, device=table.device)
        pairs.append(table[differ].flatten())
    least = torch.cat(pairs).topk(int(TRIPLES * len(texts)))[0][-1]
    extractor.model.re.label.bias -= least


@contextmanager
def stages(extractor: Extractor, timer: Timer) -> Iterator[dict[str, float]]:
    """Seconds of each stage of what is extracted inside."""
    taken: dict[str, float] = defaultdict(float)
    model = extractor.model
    with ExitStack() as stack:

        def watch(owner, name: str, stage: str) -> None:
            function = getattr(owner, name)

            def counted(call: Callable) -> Any:
                start = timer.now()
                try:
                    return call()
                finally:
                    taken[stage] += timer.now() - start

            def timed(*args, **kwargs):
                found = counted(partial(function, *args, **kwargs))
                return in_parts(found) if isgenerator(found) else found

            def in_parts(generator: Generator) -> Generator:
                """A generator of which only what is between its yields counts."""
                sent = None
                while True:
                    try:
                        wanted = counted(partial(generator.send, sent))
                    except StopIteration as done:
                        return done.value
                    sent = yield wanted

            stack.enter_context(mock.patch.object(owner, name, timed))

        watch(extractor.inputs, "encode_sentences", "tokenise")
        watch(extractor.inputs, "batch", "tokenise")
        watch(model, "encode", "encoder")
        watch(model.partition_filter, "forward", "recurrence")
        watch(model.ner, "project", "global representations")
        watch(model.re, "project", "global representations")
        watch(model.ner, "cells", "NER table")
        watch(model.re, "cells", "pruned relations")
        watch(decoding, "accept", "_accept")
        watch(head_reader, "word_cells", "decode")
        watch(head_reader, "head_columns", "decode")
        watch(extractor_module, "resolved_records", "resolve")
        yield taken
    # Sigmoids, comparison and places of the accepted cells.
    taken["decode"] += taken.pop("_accept") - taken["NER table"] - taken["pruned relations"]


def measure(extractor: Extractor, texts: list[str], args: argparse.Namespace) -> float:
    timer = Timer(args.clock)
    options = {"add_pooling_layer"} & signature(type(extractor.model.encoder)).parameters.keys()
    encoder = AutoModel.from_config(
        extractor.config.encoder, attn_implementation="sdpa", **dict.fromkeys(options, False)
    )
    encoder = encoder.to(extractor.model.device, products_dtype(extractor.model.encoder)).eval()
    prepared = {budget: encoder_batches(extractor, texts, budget) for budget in BUDGETS}
    trials = {}
    orders = {"": read_batches}
    if torch.get_num_threads() > 1 and extractor.model.device.type == "cpu":
        orders[", one batch at a time"] = one_by_one
    for how, order in orders.items():
        trials[f"encoder{how}"] = partial(encoder_pass, encoder, prepared, order)
        trials[f"extractor{how}"] = partial(extractor_pass, extractor, texts, order)
    best = {}
    for name, trial in trials.items():
        trial(BUDGETS[0])
        best[name] = min(BUDGETS, key=lambda budget, run=trial: timer.seconds(partial(run, budget)))
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(args.rounds):
        for name, trial in trials.items():
            taken[name].append(timer.seconds(partial(trial, best[name])))
    rates = {name: len(texts) / statistics.median(found) for name, found in taken.items()}
    for name, rate in rates.items():
        print(f"{name}: {rate:.1f} sentences/s at a token budget of {best[name]}")
    ratio = rates["extractor"] / max(r for name, r in rates.items() if name.startswith("encoder"))
    print(f"ratio: {ratio:.3f}", flush=True)
    if args.stages:
        # Side by side, seconds of several batches would be counted at once.
        with stages(extractor, timer) as found:
            name = list(trials)[-1]
            whole = timer.seconds(partial(trials[name], best[name]))
        found["the rest"] = whole - sum(found.values())
        print(f"{'stage':24}{'ms a sentence':>14}{'share':>8}")
        for stage, seconds in found.items():
            print(f"{stage:24}{1000 * seconds / len(texts):14.3f}{seconds / whole:8.1%}")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="default: the shipped model")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", help="annotated sentences")
    where.add_argument("--datasets", help=f"a folder with {' and '.join(d for d, _ in DATASETS)}")
    parser.add_argument("--format", choices=FORMATS, help="of --data")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--layers", type=int, help="of a random BERT in the encoder's place")
    parser.add_argument("--sample", type=int, help="so many of the sentences, evenly spread")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--stages", action="store_true", help="print where the time goes")
    args = parser.parse_args()
    if args.data and not args.format:
        parser.error("--data needs --format")
    if args.threads:
        torch.set_num_threads(args.threads)
    extractor = Extractor.from_pretrained(args.model, args.device, args.precision)
    files = (
        [(args.data, args.format)]
        if args.data
        else [(str(Path(args.datasets) / name), format_) for name, format_ in DATASETS]
    )
    for path, format_ in files:
        texts = [sentence.text for sentence in read(path, format_)]
        if args.sample:
            texts = texts[:: max(1, len(texts) // args.sample)][: args.sample]
        print(f"{path}: {len(texts)} sentences")
        measure(
            random_extractor(extractor, args.layers, texts) if args.layers else extractor,
            texts,
            args,
        )


if __name__ == "__main__":
    main()
