"""From accepted cells of words to the columns of mentions and triples of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pfn_kg.pfn.inference.accepted_cells import DecodedWords, WordCells
from pfn_kg.pfn.inference.encoded_texts import EncodedSentences
from pfn_kg.pfn.inference.flat_entities import flat_spans
from pfn_kg.pfn.inference.head_columns import HeadColumns, MentionColumns, TripleColumns


class TextWords(NamedTuple):
    """Where words stand, each column (words,).

    Attributes:
        text: the word's text.
        begin: first character in it.
        end: one past the last character.
        texts: how many texts there are.
    """

    text: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    texts: int

    @classmethod
    def of(cls, encoded: EncodedSentences, begins: np.ndarray, of_texts: np.ndarray) -> TextWords:
        """The words of sentences.

        Args:
            encoded: the sentences.
            begins: where each begins in its text, (sentences,).
            of_texts: the sentences of text i are those from `of_texts[i]` to `of_texts[i + 1]`,
                (texts + 1,).
        """
        words = np.diff(encoded.bounds)
        first = np.repeat(begins, words)
        texts = len(of_texts) - 1
        text = np.repeat(np.arange(texts), np.diff(encoded.bounds[of_texts]))
        return cls(text, encoded.begin + first, encoded.end + first, texts)

    def bounds(self, words: np.ndarray) -> np.ndarray:
        """Of words in order: which ones are those of each text, (texts + 1,)."""
        return np.searchsorted(self.text[words], np.arange(self.texts + 1))


def head_columns(
    decoded: Sequence[DecodedWords],
    words: TextWords,
    *,
    entity_types: Sequence[str],
    relation_types: Sequence[str],
    flat: bool,
    has_tails: bool,
    most_characters: int,
) -> HeadColumns:
    """Merges what windows say of texts; of a mention or triple the best score stays.

    Args:
        decoded: what they say.
        words: of the texts.
        entity_types: names, as the model numbers them.
        relation_types: names, as the model numbers them.
        flat: whether of overlapping mentions the best alone stays, with its triples.
        has_tails: whether the model has a tail table.
        most_characters: of a mention; longer ones are counted.

    Returns:
        The columns; windows, cut sentences and errors are not filled in.
    """
    types, type_codes = _codes(entity_types)
    relations, relation_codes = _codes(relation_types)

    def merged(parts: list[WordCells], codes: np.ndarray) -> WordCells:
        cells = WordCells.concatenated(parts)
        cells = cells._replace(label=codes[cells.label])
        return cells.best(len(words.text), len(codes))

    spans = merged([d.entities for d in decoded], type_codes)
    text, begin, end = words.text[spans.first], words.begin[spans.first], words.end[spans.second]
    stays = end - begin <= most_characters
    long = np.bincount(text[~stays], minlength=words.texts)
    if flat:
        kept = np.flatnonzero(stays)
        row = text[kept] << 32
        is_best = flat_spans(
            row | begin[kept], row | end[kept], spans.label[kept], spans.score[kept]
        )
        stays[kept[~is_best]] = False
    spans, begin, end = spans.take(stays), begin[stays], end[stays]
    mentions = MentionColumns(words.bounds(spans.first), begin, end, spans.label, spans.score)

    def triples(parts: list[WordCells], heads: np.ndarray, offsets: np.ndarray) -> TripleColumns:
        cells = merged(parts, relation_codes)
        if flat:
            is_head = np.zeros(len(words.text), bool)
            is_head[heads] = True
            cells = cells.take(is_head[cells.first] & is_head[cells.second])
        return TripleColumns(
            words.bounds(cells.first),
            offsets[cells.first],
            cells.label,
            offsets[cells.second],
            cells.score,
        )

    tails = [d.tails for d in decoded if d.tails is not None]
    none = np.zeros(words.texts, np.int64)
    return HeadColumns(
        types,
        relations,
        mentions,
        triples([d.triples for d in decoded], spans.first, words.begin),
        triples(tails, spans.second, words.end) if has_tails else None,
        none,
        none,
        long,
        {},
    )


def _codes(names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names in order, and the place of each of the given ones among them."""
    known = sorted(set(names))
    return tuple(known), np.array([known.index(name) for name in names], np.int64)
