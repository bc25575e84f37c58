"""The pieces of words, kept from one text to the next.

A tokenizer that gets a text as words reads each of them by itself, so a word has the same pieces
wherever it stands, and most words of a text have been seen before. Where a tokenizer does look at
the neighbours, each text is read anew.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from pfn_kg.pfn.inference.ranges import ranges
from pfn_kg.pfn.model.word_shape import word_shape

#: Characters and pieces of the words that are kept; a word takes some twenty of them. With more,
#: all are forgotten.
KEPT = 1 << 22
# What a word takes beside its characters and pieces.
_WORD = 8
# Words that the tokenizer gets as one text, so that it has several to read side by side.
_RUN = 512
_PROBE = ["London", "was", "playing", "1990", "-", "Zürich", "東", "don", "t", "The", "the", "’"]


class PiecesOfWords(NamedTuple):
    """The pieces of a sequence of words.

    Attributes:
        counts: how many pieces each word has, (words,); 0 where a tokenizer makes nothing of it.
        pieces: ids of the pieces, word after word, (pieces,).
        shapes: the shape of each word, as in `word_shape`, (words,).
    """

    counts: np.ndarray
    pieces: np.ndarray
    shapes: np.ndarray


class WordPieces:
    """Looks up the pieces of words; may be called from several threads, which take turns.

    Args:
        tokenizer: the encoder's tokenizer, a fast one.
        most: pieces of a word at most; further ones are cut off.
        kept: see `KEPT`.
    """

    _known: _Known

    def __init__(self, tokenizer: PreTrainedTokenizerBase, most: int, kept: int = KEPT):
        self._tokenizer = tokenizer
        self._most = most
        self._kept = kept
        self._lock = threading.Lock()
        self._forget()

    @cached_property
    def by_word(self) -> bool:
        """Whether a word has the same pieces wherever it stands."""
        together, alone = self._tokenise([_PROBE]), self._tokenise([[word] for word in _PROBE])
        return all(np.array_equal(t, a) for t, a in zip(together, alone, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def of(self, words: Sequence[str], bounds: Sequence[int] | np.ndarray) -> PiecesOfWords:
        """The pieces of the words of texts.

        Args:
            words: those of all texts, one text after the other.
            bounds: where the words of each text begin, and where the last ones end.
        """
        if not self.by_word:
            texts = [words[b:e] for b, e in pairwise(bounds)]
            found = self._tokenise(texts)
            shapes = np.fromiter(map(word_shape, words), np.int64, len(words))
            return PiecesOfWords(*found, shapes)
        with self._lock:
            numbers = self._numbers_of(words)
            known = self._known
            counts = known.counts[numbers]
            pieces = known.pieces[ranges(known.begins[numbers], counts)]
            return PiecesOfWords(counts, pieces, known.shapes[numbers])

    def _numbers_of(self, words: Sequence[str]) -> np.ndarray:
        if self._size > self._kept:
            self._forget()
        numbers, known = self._numbers, len(self._known.counts)
        found = np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))
        if len(numbers) > known:
            try:
                self._learn(numbers.new)
            except BaseException:
                # Words without pieces would be found next time.
                for word in numbers.new:
                    del numbers[word]
                raise
            finally:
                numbers.new = []
        return found

    def _learn(self, words: list[str]) -> None:
        runs = [words[begin : begin + _RUN] for begin in range(0, len(words), _RUN)]
        counts, pieces = self._tokenise(runs)
        self._size += sum(map(len, words)) + len(pieces) + _WORD * len(words)
        new = _Known(
            len(self._known.pieces) + np.cumsum(counts) - counts,
            counts,
            np.fromiter(map(word_shape, words), np.int64, len(words)),
            pieces,
        )
        self._known = _Known(*map(np.concatenate, zip(self._known, new, strict=True)))

    def _forget(self) -> None:
        self._numbers = _Numbers()
        self._size = 0
        none = np.zeros(0, np.int64)
        self._known = _Known(none, none, none, none)

    def _tokenise(self, texts: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        """The number of pieces of each word of some texts, and the pieces, as far as they count."""
        filled = [list(text) for text in texts if len(text)]
        lengths = np.fromiter(map(len, filled), np.int64, len(filled))
        if not filled:
            return lengths, lengths
        encodings = self._tokenizer(
            filled,
            is_split_into_words=True,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        read = encodings["input_ids"]
        pieces = np.concatenate([np.array(of_text, np.int64) for of_text in read])
        words = np.concatenate(
            [np.array(encodings.word_ids(i), np.int64) for i in range(len(read))]
        )
        words += np.repeat(np.cumsum(lengths) - lengths, [len(of_text) for of_text in read])
        counts = np.bincount(words, minlength=int(lengths.sum()))
        if counts.max(initial=0) > self._most:
            number = np.arange(len(words)) - (np.cumsum(counts) - counts)[words]
            pieces = pieces[number < self._most]
            counts = np.minimum(counts, self._most)
        return counts, pieces


class _Known(NamedTuple):
    """Words by their numbers: where their pieces begin, how many they are, and their shapes.

    `pieces` has those of all words.
    """

    begins: np.ndarray
    counts: np.ndarray
    shapes: np.ndarray
    pieces: np.ndarray


class _Numbers(dict[str, int]):
    """Numbers words in the order in which they are met."""

    def __init__(self) -> None:
        super().__init__()
        #: Words that were numbered since the list was emptied.
        self.new: list[str] = []

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        self.new.append(word)
        return number
