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
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference

from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, Rejection
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention, Sentence
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.plumbing.files import is_local, local_copy
from pfn_kg.transforms.reading.chunks import Chunk, ChunkRun, Document, read_chunks

if TYPE_CHECKING:
    from pfn_kg.pfn.extractor import Extractor
    from pfn_kg.schemas.job import Precision

_PAYLOAD = 200


class SplitChunk(NamedTuple):
    """A chunk with the sentences of each of its documents."""

    chunk: Chunk
    sentences: list[list[Sentence]]

    def read(self) -> tuple[list[str], list[list[Sentence]]]:
        """The texts that can be read, in order, and the sentences of each."""
        texts, sentences = [], []
        for document, found in zip(self.chunk.documents, self.sentences, strict=True):
            if document.text is not None:
                texts.append(document.text)
                sentences.append(found)
        return texts, sentences


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
        entity_floor: least score of a mention.
        relation_floor: least score of a head triple.
        token_budget: most word pieces in one batch.
        window_tokens: see `Extractor.predict_documents`.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str,
        precision: Precision,
        entity_floor: float,
        relation_floor: float,
        token_budget: int,
        window_tokens: int | None = None,
    ):
        self._model = model
        self._device = device
        self._precision = precision
        self._token_budget = token_budget
        self._floors = (entity_floor, relation_floor)
        self._window_tokens = window_tokens

    def load_model(self) -> Extractor:
        """Loads the model, once a process.

        Raises:
            RuntimeError: if it can't be loaded; names the model.
        """
        from pfn_kg.pfn.extractor import Extractor

        folder: str | Path = self._model if is_local(self._model) else local_copy(self._model)
        try:
            return Extractor.from_pretrained(folder, self._device, self._precision)
        except Exception as error:
            # On a worker it is too late for an error of configuration.
            raise RuntimeError(f"model {self._model}: {one_line(error)}") from error

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
            For each chunk the `DocumentHeads` of each document that can be read.
        """
        return [
            PredictionResult(
                chunk,
                model.predict_documents(
                    *chunk.read(),
                    entity_floor=self._floors[0],
                    relation_floor=self._floors[1],
                    token_budget=self._token_budget,
                    window_tokens=self._window_tokens,
                ),
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
        found = cast("Sequence[DocumentHeads]", result.inference)
        table, counters = extraction_table(split, found)
        ExtractionFolder(self._folder).write(split.chunk, table, counters)
        yield split.chunk.name


def extraction_table(
    split: SplitChunk, results: Sequence[DocumentHeads]
) -> tuple[pa.Table, Counter[str]]:
    """The rows of a chunk's extraction file, as in `EXTRACTION_SCHEMA`, and what was counted.

    Args:
        split: the chunk.
        results: of each document, in the order of `split.read()`.
    """
    documents = split.chunk.documents
    counters: Counter[str] = Counter()
    rejected = [list(document.rejected) for document in documents]
    mentions: list[Mention] = []
    head_triples: list[HeadTriple] = []
    tail_triples: list[HeadTriple] = []
    lacking = [True] * len(documents)
    # How many items each document has.
    sizes = {name: [0] * len(documents) for name in ("mentions", "head_triples", "tail_triples")}
    found = iter(results)
    for row, (document, sentences) in enumerate(zip(documents, split.sentences, strict=True)):
        if document.text is None:
            continue
        heads = next(found)
        for place, error in sorted(heads.errors.items()):
            sentence = sentences[place]
            payload = document.text[sentence.begin : sentence.end][:_PAYLOAD]
            rejected[row].append(Rejection("extract", sentence.index, one_line(error), payload))
        mentions += heads.mentions
        head_triples += heads.head_triples
        sizes["mentions"][row] = len(heads.mentions)
        sizes["head_triples"][row] = len(heads.head_triples)
        if heads.tail_triples is not None:
            lacking[row] = False
            tail_triples += heads.tail_triples
            sizes["tail_triples"][row] = len(heads.tail_triples)
        counters["windowed_sentences"] += heads.cut_sentences
        counters["windows"] += heads.windows
        counters["documents"] += 1
        counters["characters"] += len(document.text)
    sentences = [s for of_document in split.sentences for s in of_document]
    sizes["sentences"] = list(map(len, split.sentences))
    counters["sentences"] += len(sentences)
    counters["mentions"] += len(mentions)
    counters["head_triples"] += len(head_triples)
    counters["rejected"] += sum(map(len, rejected))

    _, begins, ends = _columns(sentences, 3)
    m_begin, m_end, _, m_type, m_score = _columns(mentions, 5)
    h_subject, h_relation, h_object, h_score = _columns(head_triples, 4)
    t_subject, t_relation, t_object, t_score = _columns(tail_triples, 4)
    # Sentences are numbered through a chunk by document and begin.
    of_document = np.repeat(np.arange(len(documents)), sizes["sentences"])
    places = of_document << 32 | np.array(begins, np.int64)
    first_sentences = _offsets(sizes["sentences"])

    def in_sentence(name: str, offsets: list[int]) -> np.ndarray:
        rows = np.repeat(np.arange(len(documents)), sizes[name])
        number = np.searchsorted(places, rows << 32 | np.array(offsets, np.int64), "right") - 1
        return number - first_sentences[rows]

    items: dict[str, dict[str, Any]] = {
        "sentences": {"begin": begins, "end": ends},
        "mentions": {
            "begin": m_begin,
            "end": m_end,
            "type": m_type,
            "score": m_score,
            "sentence": in_sentence("mentions", m_begin),
        },
        "head_triples": {
            "subject": h_subject,
            "relation": h_relation,
            "object": h_object,
            "score": h_score,
            "sentence": in_sentence("head_triples", h_subject),
        },
        "tail_triples": {
            "subject": t_subject,
            "relation": t_relation,
            "object": t_object,
            "score": t_score,
        },
    }
    columns: dict[str, Any] = {
        name: [getattr(document, name) for document in documents]
        for name in ("source_row", "document_id", "title", "metadata", "content_hash", "text")
    }
    columns["source_file"] = [split.chunk.source_file] * len(documents)
    columns["rejected"] = [[r._asdict() for r in reasons] for reasons in rejected]
    for name, fields in items.items():
        type_ = EXTRACTION_SCHEMA.field(name).type.value_type
        arrays = [pa.array(fields[f.name], f.type) for f in type_]
        columns[name] = pa.ListArray.from_arrays(
            pa.array(_offsets(sizes[name]), pa.int32()),
            pa.StructArray.from_arrays(arrays, fields=list(type_)),
            mask=pa.array(lacking) if name == "tail_triples" else None,
        )
    table = pa.table(
        {name: columns[name] for name in EXTRACTION_SCHEMA.names}, schema=EXTRACTION_SCHEMA
    )
    return table, counters


def _columns(rows: Sequence[tuple], width: int) -> list[list]:
    return [list(map(itemgetter(column), rows)) for column in range(width)]


def _offsets(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


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
