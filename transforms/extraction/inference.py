"""The extract phase as a PTransform: runs of chunks in, one extraction file a chunk out.

```
runs -> Reshuffle -> read chunks -> split sentences -> RunInference (PFN) -> write
```

Only descriptions of runs are shuffled; the steps from reading to writing are one fused
stage. A chunk is one example for RunInference, so that the batches depend on the chunk
alone, not on bundles, workers or runners.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference

from pfn_kg.pfn.inference.reading_time import ReadingTime
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.chunk_table import extraction_table
from pfn_kg.transforms.extraction.split_chunks import ReadChunks, SplitChunk, split_chunk
from pfn_kg.transforms.plumbing.error_lines import one_line
from pfn_kg.transforms.plumbing.files import is_local
from pfn_kg.transforms.plumbing.listing import local_copy
from pfn_kg.transforms.plumbing.metrics import (
    count,
    counted_milliseconds,
    milliseconds,
    observe,
)
from pfn_kg.transforms.reading.chunks import Chunk

if TYPE_CHECKING:
    from pfn_kg.pfn.extractor import Extractor, Precision
    from pfn_kg.pfn.inference.head_columns import HeadColumns


class PFNModelHandler(ModelHandler[SplitChunk, PredictionResult, "Extractor"]):
    """Runs PFN over chunks for RunInference; one chunk is one example.

    Args:
        model: folder on any file system that Beam knows, or name of a shipped model.
        device: see `Extractor.from_pretrained`.
        precision: of the text encoder: `fp32`, `fp16`, `bf16`, or `auto`: fp32 on a CPU, fp16 on
            a GPU, whatever the worker's processor.
        entity_floor: least score of a mention.
        relation_floor: least score of a head triple.
        token_budget: most word pieces in one batch; what the device reads well if None.
        window_tokens: see `Extractor.predict_columns`.
        tf32: see `Extractor.from_pretrained`.
        model_hash: of the model that is meant; a worker that finds another one under its name
            refuses it. None takes what is there.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str,
        precision: Precision,
        entity_floor: float,
        relation_floor: float,
        token_budget: int | None,
        window_tokens: int | None = None,
        tf32: bool = False,
        model_hash: str | None = None,
    ):
        self._model = model
        self._model_hash = model_hash
        self._device = device
        self._precision = precision
        self._token_budget = token_budget
        self._floors = (entity_floor, relation_floor)
        self._window_tokens = window_tokens
        self._load_seconds: float | None = None
        self._tf32 = tf32

    def load_model(self) -> Extractor:
        """Loads the model, once a process.

        Raises:
            RuntimeError: if it can't be loaded, or is another one than the job was started with;
                names the model.
        """
        from pfn_kg.pfn.extractor import Extractor
        from pfn_kg.pfn.inference.devices import find_device
        from pfn_kg.pfn.inference.precision import common_precision

        precision = self._precision
        if precision == "auto":
            precision = common_precision(find_device(self._device).type)
        folder: str | Path = self._model if is_local(self._model) else local_copy(self._model)
        started = time.monotonic()
        try:
            self._check_hash(folder)
            model = Extractor.from_pretrained(
                folder, device=self._device, precision=precision, tf32=self._tf32
            )
        except Exception as error:
            # On a worker it is too late for an error of configuration.
            raise RuntimeError(f"model {self._model}: {one_line(error)}") from error
        # Metrics are of elements, and there is none yet.
        self._load_seconds = time.monotonic() - started
        return model

    def _check_hash(self, folder: str | Path) -> None:
        from pfn_kg.pfn.checkpoint import find_model, model_hash

        if self._model_hash is None:
            return
        found = model_hash(find_model(str(folder)))
        if found != self._model_hash:
            raise ValueError(
                f"this worker has another one (hash {found}) than the job was started with "
                f"({self._model_hash}); its image and the machine that starts the job need the "
                "same model"
            )

    def run_inference(
        self,
        batch: Sequence[SplitChunk],
        model: Extractor,
        inference_args: dict[str, Any] | None = None,
    ) -> list[PredictionResult]:
        """Reads the documents of each chunk; no window holds sentences of two of them.

        Args:
            batch: chunks.
            model: from `load_model`; calls from several threads take turns.
            inference_args: none are known.

        Returns:
            For each chunk the `HeadColumns` of the documents that can be read.
        """
        if self._load_seconds is not None:
            observe("model_load_milliseconds", milliseconds(self._load_seconds))
            self._load_seconds = None
        return [PredictionResult(chunk, self._read(chunk, model)) for chunk in batch]

    def _read(self, chunk: SplitChunk, model: Extractor) -> HeadColumns:
        timing, started = ReadingTime(), time.monotonic()
        found = model.predict_columns(
            *chunk.read(),
            token_budget=self._token_budget,
            entity_floor=self._floors[0],
            relation_floor=self._floors[1],
            window_tokens=self._window_tokens,
            timing=timing,
        )
        for pieces in timing.batch_pieces:
            observe("batch_pieces", pieces)
        count("model_milliseconds", milliseconds(timing.model_seconds))
        others = time.monotonic() - started - timing.model_seconds
        count("host_milliseconds", milliseconds(others))
        return found

    def batch_elements_kwargs(self) -> dict[str, int]:
        """One chunk a batch, always."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[SplitChunk]) -> int:
        """Size of the texts, about; the default would pickle them."""
        return sum(len(d.text or "") for chunk in batch for d in chunk.chunk.documents)

    def get_metrics_namespace(self) -> str:
        """The namespace of RunInference's metrics."""
        return "PFN"


def _split_chunk(chunk: Chunk, *how: Any) -> SplitChunk:
    with counted_milliseconds("host_milliseconds"):
        return split_chunk(chunk, *how)


class WriteChunk(beam.DoFn):
    """Writes the extraction file of a chunk; yields the chunk's name.

    Args:
        folder: of the extraction files.
    """

    def __init__(self, folder: str):
        self._folder = folder

    def process(self, result: PredictionResult) -> Iterator[str]:
        """Writes one chunk."""
        split = cast(SplitChunk, result.example)
        with counted_milliseconds("host_milliseconds"):
            table, counters = extraction_table(split, cast("HeadColumns", result.inference))
            ExtractionFolder(self._folder).write(split.chunk, table, counters)
        _count_chunk(table, counters)
        yield split.chunk.name


def _count_chunk(table: pa.Table, counters: Mapping[str, int]) -> None:
    count("chunks")
    for name in ("documents", "characters", "sentences", "mentions", "head_triples"):
        count(name, counters.get(name, 0))
    observe("chunk_sentences", counters.get("sentences", 0))
    if counters.get("rejected"):
        for rejected in chain.from_iterable(table["rejected"].to_pylist()):
            count(f"rejected_{rejected['stage']}")


class ExtractChunks(beam.PTransform):
    """Writes an extraction file for each chunk of a collection of `AnyRun`.

    Args:
        folder: where the files go, on any file system that Beam knows.
        handler: the model's.
        language: of the texts, for the sentence splitter.
        dehyphenate: whether words that the end of a line cuts in two are read as one.
        check_language: whether to count documents in other languages.
        sign: by which workers know the folder, as in `ExtractionFolder.put_sign`; None if they
            needn't.

    Returns:
        The names of the chunks that were written.
    """

    def __init__(
        self,
        folder: str,
        handler: PFNModelHandler,
        *,
        language: str = "en",
        dehyphenate: bool = False,
        check_language: bool = False,
        sign: str | None = None,
    ):
        super().__init__()
        self._dehyphenate = dehyphenate
        self._check_language = check_language
        self._sign = sign
        self._folder = folder
        self._handler = handler
        self._language = language

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return (
            runs
            | "Reshuffle" >> beam.Reshuffle()
            | "ReadChunks" >> beam.ParDo(ReadChunks(self._folder, self._sign))
            | "SplitSentences"
            >> beam.Map(_split_chunk, self._language, self._dehyphenate, self._check_language)
            | "PFN" >> RunInference(self._handler)
            | "WriteChunks" >> beam.ParDo(WriteChunk(self._folder))
        )
