"""Searching a finished graph: its index is made once, then questions are asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.search.answers import Found
from pfn_kg.pipeline.search.ask import ask
from pfn_kg.pipeline.search.build import build_index
from pfn_kg.pipeline.search.index import INDEX_VERSION, SearchIndex
from pfn_kg.pipeline.search.place import open_index, open_vectors
from pfn_kg.pipeline.search.vectors import likeness, vector_table, vectors_of
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import is_local, local_path
from pfn_kg.transforms.tables.parts import read_part

if TYPE_CHECKING:
    from pfn_kg.pfn.inference.embedding import TextEmbedder


def search(folder: str, question: str, *, limit: int = 10, vectors: str | None = None) -> Found:
    """The sentences and documents of a graph that answer a question.

    Args:
        folder: the output folder of a finished run, on any file system that Beam knows.
        question: a question or words, in the language of the corpus.
        limit: how many sentences and how many documents are given at most.
        vectors: an encoder whose vectors rank too, as `TextEmbedder` takes it.

    Raises:
        ConfigurationError: if there is no finished graph, if the question has no word, if the
            limit is below 1, or if there is no such encoder.
    """
    return search_run(read_finished(folder), question, limit, vectors)


def search_run(run: FinishedRun, question: str, limit: int, vectors: str | None = None) -> Found:
    """As `search`, of a run that is open."""
    if limit < 1:
        raise ConfigurationError(f"must be at least 1, not {limit}", field="limit")
    if not any(character.isalnum() for character in question):
        raise ConfigurationError("there is no word in it", field="question")
    index = index_of(run)
    likeness = None if vectors is None else likeness_of(run, index, vectors)(question)
    return ask(index, question, limit, likeness)


def likeness_of(run: FinishedRun, index: SearchIndex, encoder: str) -> Callable[[str], np.ndarray]:
    """What tells how near each sentence is to a question; its vectors are made at first use.

    Args:
        run: that is open.
        index: its index.
        encoder: as `TextEmbedder` takes it.

    Raises:
        ConfigurationError: if there is no such encoder.
    """
    embedder = _embedder(encoder)
    table = open_vectors(
        _folder(run),
        _name(run),
        embedder.key,
        lambda known: vector_table(index, embedder.embed, embedder.width, known),
    )
    vectors = vectors_of(table)
    return lambda question: likeness(vectors, embedder.embed([question])[0])


@lru_cache(maxsize=2)
def _embedder(encoder: str) -> TextEmbedder:
    """An encoder takes a second to load, and a program asks many questions."""
    # It needs PyTorch, which takes seconds to import.
    from pfn_kg.pfn.inference.embedding import open_embedder

    return open_embedder(encoder, field="vectors")


def index_of(run: FinishedRun) -> SearchIndex:
    """The index of a snapshot, from its place or new."""

    def read(table: str, columns: Sequence[str]) -> pa.Table:
        parts = run.parts([table])
        return pa.concat_tables([read_part(part, list(columns)) for part in parts])

    has_sentences = bool(run.build.options.get("sentences"))
    return open_index(
        _folder(run), _name(run), lambda: build_index(read, has_sentences=has_sentences)
    )


def _name(run: FinishedRun) -> str:
    """Of the index of a snapshot."""
    state = run.version(search_index=INDEX_VERSION, path=run.snapshot.path)
    return blake2b(state.encode(), digest_size=12).hexdigest()


def _folder(run: FinishedRun) -> Path | None:
    return local_path(run.directory) if is_local(run.directory) else None
