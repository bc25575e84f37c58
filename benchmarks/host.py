"""Microseconds a sentence of all that the extractor does beside the model's forward pass.

In the place of the model's forward pass stand ready-made outputs as dense as those of real texts:
three mentions and 13 head triples a sentence. Texts are real ones, or made up as in
`benchmarks.pipeline`. One core, seconds of the process.

    python -m benchmarks.host --data knowledgenet/test-no-facts.json --column documentText
    python -m benchmarks.host --documents 1000

Prints `Extractor.extract_documents` step by step, first with no word known, then with all of them
known, and `Extractor.predict_columns`, which the pipeline calls. Then `pfn-kg extract` step by
step, from Parquet to extraction files. Its figures are those between the texts once and
`--copies` times, so that start-up is left out.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.arguments import add_phase, add_texts, parser_of, read_texts
from benchmarks.pipeline import Stages
from benchmarks.processes import in_process
from pfn_kg.pfn import extractor as extractor_module
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference import encoded_texts, head_reader
from pfn_kg.pfn.inference.decoding import Cells, Decoded
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.ranges import ranges
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.inference.word_pieces import WordPieces
from pfn_kg.pfn.inference.words import Words

MENTIONS, TRIPLES = 3, 13
_SCORES = torch.rand(1 << 20, generator=torch.Generator().manual_seed(0)) / 2 + 0.5


def ready_made(model: Any, batch: dict[str, torch.Tensor], **_: float) -> Decoded:
    """What stands in the place of `decode`: so many cells for each sentence of a batch."""
    config = model.config
    mask = batch["position_mask"].numpy()
    window, place = mask.nonzero()
    number = batch["sentence_ids"].numpy()[mask] if "sentence_ids" in batch else window * 0
    is_new = np.ones(len(window), bool)
    is_new[1:] = (window[1:] != window[:-1]) | (number[1:] != number[:-1])
    starts = np.flatnonzero(is_new)
    sizes = np.diff(starts, append=len(window))
    counts = np.minimum(sizes, MENTIONS)
    sentence = np.repeat(np.arange(len(starts)), counts)
    slot = ranges(counts * 0, counts)
    head = starts[sentence] + slot * sizes[sentence] // MENTIONS
    tail = np.minimum(head + slot % 2, starts[sentence] + sizes[sentence] - 1)
    entities = np.stack(
        (window[head], place[head], place[tail], (sentence + slot) % len(config.entity_types)), 1
    )
    # All ordered pairs of heads that differ, with two relations each; the first one with a third.
    heads = np.zeros((len(starts), MENTIONS), np.int64)
    heads[sentence, slot] = place[head]
    first, second = np.where(~np.eye(MENTIONS, dtype=bool))
    pairs = [(f, s, r) for r in range(3) for f, s in zip(first, second, strict=True)][:TRIPLES]
    rows = np.concatenate(
        [
            np.stack(
                (
                    window[starts],
                    heads[:, f],
                    heads[:, s],
                    (np.arange(len(starts)) + 31 * r + 7 * f) % len(config.relation_types),
                ),
                1,
            )[counts > max(f, s)]
            for f, s, r in pairs
        ]
    )
    return Decoded(*(Cells(torch.from_numpy(c), _SCORES[: len(c)]) for c in (entities, rows)))


def watch_reading(stages: Stages) -> None:
    """Watches the steps of the extractor."""
    stages.watch(extractor_module, "split_sentences", "split sentences")
    stages.watch(encoded_texts, "find_words", "words")
    stages.watch(Words, "spelt", "words")
    stages.watch(WordPieces, "of", "word pieces")
    stages.watch(InputEncoder, "cut", "windows")
    stages.watch(head_reader.HeadReader, "_joined", "windows")
    stages.watch(InputEncoder, "batch", "tensors")
    stages.watch(head_reader, "decode", "(in the model's place)")
    stages.watch(head_reader, "word_cells", "cells to words")
    stages.watch(head_reader, "head_columns", "merge, flat entities")
    stages.watch(extractor_module, "resolved_records", "resolve, records")


def report(stages: Stages, seconds: float, sentences: int) -> float:
    """Prints microseconds a sentence by step, the stand-in for the model left out; their sum."""
    found = dict(stages.seconds)
    instead = found.pop("(in the model's place)", 0.0)
    found["the rest"] = seconds - instead - sum(found.values())
    for stage, taken in found.items():
        print(f"  {stage:24}{1e6 * taken / sentences:8.2f}")
    whole = 1e6 * (seconds - instead) / sentences
    print(f"  {'all':24}{whole:8.2f}", flush=True)
    return whole


def read_documents(texts: list[str], model: str | None, rounds: int) -> None:
    """Prints the figures of the extractor."""
    extractor = Extractor.from_pretrained(model, device="cpu", precision="fp32")
    split = [split_sentences(text) for text in texts]
    sentences = sum(map(len, split))
    stages = Stages(time.process_time)
    with mock.patch.object(head_reader, "decode", ready_made):
        watch_reading(stages)

        def columns() -> None:
            extractor.predict_columns(texts, split)

        def documents() -> list[Any]:
            return extractor.extract_documents(texts)

        found = documents()
        mentions = sum(len(document.mentions) for document in found) / sentences
        triples = sum(len(document.triples) for document in found) / sentences
        print(
            f"{len(texts)} documents, {sentences} sentences: {mentions:.2f} mentions and "
            f"{triples:.2f} triples a sentence"
        )
        del found
        for name, call in (("extract_documents", documents), ("predict_columns", columns)):
            for known in (False, True):
                totals = []
                for _ in range(rounds):
                    if not known:
                        extractor.inputs = InputEncoder(extractor.tokenizer, extractor.config)
                    stages.seconds.clear()
                    begin = time.process_time()
                    call()
                    seconds = time.process_time() - begin
                    totals.append((seconds - stages.seconds["(in the model's place)"], seconds))
                print(f"{name}, {'all' if known else 'no'} words known, the last of {rounds}:")
                report(stages, totals[-1][1], sentences)
                middle = statistics.median(total for total, _ in totals)
                print(f"  {'median':24}{1e6 * middle / sentences:8.2f}", flush=True)
        stages.unwatch()


def extract_phase(corpus: Path, folder: Path, model: str | None) -> dict[str, Any]:
    """Runs `pfn-kg extract` here and now; to be called in a fresh process."""
    import pfn_kg.pipeline.extract_phase as phase
    import pfn_kg.transforms.extraction.inference as steps
    from pfn_kg.pipeline.cli import COLLECTION_THRESHOLDS
    from pfn_kg.pipeline.prepare_extraction import prepare_extraction
    from pfn_kg.schemas.extract_options import ExtractOptions
    from pfn_kg.transforms.extraction import split_chunks

    # As the command does for all of its process.
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    stages = Stages(time.process_time)
    with mock.patch.object(head_reader, "decode", ready_made):
        stages.watch(split_chunks, "read_chunks", "read corpus")
        stages.watch(split_chunks, "split_sentences", "split sentences")
        stages.watch(steps.PFNModelHandler, "load_model", "(load the model)")
        stages.watch(steps.PFNModelHandler, "run_inference", "(read by the extractor)")
        stages.watch(steps, "extraction_table", "rows of extractions")
        stages.watch(steps.ExtractionFolder, "write", "write extractions")
        options = {"corpus": [str(corpus)], "output": str(folder), "id_column": "none"}
        prepared = prepare_extraction(
            ExtractOptions(**options, model=model, device="cpu", precision="fp32")
        )
        begin = time.process_time()
        record = phase.run_extraction(prepared).extract
        seconds = time.process_time() - begin
    assert record is not None  # since it is finished
    found = dict(stages.seconds)
    found["Beam and the rest"] = seconds - sum(found.values())
    return {"stages": found, "sentences": record.counts["sentences"]}


def between(few: dict[str, Any], many: dict[str, Any]) -> Callable[[str], float]:
    """Microseconds a sentence of a stage between two sizes of the corpus."""
    sentences = many["sentences"] - few["sentences"]
    return lambda name: 1e6 * (many["stages"][name] - few["stages"][name]) / sentences


def main() -> None:
    """Prints the figures."""
    parser = parser_of(__doc__)
    add_texts(parser)
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=5, help="of the texts, of the larger corpus")
    add_phase(parser, ["extract"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.phase:
        print(json.dumps(extract_phase(args.corpus, args.folder, args.model)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        texts = read_texts(args)
        read_documents(texts, args.model, args.rounds)
        runs = []
        for copies in (1, args.copies):
            corpus = place / f"{copies}.parquet"
            pq.write_table(pa.table({"text": texts * copies}), corpus)
            options = ["--phase", "extract", "--corpus", corpus, "--folder", place / f"run{copies}"]
            options += ["--model", args.model] if args.model else []
            runs.append(in_process("benchmarks.host", *options))
    stage = between(*runs)
    print("pfn-kg extract, without what the extractor does:")
    names = [name for name in runs[0]["stages"] if not name.startswith("(")]
    for name in names:
        print(f"  {name:24}{stage(name):8.2f}")
    print(f"  {'all':24}{sum(map(stage, names)):8.2f}")


if __name__ == "__main__":
    main()
