"""Chunks of documents read from the corpus and split into sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import apache_beam as beam

from pfn_kg.pfn.inference.cut_words import JoinedText, join_cut_words
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.schemas.extraction import Rejection
from pfn_kg.schemas.records import Sentence
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.language_check import other_language
from pfn_kg.transforms.plumbing.error_lines import one_line
from pfn_kg.transforms.reading.chunks import Chunk, Document, read_chunks
from pfn_kg.transforms.reading.runs import AnyRun

#: How many characters of a text that can't be processed are kept in `rejected`.
PAYLOAD_CHARACTERS = 200


class SplitChunk(NamedTuple):
    """A chunk with the sentences of each of its documents.

    Attributes:
        chunk: the documents.
        sentences: of each document, offsets those of the text that is read; empty where it has
            no text.
        joined: of each document that is read with whole words in the place of cut ones; None
            where a document is read as it is.
        other_languages: of each document that is clearly in another language than expected, if
            that was looked at.
    """

    chunk: Chunk
    sentences: list[list[Sentence]]
    joined: list[JoinedText | None]
    other_languages: Sequence[str] = ()

    def read(self) -> tuple[list[str], list[list[Sentence]]]:
        """The texts that can be read, in order, and the sentences of each."""
        texts, sentences = [], []
        for document, of_document, joined in zip(
            self.chunk.documents, self.sentences, self.joined, strict=True
        ):
            if document.text is not None:
                texts.append(document.text if joined is None else joined.text)
                sentences.append(of_document)
        return texts, sentences


class ReadChunks(beam.DoFn):
    """Streams the chunks of a run that have no file yet.

    Args:
        folder: of the extraction files.
        sign: what tells this folder from one of the same name that only a worker sees, as in
            `ExtractionFolder.put_sign`; None looks for nothing.
    """

    def __init__(self, folder: str, sign: str | None = None):
        self._folder = folder
        self._sign = sign

    def setup(self) -> None:
        """Refuses to work where the results would be lost."""
        if self._sign is not None:
            ExtractionFolder(self._folder).check_sign(self._sign)

    def process(self, run: AnyRun) -> Iterator[Chunk]:
        """Reads one run."""
        yield from read_chunks(run, ExtractionFolder(self._folder).next_row)


def split_chunk(
    chunk: Chunk, language: str, dehyphenate: bool = False, check_language: bool = False
) -> SplitChunk:
    """Splits the documents of a chunk into sentences; rejects a document that can't be split.

    Args:
        chunk: the documents.
        language: code of their language.
        dehyphenate: whether words that the end of a line cuts in two are read as one.
        check_language: whether to look for documents in other languages.
    """
    others: list[str] = []
    split = SplitChunk(chunk, [], [], others)
    for document in chunk.documents:
        sentences: list[Sentence] = []
        joined: JoinedText | None = None
        if document.text is not None:
            try:
                text = document.text
                if dehyphenate and (found := join_cut_words(text)).places:
                    joined, text = found, found.text
                sentences = split_sentences(text, language)
                if check_language and (other := other_language(text, language)):
                    others.append(other)
            except Exception as error:
                _reject(document, error)
        split.sentences.append(sentences)
        split.joined.append(joined)
    return split


def _reject(document: Document, error: Exception) -> None:
    payload = (document.text or "")[:PAYLOAD_CHARACTERS]
    document.rejected.append(Rejection("split", None, one_line(error), payload))
    document.text = None
