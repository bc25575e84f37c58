"""Accepted cells of the tables, as words of the texts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pfn_kg.pfn.inference.decoding import Cells, Decoded
from pfn_kg.pfn.inference.encoded_texts import EncodedSentences, Windows


class WordCells(NamedTuple):
    """Accepted cells, each column (cells,).

    Attributes:
        first: the word that the row stands for, counted over all sentences.
        second: the word that the column stands for.
        label: entity type or relation.
        score: probability, float32.
    """

    first: np.ndarray
    second: np.ndarray
    label: np.ndarray
    score: np.ndarray

    @classmethod
    def concatenated(cls, parts: list[WordCells]) -> WordCells:
        """The cells of several in one."""
        none = np.zeros(0, np.int64)
        empty = cls(none, none, none, np.zeros(0, np.float32))
        return cls(*map(np.concatenate, zip(empty, *parts, strict=True)))

    def best(self, words: int, labels: int) -> WordCells:
        """Each cell once, with its best score; sorted by (first, second, label).

        Windows that overlap say something of the same words.

        Args:
            words: how many words there are.
            labels: how many labels there are.
        """
        # One integer a cell is sorted several times as fast as three. Words of one window lie
        # within a few hundred of each other.
        reach = int(np.abs(self.second - self.first).max(initial=0))
        if words * (2 * reach + 1) * labels < 1 << 62:
            key = (self.first * (2 * reach + 1) + self.second - self.first + reach) * labels
            key += self.label
            order = np.argsort(key)
            key = key[order]
            is_new = np.ones(len(key), bool)
            np.not_equal(key[1:], key[:-1], out=is_new[1:])
        else:
            order = np.lexsort((self.label, self.second, self.first))
            columns = [column[order] for column in self[:3]]
            is_new = np.ones(len(order), bool)
            is_new[1:] = np.any([c[1:] != c[:-1] for c in columns], axis=0)
        starts = np.flatnonzero(is_new)
        score = self.score[order]
        if len(starts) < len(order):
            score = np.maximum.reduceat(score, starts)
            order = order[starts]
        return WordCells(self.first[order], self.second[order], self.label[order], score)

    def take(self, chosen: np.ndarray) -> WordCells:
        """Some of the cells."""
        return WordCells(*(column[chosen] for column in self))


class DecodedWords(NamedTuple):
    """What `Decoded` says of a batch, as words.

    Attributes:
        entities: first and last word of spans.
        triples: first words of subject and object.
        tails: last words of subject and object, if the model has a tail table.
    """

    entities: WordCells
    triples: WordCells
    tails: WordCells | None


def word_cells(
    decoded: Decoded,
    encoded: EncodedSentences,
    windows: Windows,
    *,
    special_before: int,
    word_positions: bool,
) -> DecodedWords:
    """The words of the accepted cells of a batch.

    Cells are left out whose row or column is no word's: where positions are pieces, a special
    piece or one inside a word. So are spans at the edge of a window that their sentence goes on
    behind: the neighbouring window sees them whole.

    Args:
        decoded: from `decode`.
        encoded: the sentences.
        windows: those of the batch.
        special_before: how many special pieces stand before the words.
        word_positions: whether rows are words, and not pieces.
    """

    def words(window: np.ndarray, row: np.ndarray) -> np.ndarray:
        begin = windows.begin[window]
        if word_positions:
            return begin + row
        end = windows.end[window]
        piece = encoded.first_piece[begin] + row - special_before
        inside = (row >= special_before) & (piece < encoded.first_piece[end])
        word = encoded.word_at[np.where(inside, piece, 0)]
        return np.where(inside & (encoded.first_piece[word] == piece), word, -1)

    def of_table(cells: Cells, is_span: bool = False) -> WordCells:
        window, row, column, label = cells.places.numpy().T
        found = WordCells(words(window, row), words(window, column), label, cells.scores.numpy())
        is_word = (found.first >= 0) & (found.second >= 0)
        if is_span:
            before, after = windows.continues_before[window], windows.continues_after[window]
            is_word &= ~(before & (found.first == windows.begin[window]))
            is_word &= ~(after & (found.second == windows.end[window] - 1))
        return found if is_word.all() else found.take(is_word)

    return DecodedWords(
        of_table(decoded.entities, is_span=True),
        of_table(decoded.triples),
        None if decoded.tails is None else of_table(decoded.tails),
    )
