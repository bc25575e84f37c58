"""Training on windows of consecutive sentences: their gold cells, and the batches.

In a window a gold triple is every ordered pair of mentions whose entities a fact of the
document relates, in one sentence or in two. Windows are cut anew each epoch, from single
sentences up to the longest window, so that the model reads texts of any length.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from pfn_kg.pfn.evaluation.gold_spans import entity_spans, gold_sentence
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.windows import join_sentences
from pfn_kg.pfn.readers.records import Annotated, Reading
from pfn_kg.pfn.training.gold_cells import (
    GoldCells,
    Targets,
    TargetsAcross,
    gold_cells,
    placed_spans,
)
from pfn_kg.pfn.training.mention_replacement import MentionReplacement
from pfn_kg.pfn.training.partial_annotation import by_annotation, restrict
from pfn_kg.pfn.training.unrelated_parts import unrelated_parts

# Of the documents in an epoch: so many are read a sentence at a time, so many as if a splitter
# had missed the ends of sentences, so many in windows as long as they get; the others in windows
# of a length that is drawn.
_SINGLE = 0.15
_MERGED = 0.15
_FULL = 0.4
# Of sentences that are read alone so many are cut to a mention with a few words around, as in
# titles, lists and cells of tables.
_FRAGMENTS = 0.15
_AROUND = 4
# From here on a target says that there is an entity.
_LIKELY = 0.5
# The shortest window that is drawn, as a part of the longest.
_SHORTEST = 0.2


class DocumentCells(NamedTuple):
    """A document with the targets of its tables.

    Attributes:
        sentences: of each sentence that has words the cells of its windows; more than one if
            it is long.
        across: targets of pairs of heads in different sentences.
        tails_across: the same of last words.
    """

    sentences: list[list[GoldCells]]
    across: TargetsAcross
    tails_across: TargetsAcross

    def lengths(self) -> list[int | None]:
        """Pieces of each sentence; None for one that is too long to be joined with others."""
        return [len(c[0].window.pieces) if len(c) == 1 else None for c in self.sentences]


class WindowKey(NamedTuple):
    """Which sentences of which document a window holds.

    Attributes:
        document: place of the document.
        begin: first sentence.
        end: one past the last sentence.
        part: of a long sentence which window.
        words: the words that are left of a sentence; all of them if None.
        merged: whether its sentences pass for one. No span in a window reaches over the end of
            a sentence, so without such windows a model never learns that none does.
    """

    document: int
    begin: int
    end: int
    part: int = 0
    words: tuple[int, int] | None = None
    merged: bool = False


def document_cells(reading: Reading, encoder: InputEncoder) -> list[DocumentCells]:
    """Encodes the documents of a reading and places their annotation in the tables.

    Args:
        reading: with documents.
        encoder: of the model that is trained.
    """
    gold = [gold_sentence(sentence) for sentence in reading]
    windows = encoder.encode([sentence.text for sentence in gold])
    relations = {name: number for number, name in enumerate(encoder.config.relation_types)}
    documents = []
    for document in reading.documents:
        sentences: list[list[GoldCells]] = []
        # Of each mention of a sentence in one window: place of the sentence, and its rows.
        placed: dict[tuple[int, int], tuple[int, tuple[int, int]]] = {}
        for number in range(document.begin, document.end):
            if not windows[number]:
                continue
            if len(windows[number]) == 1:
                spans = entity_spans(reading[number])
                rows = placed_spans(spans, windows[number][0], encoder)
                for index, span in enumerate(spans):
                    if span in rows:
                        placed[number - document.begin, index] = len(sentences), rows[span]
            sentences.append(gold_cells(gold[number], windows[number], encoder))
        across: tuple[TargetsAcross, TargetsAcross] = {}, {}
        for subject, relation, object_ in document.facts:
            label = relations[relation]
            for s, o in product(document.clusters[subject], document.clusters[object_]):
                if s in placed and o in placed and s[0] != o[0]:
                    (of_subject, firsts), (of_object, seconds) = placed[s], placed[o]
                    for targets, row, column in zip(across, firsts, seconds, strict=True):
                        targets[of_subject, row, of_object, column, label] = 1.0
        if document.annotated != Annotated():
            restrict(document, sentences, across, placed, encoder.config)
        documents.append(DocumentCells(sentences, *across))
    return documents


def join_cells(
    document: DocumentCells, begin: int, end: int, *, encoder: InputEncoder
) -> GoldCells:
    """The window of sentences `begin` to `end` of a document, each of which is one window."""
    joined = [document.sentences[place][0] for place in range(begin, end)]
    window = encoder.join([cells.window for cells in joined], [0] * len(joined))
    shifts = [0]
    for cells in joined:
        shifts.append(shifts[-1] + _rows(cells, encoder))
    window_cells = GoldCells(window, {}, {}, {}, joined[0].known)
    tables = window_cells.entities, window_cells.relations, window_cells.tails
    for cells, shift in zip(joined, shifts, strict=False):
        for table, targets in zip(
            tables, (cells.entities, cells.relations, cells.tails), strict=True
        ):
            for (row, column, label), target in targets.items():
                table[row + shift, column + shift, label] = target
    for table, across in zip(tables[1:], (document.across, document.tails_across), strict=True):
        for (of_subject, row, of_object, column, label), target in across.items():
            if begin <= of_subject < end and begin <= of_object < end:
                first, second = shifts[of_subject - begin], shifts[of_object - begin]
                table[row + first, column + second, label] = target
    return window_cells


def crop_cells(cells: GoldCells, begin: int, end: int, *, encoder: InputEncoder) -> GoldCells:
    """The part of a sentence that holds words `begin` to `end`, where positions are words."""

    def inside(targets: Targets) -> Targets:
        return {
            (first - begin, second - begin, label): target
            for (first, second, label), target in targets.items()
            if begin <= first < end and begin <= second < end
        }

    window = encoder.crop(cells.window, begin, end)
    return GoldCells(
        window,
        inside(cells.entities),
        inside(cells.relations),
        inside(cells.tails),
        cells.known,
    )


def _mentions(cells: GoldCells) -> list[tuple[int, int]]:
    """First and last row of what is more likely an entity than not."""
    return [cell[:2] for cell, target in cells.entities.items() if target >= _LIKELY]


def _fragment(mentions: list[tuple[int, int]], words: int, rng: random.Random) -> tuple[int, int]:
    """One of the mentions with a few of the words around it; no other mention is cut."""
    first, last = mentions[rng.randrange(len(mentions))]
    begin = max(0, first - rng.randrange(_AROUND))
    end = min(words, last + 1 + rng.randrange(_AROUND))
    for other, until in sorted(mentions):
        if other < begin <= until:
            begin = until + 1 if until < first else begin
        if other < end <= until:
            end = other if other > last else until + 1
    return min(begin, first), max(end, last + 1)


def _rows(cells: GoldCells, encoder: InputEncoder) -> int:
    """How many rows of the tables a sentence takes inside a window."""
    if encoder.config.positions == "words":
        return len(cells.window.words)
    return len(cells.window.pieces) - encoder.special_pieces


class WindowDataset(Dataset):
    """Gold windows by `WindowKey`.

    Args:
        reading: with documents.
        encoder: of the model that is trained.
        mention_replacement: rate of the entities that are replaced by others each epoch.
        unrelated: number of sentences in documents of unrelated parts, which each epoch draws,
            per sentence of the reading.
        partial: number of sentences of partially annotated documents that each epoch draws, per
            sentence of the others.
        taught: documents beside those of the reading, with targets of their own.
    """

    def __init__(
        self,
        reading: Reading,
        encoder: InputEncoder,
        *,
        mention_replacement: float = 0,
        taught: Sequence[DocumentCells] = (),
        unrelated: float = 0,
        partial: float = 1,
    ):
        whole, self._partial = by_annotation(reading)
        self._whole = whole
        self._taught = list(taught)
        self._encoder = encoder
        self._unrelated = round(unrelated * len(whole))
        self._drawn = round(partial * len(whole))
        self._replacement = (
            MentionReplacement(whole, mention_replacement) if mention_replacement else None
        )
        self._cells = document_cells(whole, encoder)
        self._partial_cells = document_cells(self._partial, encoder)
        self.documents: list[DocumentCells] = []
        self.begin_epoch(random.Random(0))

    def begin_epoch(self, rng: random.Random) -> None:
        """Draws what is new in an epoch: replaced entities, unrelated parts, partial documents.

        Args:
            rng: draws them.
        """
        whole = self._whole
        if self._replacement:
            whole = self._replacement.replaced(rng)
            self._cells = document_cells(whole, self._encoder)
        self.documents = self._cells + self._taught + list(self._draw_partial(rng))
        if self._unrelated:
            mixed = unrelated_parts(whole, self._unrelated, rng)
            self.documents += document_cells(mixed, self._encoder)

    def _draw_partial(self, rng: random.Random) -> Iterator[DocumentCells]:
        """Partially annotated documents, as many as an epoch has, in a random order."""
        order = list(range(len(self._partial_cells)))
        rng.shuffle(order)
        sentences = 0
        for number in order:
            if sentences >= self._drawn:
                break
            sentences += len(self._partial_cells[number].sentences)
            yield self._partial_cells[number]

    def __len__(self) -> int:
        return sum(len(document.sentences) for document in self.documents)

    def __getitem__(self, key: WindowKey) -> GoldCells:
        document = self.documents[key.document]
        if key.end - key.begin == 1:
            cells = document.sentences[key.begin][key.part]
            return (
                cells if key.words is None else crop_cells(cells, *key.words, encoder=self._encoder)
            )
        cells = join_cells(document, key.begin, key.end, encoder=self._encoder)
        if key.merged:
            return cells._replace(window=cells.window._replace(sentences=None))
        return cells


class WindowBatches:
    """The batches of an epoch, as lists of `WindowKey`: a batch sampler.

    Every sentence is in one window an epoch. Batches hold windows of about one length, and
    about as many word pieces each.

    Args:
        data: the documents.
        window_tokens: most pieces of a window of several sentences.
        batch_size: about how many sentences a batch holds.
        seed: of the windows' lengths and the order.
        epoch: says which epoch begins.
        sentence_pieces: most pieces of a sentence that is read in one window.
        fragments: whether some sentences are cut to a mention with a few words around.
    """

    def __init__(
        self,
        data: WindowDataset,
        *,
        window_tokens: int,
        batch_size: int,
        seed: int,
        epoch: Callable[[], int],
        sentence_pieces: int,
        fragments: bool = False,
    ):
        self._data = data
        self._window_tokens = window_tokens
        self._seed = seed
        self._epoch = epoch
        self._sentence_pieces = min(sentence_pieces, window_tokens)
        self._fragments = fragments
        self._size = max(1, round(len(data) / batch_size))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[list[WindowKey]]:
        rng = random.Random(self._seed * 1_000_003 + self._epoch())
        self._data.begin_epoch(rng)
        windows = list(self._windows(rng))
        # Windows of about one length meet others of an epoch in another order each time.
        windows.sort(key=lambda window: window[1] * (1 + 0.1 * rng.random()))
        ends = np.cumsum([pieces for _, pieces in windows])
        batch_of = np.minimum(
            (ends - 1) * self._size // max(int(ends[-1]), 1), self._size - 1
        ).tolist()
        batches: list[list[WindowKey]] = [[] for _ in range(self._size)]
        for (key, _), batch in zip(windows, batch_of, strict=True):
            batches[batch].append(key)
        # A window longer than a batch is planned to be leaves one behind it empty.
        for batch in (b for b in batches if not b):
            largest = max(batches, key=len)
            middle = len(largest) // 2
            batch += largest[middle:]
            del largest[middle:]
        rng.shuffle(batches)
        return iter([batch for batch in batches if batch])

    def _windows(self, rng: random.Random) -> Iterator[tuple[WindowKey, int]]:
        """Windows with their number of pieces."""
        for number, document in enumerate(self._data.documents):
            drawn = rng.random()
            budget = self._window_tokens
            merged = _SINGLE <= drawn < _SINGLE + _MERGED
            if drawn < _SINGLE:
                budget = 0
            elif merged:
                budget = rng.randint(self._sentence_pieces // 3, self._sentence_pieces)
            elif drawn < 1 - _FULL:
                budget = rng.randint(int(_SHORTEST * budget), budget)
            lengths = document.lengths()
            for begin, end in join_sentences(lengths, budget, 0):
                parts = document.sentences[begin]
                if end - begin == 1:
                    for part, cells in enumerate(parts):
                        words = None
                        mentions = _mentions(cells) if self._fragments else []
                        if mentions and rng.random() < _FRAGMENTS:
                            words = _fragment(mentions, len(cells.window.words), rng)
                        key = WindowKey(number, begin, end, part, words)
                        yield (
                            key,
                            len(cells.window.pieces) if words is None else words[1] - words[0],
                        )
                else:
                    pieces = sum(length or 0 for length in lengths[begin:end])
                    yield WindowKey(number, begin, end, merged=merged), pieces
