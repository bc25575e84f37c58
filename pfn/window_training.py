"""Training on windows of consecutive sentences: their gold cells, and the batches.

In a window a gold triple is every ordered pair of mentions whose entities a fact of the
document relates, in one sentence or in two. Windows are cut anew each epoch, from single
sentences up to the longest window, so that the model reads texts of any length.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from pfn.gold import GoldCells, entity_spans, gold_cells, gold_sentence, placed_spans
from pfn.inputs import InputEncoder
from pfn.mention_replacement import MentionReplacement
from pfn.readers.records import Reading
from pfn.windows import join_sentences

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
# The shortest window that is drawn, as a part of the longest.
_SHORTEST = 0.2


class DocumentCells(NamedTuple):
    """A document with the cells of the tables that are true.

    Attributes:
        sentences: of each sentence that has words the cells of its windows; more than one if
            it is long.
        across: of each pair of related mentions in different sentences: place in `sentences` of
            the subject, its rows (first and last word), the same of the object, the relation.
    """

    sentences: list[list[GoldCells]]
    across: list[tuple[int, tuple[int, int], int, tuple[int, int], int]]

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
    found = []
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
        across = {
            (*placed[s], *placed[o], relations[relation])
            for subject, relation, object_ in document.facts
            for s in document.clusters[subject]
            for o in document.clusters[object_]
            if s in placed and o in placed and s[0] != o[0]
        }
        found.append(DocumentCells(sentences, sorted(across)))
    return found


def join_cells(document: DocumentCells, begin: int, end: int, encoder: InputEncoder) -> GoldCells:
    """The window of sentences `begin` to `end` of a document, each of which is one window."""
    joined = [document.sentences[place][0] for place in range(begin, end)]
    window = encoder.join([cells.window for cells in joined], [0] * len(joined))
    shifts = [0]
    for cells in joined:
        shifts.append(shifts[-1] + _rows(cells, encoder))
    entities, relations, tails = [], [], []
    for cells, shift in zip(joined, shifts, strict=False):
        entities += [(first + shift, last + shift, label) for first, last, label in cells.entities]
        relations += [(s + shift, o + shift, label) for s, o, label in cells.relations]
        tails += [(s + shift, o + shift, label) for s, o, label in cells.tails]
    for of_subject, subject, of_object, object_, label in document.across:
        if begin <= of_subject < end and begin <= of_object < end:
            first, second = shifts[of_subject - begin], shifts[of_object - begin]
            relations.append((subject[0] + first, object_[0] + second, label))
            tails.append((subject[1] + first, object_[1] + second, label))
    # Mentions that share a head make a cell twice.
    return GoldCells(window, entities, sorted(set(relations)), sorted(set(tails)))


def crop_cells(cells: GoldCells, begin: int, end: int, encoder: InputEncoder) -> GoldCells:
    """The part of a sentence that holds words `begin` to `end`, where positions are words."""

    def inside(places: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        return [
            (first - begin, second - begin, label)
            for first, second, label in places
            if begin <= first < end and begin <= second < end
        ]

    window = encoder.crop(cells.window, begin, end)
    return GoldCells(window, inside(cells.entities), inside(cells.relations), inside(cells.tails))


def _fragment(cells: GoldCells, rng: random.Random) -> tuple[int, int]:
    """A mention with a few words around it; no other mention is cut."""
    first, last, _ = cells.entities[rng.randrange(len(cells.entities))]
    begin = max(0, first - rng.randrange(_AROUND))
    end = min(len(cells.window.words), last + 1 + rng.randrange(_AROUND))
    for other, until, _ in sorted(cells.entities):
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
    """

    def __init__(self, reading: Reading, encoder: InputEncoder, mention_replacement: float = 0):
        self.documents = document_cells(reading, encoder)
        self._encoder = encoder
        self._replacement = (
            MentionReplacement(reading, mention_replacement) if mention_replacement else None
        )

    def begin_epoch(self, rng: random.Random) -> None:
        """Draws which entities are replaced by which.

        Args:
            rng: draws them.
        """
        if self._replacement:
            self.documents = document_cells(self._replacement.replaced(rng), self._encoder)

    def __len__(self) -> int:
        return sum(len(document.sentences) for document in self.documents)

    def __getitem__(self, key: WindowKey) -> GoldCells:
        document = self.documents[key.document]
        if key.end - key.begin == 1:
            cells = document.sentences[key.begin][key.part]
            return cells if key.words is None else crop_cells(cells, *key.words, self._encoder)
        cells = join_cells(document, key.begin, key.end, self._encoder)
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
                        if self._fragments and cells.entities and rng.random() < _FRAGMENTS:
                            words = _fragment(cells, rng)
                        key = WindowKey(number, begin, end, part, words)
                        yield (
                            key,
                            len(cells.window.pieces) if words is None else words[1] - words[0],
                        )
                else:
                    pieces = sum(length or 0 for length in lengths[begin:end])
                    yield WindowKey(number, begin, end, merged=merged), pieces
