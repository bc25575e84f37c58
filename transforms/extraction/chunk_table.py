"""The rows of one chunk's extraction file, made of the model's output for its documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pfn_kg.pfn.inference.sentences import unread_parts
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, JOINED_WORDS, Rejection
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention, Sentence
from pfn_kg.transforms.extraction.language_check import OTHER_LANGUAGE
from pfn_kg.transforms.extraction.split_chunks import PAYLOAD_CHARACTERS, SplitChunk
from pfn_kg.transforms.plumbing.error_lines import one_line
from pfn_kg.transforms.reading.chunks import Document

_DOCUMENT_COLUMNS = ("source_row", "document_id", "title", "metadata", "content_hash", "text")


class _Items(NamedTuple):
    """The items of all documents of a chunk in one sequence, and how many each document has."""

    rows: list[Any]
    sizes: list[int]


class _ChunkItems(NamedTuple):
    """What a chunk's documents hold.

    Attributes:
        sentences: sentences.
        mentions: mentions from the floor.
        head_triples: head triples from the floor.
        tail_triples: tail triples.
        has_tails: for each document, whether the model gave it tail triples.
        rejected: for each document, what could not be processed.
    """

    sentences: _Items
    mentions: _Items
    head_triples: _Items
    tail_triples: _Items
    has_tails: list[bool]
    rejected: list[list[Rejection]]


def extraction_table(
    split: SplitChunk, results: Sequence[DocumentHeads]
) -> tuple[pa.Table, Counter[str]]:
    """The rows of a chunk's extraction file, and the counts of what is in them.

    Args:
        split: the chunk.
        results: the model's output for each document, in the order of `split.read()`.

    Returns:
        Rows as in `EXTRACTION_SCHEMA`, and the counts by name.
    """
    documents = split.chunk.documents
    counters: Counter[str] = Counter()
    items = _collect(split, results, counters)
    counters["sentences"] += len(items.sentences.rows)
    counters["mentions"] += len(items.mentions.rows)
    counters["head_triples"] += len(items.head_triples.rows)
    counters["rejected"] += sum(map(len, items.rejected))
    for language in split.other_languages:
        counters[OTHER_LANGUAGE] += 1
        counters[f"{OTHER_LANGUAGE}.{language}"] += 1
    columns: dict[str, Any] = {
        name: [getattr(document, name) for document in documents] for name in _DOCUMENT_COLUMNS
    }
    columns["source_file"] = [split.chunk.source_file] * len(documents)
    columns["rejected"] = [[r._asdict() for r in rejected] for rejected in items.rejected]
    columns |= _list_columns(items)
    table = pa.table(
        {name: columns[name] for name in EXTRACTION_SCHEMA.names}, schema=EXTRACTION_SCHEMA
    )
    return table, counters


def _collect(
    split: SplitChunk, results: Sequence[DocumentHeads], counters: Counter[str]
) -> _ChunkItems:
    """Puts the output for all documents together, and counts documents and windows."""
    documents = split.chunk.documents
    mentions: list[Mention] = []
    head_triples: list[HeadTriple] = []
    tail_triples: list[HeadTriple] = []
    mention_sizes, head_sizes, tail_sizes = ([0] * len(documents) for _ in range(3))
    has_tails = [False] * len(documents)
    rejected = [list(document.rejected) for document in documents]
    all_sentences: list[Sentence] = []
    remaining = iter(results)
    for row, (document, read, joined) in enumerate(
        zip(documents, split.sentences, split.joined, strict=True)
    ):
        sentences = read if joined is None else joined.original_sentences(read)
        all_sentences += sentences
        if document.text is None:
            continue
        heads = next(remaining)
        if joined is not None:
            heads = joined.original_heads(heads, document.text)
            counters[JOINED_WORDS] += len(joined.places)
        if heads.long_mentions:
            counters["long_mentions"] += heads.long_mentions
        rejected[row] += _rejections(document, sentences, heads)
        mentions += heads.mentions
        mention_sizes[row] = len(heads.mentions)
        head_triples += heads.head_triples
        head_sizes[row] = len(heads.head_triples)
        if heads.tail_triples is not None:
            has_tails[row] = True
            tail_triples += heads.tail_triples
            tail_sizes[row] = len(heads.tail_triples)
        counters["windowed_sentences"] += heads.cut_sentences
        counters["windows"] += heads.windows
        counters["documents"] += 1
        counters["characters"] += len(document.text)
        for begin, end in unread_parts(document.text if joined is None else joined.text):
            counters["unread_characters"] += end - begin
    return _ChunkItems(
        sentences=_Items(
            all_sentences,
            list(map(len, split.sentences)),
        ),
        mentions=_Items(mentions, mention_sizes),
        head_triples=_Items(head_triples, head_sizes),
        tail_triples=_Items(tail_triples, tail_sizes),
        has_tails=has_tails,
        rejected=rejected,
    )


def _rejections(
    document: Document, sentences: Sequence[Sentence], heads: DocumentHeads
) -> list[Rejection]:
    """The sentences of a document that the model could not read."""
    text = document.text or ""
    rejections = []
    for place, error in sorted(heads.errors.items()):
        sentence = sentences[place]
        payload = text[sentence.begin : sentence.end][:PAYLOAD_CHARACTERS]
        rejections.append(Rejection("extract", sentence.index, one_line(error), payload))
    return rejections


def _list_columns(items: _ChunkItems) -> dict[str, pa.Array]:
    """The columns of lists: sentences, mentions, head triples and tail triples."""
    _, begins, ends = _fields(items.sentences, 3)
    m_begin, m_end, _, m_type, m_score = _fields(items.mentions, 5)
    h_subject, h_relation, h_object, h_score = _fields(items.head_triples, 4)
    t_subject, t_relation, t_object, t_score = _fields(items.tail_triples, 4)
    of_sentences = {
        "places": _sentence_places(items.sentences, begins),
        "first_sentences": _offsets(items.sentences.sizes),
    }
    lacks_tails = pa.array([not has_tails for has_tails in items.has_tails])
    return {
        "sentences": _lists("sentences", items.sentences, {"begin": begins, "end": ends}),
        "mentions": _lists(
            "mentions",
            items.mentions,
            {
                "begin": m_begin,
                "end": m_end,
                "type": m_type,
                "score": m_score,
                "sentence": _sentence_indices(items.mentions, m_begin, **of_sentences),
            },
        ),
        "head_triples": _lists(
            "head_triples",
            items.head_triples,
            {
                "subject": h_subject,
                "relation": h_relation,
                "object": h_object,
                "score": h_score,
                "sentence": _sentence_indices(items.head_triples, h_subject, **of_sentences),
            },
        ),
        "tail_triples": _lists(
            "tail_triples",
            items.tail_triples,
            {"subject": t_subject, "relation": t_relation, "object": t_object, "score": t_score},
            mask=lacks_tails,
        ),
    }


def _sentence_places(sentences: _Items, begins: list[int]) -> np.ndarray:
    """Integers that order the sentences of a chunk by document and begin."""
    documents = np.repeat(np.arange(len(sentences.sizes)), sentences.sizes)
    return documents << 32 | np.array(begins, np.int64)


def _sentence_indices(
    items: _Items, offsets: list[int], *, places: np.ndarray, first_sentences: np.ndarray
) -> np.ndarray:
    """The index, in its document, of the sentence that holds each item's offset.

    Args:
        items: the items.
        offsets: an offset of each item in its document.
        places: from `_sentence_places`.
        first_sentences: for each document, the position of its first sentence.
    """
    rows = np.repeat(np.arange(len(items.sizes)), items.sizes)
    number = np.searchsorted(places, rows << 32 | np.array(offsets, np.int64), "right") - 1
    return number - first_sentences[rows]


def _lists(
    column: str, items: _Items, fields: dict[str, Any], mask: pa.Array | None = None
) -> pa.Array:
    """A column of lists of structs.

    Args:
        column: its name in EXTRACTION_SCHEMA.
        items: the items, of which only the sizes are used.
        fields: the items' fields.
        mask: where the list is null.
    """
    type_ = EXTRACTION_SCHEMA.field(column).type.value_type
    arrays = [pa.array(fields[f.name], f.type) for f in type_]
    return pa.ListArray.from_arrays(
        pa.array(_offsets(items.sizes), pa.int32()),
        pa.StructArray.from_arrays(arrays, fields=list(type_)),
        mask=mask,
    )


def _fields(items: _Items, width: int) -> list[list]:
    return [list(map(itemgetter(column), items.rows)) for column in range(width)]


def _offsets(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
