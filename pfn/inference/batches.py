"""Windows padded to one batch, as `PFNModel.project` takes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from pfn_kg.pfn.inference.ranges import ranges


class SpecialPieces(NamedTuple):
    """The pieces of a window that are no word's, and what stands behind its end."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    padding: int


class FlatWindows(NamedTuple):
    """Windows in flat arrays of words and pieces, special pieces left out.

    Attributes:
        pieces: ids of word pieces, (pieces,).
        shapes: word shape of each, (pieces,).
        words: index into `pieces` of the first piece of each word, (words,).
        sentences: numbers that rise by one from a sentence to the next, of each word, (words,).
        first_word: of each window, (windows,).
        word_counts: how many words it has, (windows,).
        first_piece: of each window, (windows,).
        piece_counts: how many pieces it has, (windows,).
        several: whether any window has more than one sentence.
    """

    pieces: np.ndarray
    shapes: np.ndarray
    words: np.ndarray
    sentences: np.ndarray
    first_word: np.ndarray
    word_counts: np.ndarray
    first_piece: np.ndarray
    piece_counts: np.ndarray
    several: bool


def batch_tensors(
    windows: FlatWindows,
    special: SpecialPieces,
    *,
    word_positions: bool,
    word_shapes: bool,
    device: Any = None,
    counted: bool = False,
    max_span: int | None = None,
) -> dict[str, Any]:
    """Pads windows on the right to one batch.

    The tensors share one buffer, which is copied to the device at once. Where a GPU shall not be
    waited for, what is known here is counted here: `lengths`, how many positions each window has,
    an array (windows,), and `spans`, how many cells the NER table has; the tensor `span_widths`
    says how many of them begin at each position, (windows, length).

    Args:
        windows: at least one.
        special: pieces around each window.
        word_positions: whether positions of the tables are words, and not pieces.
        word_shapes: whether the model reads them.
        device: where the tensors go; the CPU by default.
        counted: whether it is counted.
        max_span: most positions of a span, if there is a bound.
    """
    count, before = len(windows.first_word), len(special.before)
    lengths = windows.piece_counts + (before + len(special.after))
    longest = int(lengths.max())
    positions = windows.word_counts if word_positions else lengths
    length = int(positions.max())
    widths = {"input_ids": longest, "attention_mask": longest}
    if word_shapes:
        widths["shape_ids"] = longest
    widths |= {"position_index": length, "position_mask": length}
    if windows.several:
        widths["sentence_ids"] = length
    if counted:
        widths["span_widths"] = length
    buffer = torch.empty(count * sum(widths.values()), dtype=torch.long, pin_memory=_pins(device))
    parts = dict(zip(widths, buffer.split([count * w for w in widths.values()]), strict=True))
    arrays = {name: part.numpy().reshape(count, -1) for name, part in parts.items()}

    columns = np.arange(longest)
    inner = np.arange(longest - before) < windows.piece_counts[:, None]
    read = ranges(windows.first_piece, windows.piece_counts)
    ids = arrays["input_ids"]
    ids.fill(special.padding)
    ids[:, :before] = special.before
    ids[:, before:][inner] = windows.pieces[read]
    rows = np.arange(count)
    for place, piece in enumerate(special.after):
        ids[rows, before + windows.piece_counts + place] = piece
    np.less(columns, lengths[:, None], out=arrays["attention_mask"], casting="unsafe")
    if word_shapes:
        arrays["shape_ids"].fill(0)
        arrays["shape_ids"][:, before:][inner] = windows.shapes[read]

    is_position = columns[:length] < positions[:, None]
    arrays["position_mask"][:] = is_position
    words = ranges(windows.first_word, windows.word_counts)
    starts = windows.words[words] - np.repeat(windows.first_piece, windows.word_counts) + before
    index = arrays["position_index"]
    index.fill(0)
    if word_positions:
        index[is_position] = starts
    else:
        np.copyto(index, columns, where=is_position)
    if windows.several:
        numbers = windows.sentences[words]
        numbers -= np.repeat(windows.sentences[windows.first_word], windows.word_counts)
        of_positions = arrays["sentence_ids"]
        of_positions.fill(0)
        if word_positions:
            of_positions[is_position] = numbers
        else:
            # A piece is of its word's sentence, a special piece of the nearest one.
            row = np.repeat(rows, windows.word_counts)
            rise = np.diff(numbers, prepend=0)
            rise[np.cumsum(windows.word_counts) - windows.word_counts] = 0
            of_positions[row, starts] = rise
            np.cumsum(of_positions, axis=1, out=of_positions)
            of_positions *= is_position
    known: dict[str, Any] = {}
    if counted:
        numbers = arrays["sentence_ids"][is_position] if windows.several else None
        spans = _spans_at(positions, numbers, max_span)
        arrays["span_widths"].fill(0)
        arrays["span_widths"][is_position] = spans
        known = {
            "lengths": positions,
            "spans": int(spans.sum()),
        }
    if device is not None and torch.device(device).type != "cpu":
        on_device = buffer.to(device, non_blocking=True)
        split = on_device.split([count * w for w in widths.values()])
        parts = dict(zip(widths, split, strict=True))
    batch: dict[str, Any] = {name: part.view(count, -1) for name, part in parts.items()}
    batch["position_mask"] = batch["position_mask"].bool()
    return batch | known


def _spans_at(
    positions: np.ndarray, sentences: np.ndarray | None, max_span: int | None
) -> np.ndarray:
    """How many spans begin at each position: those up to the end of its sentence, or so many.

    Args:
        positions: how many each window has, (windows,).
        sentences: the sentence of each position of all windows; None if each window is one.
        max_span: most positions of a span, if there is a bound.
    """
    total = int(positions.sum())
    is_first = np.zeros(total, bool)
    is_first[(np.cumsum(positions) - positions)[positions > 0]] = True
    if sentences is not None:
        is_first[1:] |= sentences[1:] != sentences[:-1]
    starts = np.flatnonzero(is_first)
    sizes = np.diff(starts, append=total)
    widths = np.repeat(starts + sizes, sizes) - np.arange(total)
    return widths if max_span is None else np.minimum(widths, max_span)


def _pins(device: Any) -> bool:
    """Whether the memory is pinned: only from there a GPU copies beside what else is done."""
    return device is not None and torch.device(device).type == "cuda"
