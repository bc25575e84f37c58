"""From text to the tensors that the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pfn.inference.windows import cut_windows
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.word_shape import word_shape

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
        first = (
            tokenizer.cls_token_id
            if tokenizer.cls_token_id is not None
            else (tokenizer.bos_token_id)
        )
        last = (
            tokenizer.sep_token_id
            if tokenizer.sep_token_id is not None
            else (tokenizer.eos_token_id)
        )
        self._prefix = [] if first is None else [first]
        self._suffix = [] if last is None else [last]
        self._pad = tokenizer.pad_token_id or 0
        limit = getattr(config.encoder, "max_position_embeddings", None) or config.window_pieces
        # RoBERTa and its kin lose the positions up to the padding's.
        padding = getattr(config.encoder, "pad_token_id", None) or 0
        #: Most pieces of a window, special ones included.
        self.longest = limit - padding - 1
        limit = self.longest - self.special_pieces
        self._window = max(1, min(config.window_pieces, limit))
        self._overlap = min(config.window_overlap, self._window // 2)

    @property
    def special_pieces(self) -> int:
        """How many pieces of a window are no word's."""
        return len(self._prefix) + len(self._suffix)

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
        if words is None:
            words = [segment(text, self.config.segmentation) for text in texts]
        spelt = [[t[b:e] for b, e in spans] for t, spans in zip(texts, words, strict=True)]
        filled = [i for i, pieces in enumerate(spelt) if pieces]
        windows: list[list[Window]] = [[] for _ in texts]
        if not filled:
            return windows
        encodings = self.tokenizer(
            [spelt[i] for i in filled],
            is_split_into_words=True,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        for number, index in enumerate(filled):
            of_word: dict[int, list[int]] = {}
            for word, piece in zip(
                encodings.word_ids(number), encodings["input_ids"][number], strict=True
            ):
                of_word.setdefault(word, []).append(piece)
            windows[index] = self._windows(words[index], spelt[index], of_word)
        return windows

    def _windows(
        self, words: list[tuple[int, int]], spelt: list[str], of_word: dict[int, list[int]]
    ) -> list[Window]:
        kept = list(of_word)
        pieces = [of_word[w][: min(WORD_PIECES, self._window)] for w in kept]
        windows = []
        for begin, end in cut_windows([len(p) for p in pieces], self._window, self._overlap):
            ids, firsts, shapes = [*self._prefix], [], [0] * len(self._prefix)
            for place in range(begin, end):
                firsts.append(len(ids))
                ids += pieces[place]
                shapes += [word_shape(spelt[kept[place]])] * len(pieces[place])
            windows.append(
                Window(
                    [words[w] for w in kept[begin:end]],
                    ids + self._suffix,
                    firsts,
                    shapes + [0] * len(self._suffix),
                    begin > 0,
                    end < len(kept),
                )
            )
        return windows

    def join(self, sentences: Sequence[Window], begins: Sequence[int]) -> Window:
        """One window of whole sentences that stand one after the other.

        Args:
            sentences: each in a window of its own.
            begins: where each sentence begins in the text that they share.

        Returns:
            The window; the offsets of its words are those of the text.
        """
        before, after = len(self._prefix), len(self._suffix)
        joined = Window([], [*self._prefix], [], [0] * before, False, False, [])
        for number, (sentence, begin) in enumerate(zip(sentences, begins, strict=True)):
            shift = len(joined.pieces) - before
            joined.words.extend((b + begin, e + begin) for b, e in sentence.words)
            joined.first_pieces.extend(piece + shift for piece in sentence.first_pieces)
            end = len(sentence.pieces) - after
            joined.pieces.extend(sentence.pieces[before:end])
            joined.shapes.extend(sentence.shapes[before:end])
            if joined.sentences is not None:
                joined.sentences.extend([number] * len(sentence.words))
        joined.pieces.extend(self._suffix)
        joined.shapes.extend([0] * after)
        return joined if len(sentences) > 1 else joined._replace(sentences=None)

    def crop(self, window: Window, begin: int, end: int) -> Window:
        """The part of a window of one sentence that holds words `begin` to `end`, as a text."""
        before, after = len(self._prefix), len(self._suffix)
        pieces = len(window.pieces) - after
        first = window.first_pieces[begin]
        last = window.first_pieces[end] if end < len(window.words) else pieces
        return Window(
            window.words[begin:end],
            [*self._prefix, *window.pieces[first:last], *self._suffix],
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
        ends = [*window.first_pieces[1:], len(window.pieces) - len(self._suffix)]
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
        longest = max(len(w.pieces) for w in windows)
        ids = [w.pieces + [self._pad] * (longest - len(w.pieces)) for w in windows]
        mask = [[1] * len(w.pieces) + [0] * (longest - len(w.pieces)) for w in windows]
        if self.config.positions == "words":
            positions = [w.first_pieces for w in windows]
        else:
            positions = [list(range(len(w.pieces))) for w in windows]
        length = max(map(len, positions))
        batch = {
            "input_ids": torch.tensor(ids),
            "attention_mask": torch.tensor(mask),
            "position_index": torch.tensor([p + [0] * (length - len(p)) for p in positions]),
            "position_mask": torch.tensor(
                [[True] * len(p) + [False] * (length - len(p)) for p in positions]
            ),
        }
        if any(w.sentences for w in windows):
            batch["sentence_ids"] = torch.tensor(
                [_of_positions(w, p, length) for w, p in zip(windows, positions, strict=True)]
            )
        if self.config.word_shapes:
            batch["shape_ids"] = torch.tensor(
                [w.shapes + [0] * (longest - len(w.shapes)) for w in windows]
            )
        if device is None:
            return batch
        return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def _of_positions(window: Window, positions: list[int], length: int) -> list[int]:
    """The sentence of each position, 0 at padding; a special token is of the nearest sentence."""
    if window.sentences is None:
        return [0] * length
    numbers = window.sentences
    if len(positions) != len(window.words):
        words = [0] * len(positions)
        for first in window.first_pieces[1:]:
            words[first] = 1
        numbers = [window.sentences[word] for word in accumulate(words)]
    return numbers + [0] * (length - len(numbers))
