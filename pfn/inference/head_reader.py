"""Reading: windows of sentences in batches through the model, to mentions and head triples."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from pfn_kg.pfn.inference.accepted_cells import DecodedWords, word_cells
from pfn_kg.pfn.inference.awaited_counts import Awaiting
from pfn_kg.pfn.inference.decoding import Decoded, decode, decoding
from pfn_kg.pfn.inference.encoded_texts import EncodedSentences, Windows
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.parallel_batches import (
    copy_to_cpu,
    in_stream_of_caller,
    read_batches,
    read_in_line,
)
from pfn_kg.pfn.inference.ranges import bounds_of, ranges
from pfn_kg.pfn.inference.reading_time import ReadingTime
from pfn_kg.pfn.inference.text_words import TextWords, head_columns
from pfn_kg.pfn.inference.windows import join_sentences
from pfn_kg.pfn.model import devices
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.schemas.records import Sentence

#: Characters of a mention at most. Full names of law cases and of papers are shorter.
MENTION_CHARACTERS = 400

_NONE = np.zeros(0, np.int64)


class HeadReader:
    """Reads texts sentence by sentence, or windows of several sentences.

    Args:
        model: in evaluation mode.
        inputs: the encoder of its inputs.
        entity_floor: least score of a mention.
        relation_floor: least score of a head triple.
        token_budget: most pieces in one batch, padding included.
        window_tokens: pieces of a window of sentences; 0 reads each sentence by itself.
        timing: is told how long reading took; None if nobody asks.
    """

    def __init__(
        self,
        model: PFNModel,
        inputs: InputEncoder,
        *,
        entity_floor: float,
        relation_floor: float,
        token_budget: int,
        window_tokens: int = 0,
        timing: ReadingTime | None = None,
    ):
        self._timing = timing or ReadingTime()
        self._model = model
        self._ahead = devices.runs_ahead(model.device)
        self._inputs = inputs
        self._budget = token_budget
        self._floors = (entity_floor, relation_floor)
        self._window_tokens = min(window_tokens, inputs.longest)
        self._decoded: list[DecodedWords] = []
        #: First sentences of the windows that were read.
        self._read: list[np.ndarray] = []
        #: Of each sentence that could not be read, counted over all texts, why.
        self._errors: dict[int, Exception] = {}

    def read(self, texts: Sequence[str], sentences: Sequence[Sequence[Sentence]]) -> HeadColumns:
        """Reads texts.

        Windows are sorted by length and cut into batches of `count x longest <= budget`. A
        batch that fails is halved, down to one window; that is read again sentence by sentence,
        down to the one sentence that can't be read. If a GPU is lost, no sentence is to blame, and
        what PyTorch says is raised.

        Args:
            texts: any texts.
            sentences: those of each text, in order, none overlapping another.

        Returns:
            What the model says of each text, offsets those of the text.
        """
        spelt = [
            text[begin:end]
            for text, of_text in zip(texts, sentences, strict=True)
            for _, begin, end in of_text
        ]
        #: Where each text's sentences begin among all, and where the last ones end.
        self._of_texts = bounds_of(np.fromiter(map(len, sentences), np.int64, len(texts)))
        #: Where each sentence begins in its text.
        self._begins = np.fromiter((s[1] for of in sentences for s in of), np.int64, len(spelt))
        self._encoded = self._encode(spelt, 0)
        alone, counts = self._inputs.cut(self._encoded)
        windows = self._joined(alone, counts) if self._window_tokens else alone
        first_piece = self._encoded.first_piece
        lengths = first_piece[windows.end] - first_piece[windows.begin]
        # Ties by place: the same texts make the same batches.
        windows = windows.take(np.argsort(-lengths, kind="stable"))
        lengths = -np.sort(-lengths) + self._inputs.special_pieces
        batches, sizes, begin = [], [], 0
        while begin < windows.size:
            size = max(1, self._budget // int(lengths[begin]))
            batches.append(windows.take(slice(begin, begin + size)))
            sizes.append(batches[-1].size * int(lengths[begin]))
            begin += size
        self._timing.batch_pieces += sizes
        started = time.monotonic()
        if self._ahead:
            read_in_line(
                in_stream_of_caller(self._prepare, self._model.device),
                self._start,
                copy_to_cpu,
                self._finish,
                self._read_batch,
                batches,
            )
        else:
            read_batches(self._read_batch, batches, self._model.device, pieces=sum(sizes))
        self._timing.model_seconds += time.monotonic() - started
        return self._columns(counts)

    def _encode(self, sentences: list[str], first: int) -> EncodedSentences:
        """Encodes sentences; those that fail have no words, and an error."""
        try:
            return self._inputs.encode_sentences(sentences)
        except Exception as error:
            if len(sentences) == 1:
                self._errors[first] = error
                return EncodedSentences.without_words(1)
            middle = len(sentences) // 2
            parts = (sentences[:middle], first), (sentences[middle:], first + middle)
            return EncodedSentences.concatenated([self._encode(*part) for part in parts])

    def _joined(self, alone: Windows, counts: np.ndarray) -> Windows:
        """The windows of several sentences, and those of sentences that stand alone.

        Args:
            alone: the windows of each sentence by itself.
            counts: how many each sentence has.
        """
        encoded = self._encoded
        # A sentence without a word is passed over: its neighbours are neighbours.
        filled = np.flatnonzero(counts)
        first_window = (np.cumsum(counts) - counts)[filled]
        pieces = (encoded.counts[filled] + self._inputs.special_pieces).tolist()
        lengths: list[int | None] = pieces
        for place in np.flatnonzero(counts[filled] > 1).tolist():
            lengths[place] = None
        shared = self._model.config.shared_sentences
        bounds = np.searchsorted(filled, self._of_texts).tolist()
        spans = [
            (first + begin, first + end)
            for first, last in pairwise(bounds)
            for begin, end in join_sentences(lengths[first:last], self._window_tokens, shared)
        ]
        begin, end = np.array(spans, np.int64).reshape(-1, 2).T
        # A window for each span, or so many as a long sentence has.
        repeats = np.where(end - begin == 1, counts[filled[begin]], 1)
        chosen = ranges(first_window[begin], repeats)
        last = np.repeat(filled[end - 1], repeats)
        windows = alone.take(chosen)
        several = windows.first != last
        return windows._replace(
            last=last, end=np.where(several, encoded.bounds[last + 1], windows.end)
        )

    def _prepare(self, windows: Windows) -> dict[str, Any]:
        return self._inputs.batch(self._encoded, windows, self._model.device, counted=self._ahead)

    def _run(self, batch: dict[str, Any]) -> Decoded:
        entity, relation = self._floors
        return decode(self._model, batch, entity_floor=entity, relation_floor=relation)

    def _start(self, batch: dict[str, Any]) -> Awaiting[Decoded]:
        entity, relation = self._floors
        return decoding(self._model, batch, entity_floor=entity, relation_floor=relation)

    def _finish(self, windows: Windows, decoded: Decoded) -> None:
        found = word_cells(
            decoded,
            self._encoded,
            windows,
            special_before=self._inputs.special_before,
            word_positions=self._model.config.positions == "words",
        )
        self._decoded.append(found)
        self._read.append(windows.first)

    def _read_batch(self, windows: Windows) -> None:
        try:
            self._finish(windows, self._run(self._prepare(windows)))
        except Exception as error:
            # Its frames have the tensors of the whole batch, and a half needs their memory.
            traceback.clear_frames(error.__traceback__)
            if self._model.device.type == "cuda":
                # Raises if the GPU is lost. Its memory is kept: other processes might take it.
                torch.cuda.synchronize(self._model.device)
            if windows.size > 1:
                middle = windows.size // 2
                self._read_batch(windows.take(slice(middle)))
                self._read_batch(windows.take(slice(middle, None)))
                return
            first, last = int(windows.first[0]), int(windows.last[0])
            if first == last:
                self._errors.setdefault(first, error)
                return
            alone, _ = self._inputs.cut(self._encoded, np.arange(first, last + 1))
            for number in range(alone.size):
                self._read_batch(alone.take(slice(number, number + 1)))

    def _columns(self, window_counts: np.ndarray) -> HeadColumns:
        """What was read of all texts.

        Args:
            window_counts: how many windows each sentence has by itself.
        """
        texts = len(self._of_texts) - 1
        errors: dict[int, dict[int, Exception]] = {}
        for sentence, error in self._errors.items():
            text = int(self._text_of(sentence))
            errors.setdefault(text, {})[sentence - int(self._of_texts[text])] = error

        def by_text(of_sentences: np.ndarray) -> np.ndarray:
            return np.bincount(self._text_of(of_sentences), minlength=texts)

        config = self._model.config
        words = TextWords.of(self._encoded, self._begins, self._of_texts)
        return head_columns(
            self._decoded,
            words,
            entity_types=config.entity_types,
            relation_types=config.relation_types,
            flat=config.flat_entities,
            has_tails=self._model.re_tail is not None,
            most_characters=MENTION_CHARACTERS,
        )._replace(
            windows=np.maximum(by_text(np.concatenate([_NONE, *self._read])), 1),
            cut_sentences=by_text(np.flatnonzero(window_counts > 1)),
            errors=errors,
        )

    def _text_of(self, sentences: Any) -> Any:
        """The text of sentences, counted over all texts."""
        return np.searchsorted(self._of_texts, sentences, "right") - 1
