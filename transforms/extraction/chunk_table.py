"""The rows of one chunk's extraction file, made of the model's output for its documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.pfn.inference.cut_words import original_columns
from pfn_kg.pfn.inference.head_columns import HeadColumns, TripleColumns
from pfn_kg.pfn.inference.ranges import bounds_of
from pfn_kg.pfn.inference.sentences import unread_parts
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, JOINED_WORDS, Rejection
from pfn_kg.schemas.records import Sentence
from pfn_kg.transforms.extraction.language_check import OTHER_LANGUAGE
from pfn_kg.transforms.extraction.split_chunks import PAYLOAD_CHARACTERS, SplitChunk
from pfn_kg.transforms.plumbing.error_lines import one_line
from pfn_kg.transforms.reading.chunks import Document

_DOCUMENT_COLUMNS = (
    "source_file",
    "source_row",
    "document_id",
    "title",
    "metadata",
    "content_hash",
    "text",
)


def extraction_table(split: SplitChunk, found: HeadColumns) -> tuple[pa.Table, Counter[str]]:
    """The rows of a chunk's extraction file, and the counts of what is in them.

    Args:
        split: the chunk.
        found: the model's output for the documents of `split.read()`.

    Returns:
        Rows as in `EXTRACTION_SCHEMA`, and the counts by name.
    """
    documents = split.chunk.documents
    # Where the documents that were read stand among all.
    read = np.flatnonzero([document.text is not None for document in documents])
    found = original_columns(found, [split.joined[row] for row in read])
    sentences = [
        of_document if joined is None else joined.original_sentences(of_document)
        for of_document, joined in zip(split.sentences, split.joined, strict=True)
    ]
    rejected = [list(document.rejected) for document in documents]
    for number, errors in found.errors.items():
        row = int(read[number])
        rejected[row] += _rejections(documents[row], sentences[row], errors)
    columns: dict[str, Any] = {
        name: [getattr(document, name) for document in documents] for name in _DOCUMENT_COLUMNS
    }
    columns["rejected"] = [[r._asdict() for r in of_document] for of_document in rejected]
    columns |= _list_columns(sentences, found, read)
    table = pa.table(
        {name: columns[name] for name in EXTRACTION_SCHEMA.names}, schema=EXTRACTION_SCHEMA
    )
    counters = _count(split, found, read)
    counters["rejected"] = sum(map(len, rejected))
    return table, counters


def _count(split: SplitChunk, found: HeadColumns, read: np.ndarray) -> Counter[str]:
    """What there is in a chunk, by name; what is rejected left out."""
    counters = Counter(
        sentences=sum(map(len, split.sentences)),
        mentions=len(found.mentions.score),
        head_triples=len(found.head_triples.score),
    )
    if len(read):
        counters["documents"] = len(read)
        counters["windows"] = int(found.windows.sum())
        counters["windowed_sentences"] = int(found.cut_sentences.sum())
    if long_mentions := int(found.long_mentions.sum()):
        counters["long_mentions"] = long_mentions
    for row in read:
        text, joined = split.chunk.documents[row].text or "", split.joined[row]
        if joined is not None:
            counters[JOINED_WORDS] += len(joined.places)
        counters["characters"] += len(text)
        for begin, end in unread_parts(text if joined is None else joined.text):
            counters["unread_characters"] += end - begin
    for language in split.other_languages:
        counters[OTHER_LANGUAGE] += 1
        counters[f"{OTHER_LANGUAGE}.{language}"] += 1
    return counters


def _rejections(
    document: Document, sentences: Sequence[Sentence], errors: Mapping[int, Exception]
) -> list[Rejection]:
    """The sentences of a document that the model could not read."""
    text = document.text or ""
    rejections = []
    for place, error in sorted(errors.items()):
        sentence = sentences[place]
        payload = text[sentence.begin : sentence.end][:PAYLOAD_CHARACTERS]
        rejections.append(Rejection("extract", sentence.index, one_line(error), payload))
    return rejections


class _Sentences(NamedTuple):
    """The sentences of all documents of a chunk.

    Attributes:
        bounds: the sentences of document i are those from `bounds[i]` to `bounds[i + 1]`.
        begin: where each begins in its document.
        end: where it ends.
    """

    bounds: np.ndarray
    begin: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, sentences: Sequence[Sequence[Sentence]]) -> _Sentences:
        sizes = np.fromiter(map(len, sentences), np.int64, len(sentences))
        bounds = bounds_of(sizes)
        flat = chain.from_iterable(chain.from_iterable(sentences))
        numbers = np.fromiter(flat, np.int64, 3 * int(bounds[-1])).reshape(-1, 3)
        return cls(bounds, numbers[:, 1], numbers[:, 2])

    def index_at(self, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """The index, in its document, of the sentence that holds an offset.

        Args:
            rows: the documents of the offsets.
            offsets: any in a sentence.
        """
        # Integers that order sentences and offsets by document and place.
        places = np.repeat(np.arange(len(self.bounds) - 1) << 32, np.diff(self.bounds))
        number = np.searchsorted(places | self.begin, rows << 32 | offsets, "right") - 1
        return number - self.bounds[rows]


def _list_columns(
    sentences: Sequence[Sequence[Sentence]], found: HeadColumns, read: np.ndarray
) -> dict[str, pa.Array]:
    """The columns of lists: sentences, mentions, head triples and tail triples.

    Args:
        sentences: of each document.
        found: the model's output for the documents that were read.
        read: which ones those are.
    """
    places = _Sentences.of(sentences)
    documents = len(sentences)
    types = pa.array(found.entity_types, pa.string())
    relations = pa.array(found.relation_types, pa.string())

    def sizes(bounds: np.ndarray) -> np.ndarray:
        of_documents = np.zeros(documents, np.int64)
        of_documents[read] = np.diff(bounds)
        return of_documents

    def triples(column: str, of: TripleColumns, mask: pa.Array | None = None) -> pa.Array:
        fields = {
            "subject": of.subject,
            "relation": relations.take(pa.array(of.relation)),
            "object": of.object,
            "score": of.score,
        }
        if column == "head_triples":
            rows = np.repeat(read, np.diff(of.bounds))
            fields["sentence"] = places.index_at(rows, of.subject)
        return _lists(column, bounds_of(sizes(of.bounds)), fields, mask)

    mentions, tails = found.mentions, found.tail_triples
    rows = np.repeat(read, np.diff(mentions.bounds))
    no_tails = np.ones(documents, bool)
    if tails is None:
        none = np.zeros(0, np.int64)
        tails = TripleColumns(np.zeros(len(read) + 1, np.int64), none, none, none, none)
    else:
        no_tails[read] = False
    return {
        "sentences": _lists("sentences", places.bounds, {"begin": places.begin, "end": places.end}),
        "mentions": _lists(
            "mentions",
            bounds_of(sizes(mentions.bounds)),
            {
                "begin": mentions.begin,
                "end": mentions.end,
                "type": types.take(pa.array(mentions.type)),
                "score": mentions.score,
                "sentence": places.index_at(rows, mentions.begin),
            },
        ),
        "head_triples": triples("head_triples", found.head_triples),
        "tail_triples": triples("tail_triples", tails, pa.array(no_tails)),
    }


def _lists(
    column: str, bounds: np.ndarray, fields: Mapping[str, Any], mask: pa.Array | None = None
) -> pa.Array:
    """A column of lists of structs.

    Args:
        column: its name in EXTRACTION_SCHEMA.
        bounds: where the items of each document begin, and where the last ones end.
        fields: the items' fields.
        mask: where the list is null.
    """
    type_ = EXTRACTION_SCHEMA.field(column).type.value_type
    arrays = [pa.array(fields[f.name], f.type) for f in type_]
    return pa.ListArray.from_arrays(
        pa.array(bounds, pa.int32()),
        pa.StructArray.from_arrays(arrays, fields=list(type_)),
        mask=mask,
    )
