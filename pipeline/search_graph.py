"""Searching a finished graph: its index is made once, then questions are asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import pyarrow as pa

from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.search.answers import Found
from pfn_kg.pipeline.search.ask import ask
from pfn_kg.pipeline.search.build import build_index
from pfn_kg.pipeline.search.index import INDEX_VERSION, SearchIndex
from pfn_kg.pipeline.search.place import open_index
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import is_local, local_path
from pfn_kg.transforms.tables.parts import read_part


def search(folder: str, question: str, *, limit: int = 10) -> Found:
    """The sentences and documents of a graph that answer a question.

    Args:
        folder: the output folder of a finished run, on any file system that Beam knows.
        question: a question or words, in the language of the corpus.
        limit: how many sentences and how many documents are given at most.

    Raises:
        ConfigurationError: if there is no finished graph, if the question has no word, or if the
            limit is below 1.
    """
    return search_run(read_finished(folder), question, limit)


def search_run(run: FinishedRun, question: str, limit: int) -> Found:
    """As `search`, of a run that is open."""
    if limit < 1:
        raise ConfigurationError(f"must be at least 1, not {limit}", field="limit")
    if not any(character.isalnum() for character in question):
        raise ConfigurationError("there is no word in it", field="question")
    return ask(index_of(run), question, limit)


def index_of(run: FinishedRun) -> SearchIndex:
    """The index of a snapshot, from its place or new."""

    def read(table: str, columns: Sequence[str]) -> pa.Table:
        parts = run.parts([table])
        return pa.concat_tables([read_part(part, list(columns)) for part in parts])

    state = run.version(search_index=INDEX_VERSION, path=run.snapshot.path)
    name = blake2b(state.encode(), digest_size=12).hexdigest()
    folder = local_path(run.directory) if is_local(run.directory) else None
    has_sentences = bool(run.build.options.get("sentences"))
    return open_index(folder, name, lambda: build_index(read, has_sentences=has_sentences))
