"""The extract phase as a PTransform: runs of chunks in, one extraction file a chunk out.

```
runs -> Reshuffle -> read chunks -> split sentences -> RunInference (PFN) -> write
```

Only descriptions of runs are shuffled; from reading to writing all is one fused
stage. A chunk is one example for RunInference: what a batch holds follows from the
chunk alone, not from bundles, workers or runners.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference

from pfn.sentences import split_sentences
from schemas.extraction import Rejection
from schemas.records import HeadExtraction, Sentence
from transforms.chunks import Chunk, ChunkRun, Document, read_chunks
from transforms.extraction_files import ExtractionFolder
from transforms.files import is_local, local_copy

if TYPE_CHECKING:
    from pfn.extractor import Extractor, Precision

_PAYLOAD = 200


class SplitChunk(NamedTuple):
    """A chunk with the sentences of each of its documents."""

    chunk: Chunk
    sentences: list[list[Sentence]]

    def texts(self) -> list[str]:
        """The text of all sentences, in order."""
        return [
            document.text[s.begin : s.end]
            for document, sentences in zip(self.chunk.documents, self.sentences, strict=True)
            if document.text is not None
            for s in sentences
        ]


class ReadChunks(beam.DoFn):
    """Streams the chunks of a run that have no file yet.

    Args:
        folder: of the extraction files.
    """

    def __init__(self, folder: str):
        self._folder = folder

    def process(self, run: ChunkRun) -> Iterator[Chunk]:
        """Reads one run."""
        yield from read_chunks(run, ExtractionFolder(self._folder).next_row)


def split_chunk(chunk: Chunk, language: str) -> SplitChunk:
    """Splits the documents of a chunk; one that can't be split is rejected."""
    found = []
    for document in chunk.documents:
        sentences: list[Sentence] = []
        if document.text is not None:
            try:
                sentences = split_sentences(document.text, language)
            except Exception as error:
                _reject(document, error)
        found.append(sentences)
    return SplitChunk(chunk, found)


def _reject(document: Document, error: Exception) -> None:
    payload = (document.text or "")[:_PAYLOAD]
    document.rejected.append(Rejection("split", None, one_line(error), payload))
    document.text = None


def one_line(error: BaseException) -> str:
    """An error as one line for people."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:1000]


class PFNModelHandler(ModelHandler[SplitChunk, PredictionResult, "Extractor"]):
    """Runs PFN over chunks for RunInference; one chunk is one example.

    Args:
        model: folder on any file system that Beam knows, or name of a shipped model.
        device: see `Extractor.from_pretrained`.
        precision: see `Extractor.from_pretrained`.
        token_budget: most word pieces in one batch.
        entity_floor: least score of a mention.
        relation_floor: least score of a head triple.
    """

    def __init__(
        self,
        model: str,
        device: str,
        precision: Precision,
        token_budget: int,
        entity_floor: float,
        relation_floor: float,
    ):
        self._model = model
        self._device = device
        self._precision = precision
        self._token_budget = token_budget
        self._floors = (entity_floor, relation_floor)

    def load_model(self) -> Extractor:
        """Loads the model, once a process.

        Raises:
            RuntimeError: if it can't be loaded; names the model.
        """
        from pfn.extractor import Extractor

        folder: str | Path = self._model if is_local(self._model) else local_copy(self._model)
        try:
            return Extractor.from_pretrained(folder, self._device, self._precision)
        except Exception as error:
            # On a worker it is too late for an error of configuration.
            raise RuntimeError(f"--model {self._model}: {one_line(error)}") from error

    def run_inference(
        self,
        batch: Sequence[SplitChunk],
        model: Extractor,
        inference_args: dict[str, Any] | None = None,
    ) -> list[PredictionResult]:
        """Reads the sentences of each chunk.

        Args:
            batch: chunks.
            model: from `load_model`; calls from several threads take turns.
            inference_args: none are known.

        Returns:
            For each chunk a result a sentence: a `HeadExtraction`, or the exception.
        """
        return [
            PredictionResult(
                chunk, model.predict_heads(chunk.texts(), self._token_budget, *self._floors)
            )
            for chunk in batch
        ]

    def batch_elements_kwargs(self) -> dict[str, int]:
        """One chunk a batch, always."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[SplitChunk]) -> int:
        """Size of the texts, about; the default would pickle them."""
        return sum(len(d.text or "") for chunk in batch for d in chunk.chunk.documents)

    def get_metrics_namespace(self) -> str:
        """The namespace of RunInference's metrics."""
        return "PFN"


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
        found = cast("Sequence[HeadExtraction | Exception]", result.inference)
        rows, counters = extraction_rows(split, found)
        ExtractionFolder(self._folder).write(split.chunk, rows, counters)
        yield split.chunk.name


def extraction_rows(
    split: SplitChunk, results: Sequence[HeadExtraction | Exception]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The rows of a chunk's extraction file, and what was counted.

    Args:
        split: the chunk.
        results: of each sentence, in the order of `split.texts()`.
    """
    counters: Counter[str] = Counter()
    found = iter(results)
    rows = []
    for document, sentences in zip(split.chunk.documents, split.sentences, strict=True):
        mentions: list[dict[str, Any]] = []
        head_triples: list[dict[str, Any]] = []
        rejected = list(document.rejected)
        for sentence in sentences if document.text is not None else ():
            heads = next(found)
            if isinstance(heads, Exception):
                payload = (document.text or "")[sentence.begin : sentence.end][:_PAYLOAD]
                rejected.append(Rejection("extract", sentence.index, one_line(heads), payload))
                continue
            counters["windowed_sentences"] += heads.windows > 1
            mentions += [
                {
                    "begin": m.begin + sentence.begin,
                    "end": m.end + sentence.begin,
                    "type": m.type,
                    "score": m.score,
                    "sentence": sentence.index,
                }
                for m in heads.mentions
            ]
            head_triples += [
                {
                    "subject": t.subject + sentence.begin,
                    "relation": t.relation,
                    "object": t.object + sentence.begin,
                    "score": t.score,
                    "sentence": sentence.index,
                }
                for t in heads.head_triples
            ]
        if document.text is not None:
            counters["documents"] += 1
            counters["characters"] += len(document.text)
        counters["sentences"] += len(sentences)
        counters["mentions"] += len(mentions)
        counters["head_triples"] += len(head_triples)
        counters["rejected"] += len(rejected)
        rows.append(
            {
                "source_file": split.chunk.source_file,
                "source_row": document.source_row,
                "document_id": document.document_id,
                "title": document.title,
                "metadata": document.metadata,
                "content_hash": document.content_hash,
                "text": document.text,
                "sentences": [{"begin": s.begin, "end": s.end} for s in sentences],
                "mentions": mentions,
                "head_triples": head_triples,
                "rejected": [r._asdict() for r in rejected],
            }
        )
    return rows, counters


class Extract(beam.PTransform):
    """Extracts a collection of `ChunkRun` into extraction files.

    Args:
        folder: where the files go, on any file system that Beam knows.
        handler: the model's.
        language: of the texts, for the sentence splitter.

    Returns:
        The names of the chunks that were written.
    """

    def __init__(self, folder: str, handler: PFNModelHandler, language: str = "en"):
        super().__init__()
        self._folder = folder
        self._handler = handler
        self._language = language

    def expand(self, runs: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return (
            runs
            | "Reshuffle" >> beam.Reshuffle()
            | "ReadChunks" >> beam.ParDo(ReadChunks(self._folder))
            | "SplitSentences" >> beam.Map(split_chunk, self._language)
            | "PFN" >> RunInference(self._handler)
            | "WriteChunks" >> beam.ParDo(WriteChunk(self._folder))
        )
