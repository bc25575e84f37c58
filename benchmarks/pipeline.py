"""Microseconds a sentence of everything but the model: Parquet in, tables and Turtle out.

The corpus is made up: eight sentences of some 24 words a document, names of skewed
frequency. In the model's place stands a table of ready-made predictions, three mentions and
2.4 triples a sentence as in Re-DocRED's annotations, looked up by the sentence's first word.
Each phase runs in a process of its own on one core; figures a sentence are those between two
sizes of the corpus, so that start-up is left out.

    python -m benchmarks.pipeline                           # 1,000, 10,000, 100,000 documents
    python -m benchmarks.pipeline --documents 1000,20000

Where DuckDB is installed, it makes the same tables from the same extraction files
(`benchmarks/duckdb_build.py`), in a turn with the build, and the ratio is printed.

Prints the split by stage at the largest size, how the time a sentence changes with the size,
and the peak memory of both phases. `cpu` is the process's own seconds, which other users of
the machine move less than `wall`.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.arguments import add_phase, parser_of
from benchmarks.duckdb_build import build as build_with_duckdb
from benchmarks.processes import in_process
from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pfn.inference.ranges import bounds_of, ranges
from pfn_kg.schemas.records import DocumentHeads, HeadExtraction, HeadTriple, Mention, Sentence

SENTENCES, WORDS, MENTIONS, TRIPLES = 8, 24, 3, 2.4
TEMPLATES, NAMES = 2000, 300_000
_TAG, _NAME = 6, 15


class ReadyMade:
    """What stands in the model's place: predictions by a sentence's first word."""

    def __init__(self, seed: int = 0):
        rng = np.random.default_rng(seed)
        label_schema = read_label_schema(find_model())
        allowed = defaultdict(list)
        for relation in label_schema.relations:
            for pair in relation.arguments:
                allowed[pair.subject, pair.object].append(relation.name)
        types = [t.name for t in label_schema.entity_types if t.kind == "entity"]
        words = [_word(rng, 2 + number % 6) for number in range(3000)]
        self.found: dict[str, HeadExtraction] = {}
        #: Parts of each template between its names, and the types of those.
        self.templates: list[tuple[list[str], list[int]]] = []
        for number in range(TEMPLATES):
            tag = _letters(number, _TAG).capitalize()
            chosen = rng.integers(len(types), size=MENTIONS)
            parts, begins, place = [], [], 0
            for slot in range(MENTIONS + 1):
                count = (WORDS - 2 * MENTIONS) // (MENTIONS + 1)
                run = " ".join(words[i] for i in rng.integers(len(words), size=count))
                part = f"{tag} {run} " if slot == 0 else f" {run} "
                if slot == MENTIONS:
                    part = f"{part.rstrip()}. "
                parts.append(part)
                place += len(part)
                if slot < MENTIONS:
                    begins.append(place)
                    place += _NAME
            mentions = [
                Mention(b, b + _NAME, "", types[t], 0.6 + 0.4 * float(rng.random()))
                for b, t in zip(begins, chosen, strict=True)
            ]
            pairs = [
                (i, j)
                for i in range(MENTIONS)
                for j in range(MENTIONS)
                if i != j and allowed[types[chosen[i]], types[chosen[j]]]
            ]
            count = min(len(pairs), int(TRIPLES) + (number % 5 < round(5 * (TRIPLES % 1))))
            triples = []
            for pick in rng.permutation(len(pairs))[:count]:
                i, j = pairs[pick]
                names = allowed[types[chosen[i]], types[chosen[j]]]
                score = 0.6 + 0.4 * float(rng.random())
                triples.append(
                    HeadTriple(begins[i], names[rng.integers(len(names))], begins[j], score)
                )
            self.found[tag] = HeadExtraction(mentions, sorted(triples))
            self.templates.append((parts, chosen.tolist()))
        self._numbers = {tag: number for number, tag in enumerate(self.found)}
        #: All predictions; those of a tag are one text's.
        self._columns = HeadColumns.of(
            [DocumentHeads(*found[:2], None, 1, 0, {}) for found in self.found.values()]
        )

    def predict_columns(
        self, texts: list[str], sentences: list[list[Sentence]], **_: Any
    ) -> HeadColumns:
        tags = [
            text[s.begin : s.begin + _TAG]
            for text, of_text in zip(texts, sentences, strict=True)
            for s in of_text
        ]
        which = np.array([self._numbers[tag] for tag in tags], np.int64)
        begins = np.array([s.begin for of_text in sentences for s in of_text], np.int64)
        of_texts = bounds_of(np.array([len(of_text) for of_text in sentences]))

        def moved(columns: Any, *offsets: str) -> Any:
            counts = np.diff(columns.bounds)[which]
            chosen = ranges(columns.bounds[which], counts)
            at = np.repeat(begins, counts)
            found = {name: getattr(columns, name)[chosen] for name in columns._fields[1:]}
            found |= {name: found[name] + at for name in offsets}
            return columns._replace(bounds=bounds_of(counts)[of_texts], **found)

        none = np.zeros(len(texts), np.int64)
        return self._columns._replace(
            mentions=moved(self._columns.mentions, "begin", "end"),
            head_triples=moved(self._columns.head_triples, "subject", "object"),
            windows=np.diff(of_texts),
            cut_sentences=none,
            long_mentions=none,
        )


def _letters(number: int, width: int) -> str:
    found = ""
    for _ in range(width):
        number, digit = divmod(number, 26)
        found = chr(ord("a") + digit) + found
    return found


def _word(rng: np.random.Generator, length: int) -> str:
    return "".join(chr(ord("a") + i) for i in rng.integers(26, size=length + 1))


def _name(number: int, type_: int) -> str:
    # Two words of seven letters; the type is part of the first.
    spelt = f"{chr(ord('a') + type_)}{_letters(number * 7919 % 26**6, 6)}"
    return f"{spelt.capitalize()} {_letters(number, 7).capitalize()}"


def make_corpus(path: Path, documents: int, seed: int = 1) -> None:
    """Writes a corpus, a row group of 5,000 documents at a time."""
    rng = np.random.default_rng(seed)
    templates = ReadyMade().templates
    schema = pa.schema({"id": pa.string(), "title": pa.string(), "text": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, documents, 5000):
            count = min(5000, documents - begin)
            chosen = rng.integers(len(templates), size=(count, SENTENCES)).tolist()
            names = (rng.zipf(1.3, size=(count, SENTENCES, MENTIONS)) % NAMES).tolist()
            texts = []
            for of_document, of_names in zip(chosen, names, strict=True):
                text = ""
                for which, numbers in zip(of_document, of_names, strict=True):
                    parts, types = templates[which]
                    for part, number, type_ in zip(parts, numbers, types, strict=False):
                        text += part + _name(number, type_)
                    text += parts[-1]
                texts.append(text.rstrip())
            ids = [f"d{number}" for number in range(begin, begin + count)]
            writer.write_table(pa.table([ids, ids, texts], schema=schema))


class Stages:
    """Seconds of functions, those of what they call left out; generators' steps too."""

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]
        self._watched: list[tuple[Any, str, Any]] = []

    def watch(self, owner: Any, name: str, stage: str) -> None:
        function = getattr(owner, name)
        self._watched.append((owner, name, function))

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            found = self._call(stage, lambda: function(*args, **kwargs))
            return self._steps(stage, found) if hasattr(found, "__next__") else found

        setattr(owner, name, timed)

    def unwatch(self) -> None:
        """Leaves the functions as they were."""
        while self._watched:
            setattr(*self._watched.pop())

    def _steps(self, stage: str, iterator: Any) -> Any:
        end = object()
        while (item := self._call(stage, lambda: next(iterator, end))) is not end:
            yield item

    def _call(self, stage: str, function: Callable[[], Any]) -> Any:
        self._inner.append(0.0)
        start = self.clock()
        try:
            return function()
        finally:
            taken = self.clock() - start
            self.seconds[stage] += taken - self._inner.pop()
            self._inner[-1] += taken


def run_phase(phase: str, folder: Path, corpus: Path) -> dict[str, Any]:
    """Runs a phase here and now; to be called in a fresh process."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    pa.set_cpu_count(1)
    if phase == "duckdb":
        with tempfile.TemporaryDirectory() as temporary:
            return build_with_duckdb(folder / "extractions", Path(temporary) / "tables")
    stages = Stages(time.process_time)
    if phase == "extract":
        import pfn_kg.pipeline.extract_phase as phase_module
        import pfn_kg.transforms.extraction.inference as steps
        from pfn_kg.pipeline.prepare_extraction import prepare_extraction
        from pfn_kg.schemas.extract_options import ExtractOptions
        from pfn_kg.transforms.extraction import split_chunks

        stages.watch(split_chunks, "read_chunks", "read corpus")
        stages.watch(split_chunks, "split_sentences", "split sentences")
        stages.watch(steps.PFNModelHandler, "run_inference", "look predictions up")
        stages.watch(steps, "extraction_table", "rows of extractions")
        stages.watch(steps.ExtractionFolder, "write", "write extractions")
        # The table is loaded where the model would be.
        ready = ReadyMade()
        with mock.patch.object(steps.PFNModelHandler, "load_model", return_value=ready):
            options = ExtractOptions(corpus=[str(corpus)], output=str(folder), device="cpu")
            prepared = prepare_extraction(options)
            start = time.perf_counter(), time.process_time()
            record = phase_module.run_extraction(prepared).extract
            assert record is not None  # since it is finished
            counts = record.counts
    else:
        from pfn_kg.pipeline import write_graph
        from pfn_kg.pipeline.build_phase import run_build
        from pfn_kg.sinks.rdf.sink import RdfSink
        from pfn_kg.transforms.documents.deduplicate import FindLosers, ProjectDocuments
        from pfn_kg.transforms.facts import graph_rules
        from pfn_kg.transforms.graph import make_rows, write_tables
        from pfn_kg.transforms.tables import look_up

        stages.watch(ProjectDocuments, "process", "duplicate ids")
        stages.watch(FindLosers, "process", "duplicate ids")
        stages.watch(make_rows, "read_columns", "read extractions")
        stages.watch(make_rows, "rows_of_chunk", "resolve, canonicalise")
        stages.watch(make_rows, "split_rows", "to shards")
        stages.watch(write_tables, "decode", "from shards")
        stages.watch(write_tables, "aggregate_entities", "aggregate")
        stages.watch(write_tables, "aggregate_relations", "aggregate")
        stages.watch(write_tables._WriteShard, "process", "write tables")
        stages.watch(make_rows, "ruled_support", "rules of the graph")
        stages.watch(write_tables, "judge", "rules of the graph")
        stages.watch(graph_rules._RankObjects, "process", "rules of the graph")
        stages.watch(graph_rules, "_break_cycles", "rules of the graph")
        stages.watch(look_up, "_ask", "look ends up")
        stages.watch(look_up, "_look_up", "look ends up")
        stages.watch(write_graph, "read_rows", "read tables")
        stages.watch(RdfSink, "write", "write Turtle")
        start = time.perf_counter(), time.process_time()
        counts = run_build(str(folder))
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    found = dict(stages.seconds)
    found["Beam and the rest"] = cpu - sum(found.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": wall, "cpu": cpu, "peak_mib": peak, "stages": found, "counts": counts}


def report(sizes: list[int], found: dict[str, list[dict[str, Any]]], clock: str) -> None:
    sentences = [size * SENTENCES for size in sizes]
    between = list(zip(range(len(sizes)), range(1, len(sizes)), strict=False)) or [(0, 0)]
    print(f"\nmicroseconds of {clock} a sentence, start-up left out")
    header = [f"{sizes[a]:,} to {sizes[b]:,}" for a, b in between]
    print(f"{'':26}" + "".join(f"{h:>20}" for h in header))

    def slope(values: list[float], a: int, b: int) -> float:
        if a == b:
            return 1e6 * values[a] / sentences[a]
        return 1e6 * (values[b] - values[a]) / (sentences[b] - sentences[a])

    total = [0.0] * len(between)
    for phase, runs in found.items():
        for stage in [*runs[-1]["stages"], None] if clock == "cpu" else [None]:
            values = [r["stages"].get(stage, 0.0) if stage else r[clock] for r in runs]
            figures = [slope(values, a, b) for a, b in between]
            if stage is None:
                total = [t + f for t, f in zip(total, figures, strict=True)]
            name = f"  {stage}" if stage else phase
            print(f"{name:26}" + "".join(f"{f:20.2f}" for f in figures))
    print(f"{'both':26}" + "".join(f"{f:20.2f}" for f in total))
    if len(total) > 1:
        print(f"growth from the first interval to the last: {total[-1] / total[0] - 1:+.1%}")


def compare_with_duckdb(size: int, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Prints how much longer the build takes, having checked that both found the same."""
    for table in ("documents", "mentions", "entities", "triples", "relations"):
        assert ours["counts"][table] == theirs[table], table
    print(
        f"{size:,} documents, DuckDB: wall {theirs['wall']:.2f} s, cpu {theirs['cpu']:.2f} s; the "
        f"build takes {ours['cpu'] / theirs['cpu']:.2f} times its cpu",
        flush=True,
    )


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--documents", default="1000,10000,100000", help="sizes of the corpus")
    parser.add_argument("--keep", type=Path, help="a folder for corpora and runs")
    add_phase(parser, ("extract", "build", "duckdb"))
    args = parser.parse_args()
    if args.phase:
        print(json.dumps(run_phase(args.phase, args.folder, args.corpus)))
        return
    sizes = sorted(int(size) for size in args.documents.split(","))
    found: dict[str, list[dict[str, Any]]] = {"extract": [], "build": []}
    with tempfile.TemporaryDirectory() as temporary:
        place = args.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        for size in sizes:
            corpus = place / f"corpus-{size}.parquet"
            if not corpus.exists():
                make_corpus(corpus, size)
            folder = Path(tempfile.mkdtemp(dir=temporary)) / "run"
            for phase, runs in found.items():
                options = ("--phase", phase, "--folder", folder, "--corpus", corpus)
                runs.append(in_process("benchmarks.pipeline", *options))
                run = runs[-1]
                if phase == "build" and find_spec("duckdb") is not None:
                    compare_with_duckdb(
                        size,
                        run,
                        in_process("benchmarks.pipeline", "--phase", "duckdb", *options[2:]),
                    )
                print(
                    f"{size:,} documents, {phase}: wall {run['wall']:.2f} s, cpu "
                    f"{run['cpu']:.2f} s, peak {run['peak_mib']:,.0f} MiB",
                    flush=True,
                )
    counts = found["build"][-1]["counts"]
    per = counts["sentences"]
    print(
        f"a sentence: {counts['mentions'] / per:.2f} mentions, {counts['triples'] / per:.2f} "
        f"triples; {counts['entities']:,} entities, {counts['relations']:,} relations"
    )
    for clock in ("wall", "cpu"):
        report(sizes, found, clock)
    if len(sizes) > 1:
        first, last = found["extract"][-2:]
        print(f"\npeak memory of extract: {last['peak_mib'] / first['peak_mib']:.2f} times")
        first, last = found["build"][-2:]
        more = last["counts"]["mentions"] - first["counts"]["mentions"]
        grown = (last["peak_mib"] - first["peak_mib"]) * 2**20
        print(f"peak memory of build: {grown / more:.0f} bytes a mention more")


if __name__ == "__main__":
    main()
