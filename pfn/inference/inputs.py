"""From text to the tensors that the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pfn_kg.pfn.inference.batches import FlatWindows, SpecialPieces, batch_tensors
from pfn_kg.pfn.inference.encoded_texts import EncodedSentences, Windows, sentence_windows
from pfn_kg.pfn.inference.ranges import bounds_of
from pfn_kg.pfn.inference.word_pieces import WordPieces
from pfn_kg.pfn.model.configuration import PFNConfig

# No name has more pieces; what has, is an address or a broken file.
WORD_PIECES = 64


class Window(NamedTuple):
    """What the model reads at once: a sentence, a part of a long one, or several in a row.

    Attributes:
        words: (begin, end) of each word in the text; words without a piece are left out.
        pieces: ids of the word pieces, special tokens included.
        first_pieces: index into `pieces` of each word's first piece.
        shapes: word shape of each piece.
        continues_before: whether the sentence goes on before the window.
        continues_after: whether the sentence goes on after the window.
        sentences: of each word which of the window's sentences it is part of, from 0; None
            where there is one.
    """

    words: list[tuple[int, int]]
    pieces: list[int]
    first_pieces: list[int]
    shapes: list[int]
    continues_before: bool
    continues_after: bool
    sentences: list[int] | None = None


class InputEncoder:
    """Turns texts into windows and windows into batches.

    Args:
        tokenizer: the encoder's tokenizer, a fast one.
        config: of the model.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: PFNConfig):
        self.tokenizer = tokenizer
        self.config = config
        self._special = special_pieces(tokenizer)
        limit = getattr(config.encoder, "max_position_embeddings", None) or config.window_pieces
        # RoBERTa and its kin lose the positions up to the padding's.
        padding = getattr(config.encoder, "pad_token_id", None) or 0
        #: Most pieces of a window, special ones included.
        self.longest = limit - padding - 1
        limit = self.longest - self.special_pieces
        self._window = max(1, min(config.window_pieces, limit))
        self._overlap = min(config.window_overlap, self._window // 2)
        self._word_pieces = WordPieces(tokenizer, min(WORD_PIECES, self._window))

    @property
    def special(self) -> SpecialPieces:
        """What stands around the words of a window."""
        return self._special

    @property
    def special_pieces(self) -> int:
        """How many pieces of a window are no word's."""
        return len(self._special.before) + len(self._special.after)

    @property
    def special_before(self) -> int:
        """How many of them stand before the words."""
        return len(self._special.before)

    def encode(
        self, texts: Sequence[str], words: Sequence[list[tuple[int, int]]] | None = None
    ) -> list[list[Window]]:
        """Splits texts into words and word pieces.

        Args:
            texts: any texts.
            words: (begin, end) of the words of each text; the configuration's segmentation
                by default.

        Returns:
            The windows of each text, in order: one, more if it is long, none if no word of
            it has a piece.
        """
        encoded = self.encode_sentences(texts, words)
        cut, counts = self.cut(encoded)
        first_piece = encoded.first_piece
        spans = list(zip(encoded.begin.tolist(), encoded.end.tolist(), strict=True))
        pieces, shapes = encoded.pieces.tolist(), encoded.shapes.tolist()
        before, after = list(self._special.before), list(self._special.after)
        windows = []
        for begin, end, _, _, goes_before, goes_after in zip(
            *(column.tolist() for column in cut), strict=True
        ):
            first, last = int(first_piece[begin]), int(first_piece[end])
            windows.append(
                Window(
                    spans[begin:end],
                    [*before, *pieces[first:last], *after],
                    (first_piece[begin:end] - (first - len(before))).tolist(),
                    [0] * len(before) + shapes[first:last] + [0] * len(after),
                    goes_before,
                    goes_after,
                )
            )
        bounds = bounds_of(counts).tolist()
        return [windows[b:e] for b, e in pairwise(bounds)]

    def encode_sentences(
        self, texts: Sequence[str], words: Sequence[list[tuple[int, int]]] | None = None
    ) -> EncodedSentences:
        """As `encode`, in flat arrays and not yet cut into windows."""
        return EncodedSentences.of(texts, self._word_pieces, self.config.segmentation, words)

    def cut(
        self, encoded: EncodedSentences, sentences: np.ndarray | None = None
    ) -> tuple[Windows, np.ndarray]:
        """The windows of sentences that are read by themselves; as `sentence_windows`."""
        return sentence_windows(encoded, self._window, self._overlap, sentences)

    def join(self, sentences: Sequence[Window], begins: Sequence[int]) -> Window:
        """One window of whole sentences that stand one after the other.

        Args:
            sentences: each in a window of its own.
            begins: where each sentence begins in the text that they share.

        Returns:
            The window; the offsets of its words are those of the text.
        """
        before, after = len(self._special.before), len(self._special.after)
        joined = Window([], [*self._special.before], [], [0] * before, False, False, [])
        for number, (sentence, begin) in enumerate(zip(sentences, begins, strict=True)):
            shift = len(joined.pieces) - before
            joined.words.extend((b + begin, e + begin) for b, e in sentence.words)
            joined.first_pieces.extend(piece + shift for piece in sentence.first_pieces)
            end = len(sentence.pieces) - after
            joined.pieces.extend(sentence.pieces[before:end])
            joined.shapes.extend(sentence.shapes[before:end])
            if joined.sentences is not None:
                joined.sentences.extend([number] * len(sentence.words))
        joined.pieces.extend(self._special.after)
        joined.shapes.extend([0] * after)
        return joined if len(sentences) > 1 else joined._replace(sentences=None)

    def crop(self, window: Window, begin: int, end: int) -> Window:
        """The part of a window of one sentence that holds words `begin` to `end`, as a text."""
        before, after = len(self._special.before), len(self._special.after)
        pieces = len(window.pieces) - after
        first = window.first_pieces[begin]
        last = window.first_pieces[end] if end < len(window.words) else pieces
        return Window(
            window.words[begin:end],
            [*self._special.before, *window.pieces[first:last], *self._special.after],
            [piece - first + before for piece in window.first_pieces[begin:end]],
            [0] * before + window.shapes[first:last] + [0] * after,
            False,
            False,
        )

    def hide_words(self, window: Window, rate: float) -> Window:
        """A window some of whose words the encoder can't read: word dropout (Iyyer et al., 2015).

        Their pieces are the tokenizer's mask token; where they stand and their shapes stay.

        Args:
            window: any window.
            rate: which part of the words is hidden, drawn by torch's generator.
        """
        ends = [*window.first_pieces[1:], len(window.pieces) - len(self._special.after)]
        pieces = list(window.pieces)
        for word in (torch.rand(len(ends)) < rate).nonzero().flatten().tolist():
            for place in range(window.first_pieces[word], ends[word]):
                pieces[place] = self.tokenizer.mask_token_id
        return window._replace(pieces=pieces)

    def rows(self, window: Window) -> list[int]:
        """The row (and column) of the tables that stands for each word of a window."""
        if self.config.positions == "words":
            return list(range(len(window.words)))
        return window.first_pieces

    def collate(self, windows: Sequence[Window], device: Any = None) -> dict[str, Tensor]:
        """Pads windows on the right to one batch, as `PFNModel.project` takes it.

        Args:
            windows: at least one.
            device: where the tensors go.
        """
        before, special = len(self._special.before), self.special_pieces
        piece_counts = np.array([len(w.pieces) for w in windows]) - special
        word_counts = np.array([len(w.words) for w in windows])
        first_piece = np.cumsum(piece_counts) - piece_counts

        def inner(of_windows: list[list[int]]) -> np.ndarray:
            parts = (
                part[before : before + n]
                for part, n in zip(of_windows, piece_counts.tolist(), strict=True)
            )
            return np.fromiter(chain.from_iterable(parts), np.int64, int(piece_counts.sum()))

        words = np.fromiter(
            chain.from_iterable(w.first_pieces for w in windows), np.int64, int(word_counts.sum())
        )
        words += np.repeat(first_piece - before, word_counts)
        numbers = chain.from_iterable(w.sentences or [0] * len(w.words) for w in windows)
        return self._tensors(
            FlatWindows(
                inner([w.pieces for w in windows]),
                inner([w.shapes for w in windows]),
                words,
                np.fromiter(numbers, np.int64, len(words)),
                np.cumsum(word_counts) - word_counts,
                word_counts,
                first_piece,
                piece_counts,
                any(w.sentences for w in windows),
            ),
            device,
        )

    def batch(
        self,
        encoded: EncodedSentences,
        windows: Windows,
        device: Any = None,
        *,
        counted: bool = False,
    ) -> dict[str, Any]:
        """As `collate`, for windows of encoded sentences.

        Args:
            encoded: the sentences.
            windows: some of theirs, at least one.
            device: where the tensors go.
            counted: as in `batch_tensors`.
        """
        first_piece = encoded.first_piece[windows.begin]
        return self._tensors(
            FlatWindows(
                encoded.pieces,
                encoded.shapes,
                encoded.first_piece,
                encoded.filled_before,
                windows.begin,
                windows.end - windows.begin,
                first_piece,
                encoded.first_piece[windows.end] - first_piece,
                bool((windows.first != windows.last).any()),
            ),
            device,
            counted,
        )

    def _tensors(self, windows: FlatWindows, device: Any, counted: bool = False) -> dict[str, Any]:
        return batch_tensors(
            windows,
            self._special,
            word_positions=self.config.positions == "words",
            word_shapes=self.config.word_shapes,
            device=device,
            counted=counted,
            max_span=self.config.max_span,
        )


def special_pieces(tokenizer: PreTrainedTokenizerBase) -> SpecialPieces:
    """The pieces that a tokenizer puts around a text."""
    first = tokenizer.cls_token_id
    if first is None:
        first = tokenizer.bos_token_id
    last = tokenizer.sep_token_id
    if last is None:
        last = tokenizer.eos_token_id
    return SpecialPieces(
        () if first is None else (first,),
        () if last is None else (last,),
        tokenizer.pad_token_id or 0,
    )
