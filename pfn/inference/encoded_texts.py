"""Sentences as words and word pieces, in flat arrays: what windows and batches are cut from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pfn_kg.pfn.inference.ranges import bounds_of, ranges
from pfn_kg.pfn.inference.windows import cut_windows
from pfn_kg.pfn.inference.word_pieces import WordPieces
from pfn_kg.pfn.inference.words import find_words


class EncodedSentences:
    """The words of sentences that have a piece, and their pieces, one sentence after the other.

    Attributes:
        bounds: the words of sentence i are those from `bounds[i]` to `bounds[i + 1]`,
            (sentences + 1,).
        begin: first character of each word in its sentence, (words,).
        end: one past its last character, (words,).
        first_piece: where the pieces of each word begin, and where the last ones end,
            (words + 1,).
        pieces: ids of the word pieces, special tokens left out, (pieces,).
        shapes: word shape of each piece, (pieces,).
    """

    def __init__(
        self,
        *,
        bounds: np.ndarray,
        begin: np.ndarray,
        end: np.ndarray,
        first_piece: np.ndarray,
        pieces: np.ndarray,
        shapes: np.ndarray,
    ):
        self.bounds = bounds
        self.begin, self.end = begin, end
        self.first_piece = first_piece
        self.pieces, self.shapes = pieces, shapes

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        word_pieces: WordPieces,
        segmentation: str,
        words: Sequence[Sequence[tuple[int, int]]] | None = None,
    ) -> EncodedSentences:
        """Splits texts, each of which is one sentence, into words and word pieces.

        Args:
            texts: any texts.
            word_pieces: looks pieces up.
            segmentation: of words.
            words: (begin, end) of the words of each text; by default those of the segmentation.

        Raises:
            ConfigurationError: if the segmentation is unknown.
            Exception: if a text can't be read, whatever the tokenizer says of it.
        """
        if words is None:
            found = find_words(texts, segmentation)
            spelt, bounds = found.spelt(), found.bounds
            first = np.repeat(found.texts, np.diff(bounds))
            begin, end = found.begin - first, found.end - first
        else:
            spelt = [t[b:e] for t, spans in zip(texts, words, strict=True) for b, e in spans]
            bounds = bounds_of(np.fromiter(map(len, words), np.int64, len(words)))
            spans = np.array([span for of_text in words for span in of_text], np.int64)
            begin, end = spans.reshape(-1, 2).T
        counts, pieces, shapes = word_pieces.of(spelt, bounds)
        has_pieces = counts > 0
        if not has_pieces.all():
            begin, end, shapes = begin[has_pieces], end[has_pieces], shapes[has_pieces]
            bounds = bounds_of(has_pieces)[bounds]
            counts = counts[has_pieces]
        return cls(
            bounds=bounds,
            begin=begin,
            end=end,
            first_piece=bounds_of(counts),
            pieces=pieces,
            shapes=np.repeat(shapes, counts),
        )

    @classmethod
    def concatenated(cls, parts: Sequence[EncodedSentences]) -> EncodedSentences:
        """The sentences of several in one."""

        def all_bounds(name: str) -> np.ndarray:
            return bounds_of(np.concatenate([np.diff(getattr(part, name)) for part in parts]))

        plain = ("begin", "end", "pieces", "shapes")
        return cls(
            bounds=all_bounds("bounds"),
            first_piece=all_bounds("first_piece"),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in plain},
        )

    @classmethod
    def without_words(cls, sentences: int) -> EncodedSentences:
        """So many sentences, none of which can be read."""
        none = np.zeros(0, np.int64)
        zeros = np.zeros(sentences + 1, np.int64)
        return cls(
            bounds=zeros, begin=none, end=none, first_piece=zeros[:1], pieces=none, shapes=none
        )

    @property
    def counts(self) -> np.ndarray:
        """How many pieces each sentence has, (sentences,)."""
        return np.diff(self.first_piece[self.bounds])

    @cached_property
    def filled_before(self) -> np.ndarray:
        """How many sentences that have words stand before that of each word, (words,).

        Neighbours in a window have numbers that follow each other.
        """
        words = np.diff(self.bounds)
        return np.repeat(np.cumsum(words > 0) - 1, words)

    @cached_property
    def word_at(self) -> np.ndarray:
        """The word of each piece, (pieces,)."""
        return np.repeat(np.arange(len(self.begin)), np.diff(self.first_piece))


class Windows(NamedTuple):
    """What the model reads at once: runs of words, each array (windows,).

    Attributes:
        begin: first word.
        end: one past the last word.
        first: first sentence.
        last: last sentence; another one than the first in a window of several sentences.
        continues_before: whether the sentence goes on before the window.
        continues_after: whether the sentence goes on after the window.
    """

    begin: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    continues_before: np.ndarray
    continues_after: np.ndarray

    def take(self, chosen: np.ndarray | slice) -> Windows:
        """Some of the windows."""
        return Windows(*(column[chosen] for column in self))

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.begin)


def sentence_windows(
    encoded: EncodedSentences, size: int, overlap: int, sentences: np.ndarray | None = None
) -> tuple[Windows, np.ndarray]:
    """The windows of sentences that are read by themselves.

    Args:
        encoded: the sentences.
        size: most pieces of a window; a longer sentence is cut on word borders.
        overlap: pieces that neighbouring windows of a sentence share, as in `cut_windows`.
        sentences: which ones; all of them by default.

    Returns:
        The windows, sentence after sentence; and how many each of the sentences has: none if it
        has no word.
    """
    chosen = np.arange(len(encoded.bounds) - 1) if sentences is None else sentences
    begin, end = encoded.bounds[chosen], encoded.bounds[chosen + 1]
    counts = (end > begin).astype(np.int64)
    before = after = np.zeros(len(chosen), bool)
    pieces = encoded.first_piece[end] - encoded.first_piece[begin]
    long = np.flatnonzero(pieces > size)
    if len(long):
        cut = [
            np.array(cut_windows(np.diff(encoded.first_piece[b : e + 1]).tolist(), size, overlap))
            for b, e in zip(begin[long].tolist(), end[long].tolist(), strict=True)
        ]
        counts[long] = [len(parts) for parts in cut]
        places = ranges((np.cumsum(counts) - counts)[long], counts[long])
        ends = np.repeat(end, counts)
        begins = np.repeat(begin, counts)
        spans = np.concatenate(cut) + begins[places, None]
        before, after = np.zeros((2, len(begins)), bool)
        before[places], after[places] = spans[:, 0] > begins[places], spans[:, 1] < ends[places]
        begins[places], ends[places] = spans.T
        begin, end, of = begins, ends, np.repeat(chosen, counts)
        return Windows(begin, end, of, of, before, after), counts
    is_filled = counts > 0
    of = chosen[is_filled]
    none = before[is_filled]
    return Windows(begin[is_filled], end[is_filled], of, of, none, none), counts
