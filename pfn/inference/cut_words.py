r"""Words that the end of a line cuts in two, as in scanned and typeset texts: "Copen-\nhagen".

The model reads a text in which they are whole; what it finds is placed in the text as it was.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pfn_kg.pfn.inference.head_columns import HeadColumns, TripleColumns
from pfn_kg.schemas.records import Sentence

# A hyphen between a letter and a line that goes on with a letter or a digit.
_CUT = re.compile(r"(?<=[^\W\d_])([-\u2010\u00ad])[ \t]*\r?\n[ \t]*(?=([^\W_]))")


class JoinedText(NamedTuple):
    """A text whose cut words are whole, and where its characters stand in the text as it was.

    Offsets are code points, begin inclusive, end exclusive.

    Attributes:
        text: with whole words.
        places: the offsets in it of the characters before which something was taken out, in order.
        removed: how many characters were taken out before each place and at it.
    """

    text: str
    places: list[int]
    removed: list[int]

    def begin(self, offset: int) -> int:
        """Where what begins at an offset begins in the text as it was."""
        number = bisect_right(self.places, offset)
        return offset + (self.removed[number - 1] if number else 0)

    def end(self, offset: int) -> int:
        """Where what ends before an offset ends in the text as it was."""
        return self.begin(offset - 1) + 1

    def original_sentences(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Sentences with their offsets in the text as it was; none may be empty."""
        return [Sentence(s.index, self.begin(s.begin), self.end(s.end)) for s in sentences]

    def begins(self, offsets: np.ndarray) -> np.ndarray:
        """As `begin`, of many offsets."""
        removed = np.array([0, *self.removed], np.int64)
        return offsets + removed[np.searchsorted(self.places, offsets, "right")]

    def ends(self, offsets: np.ndarray) -> np.ndarray:
        """As `end`, of many offsets."""
        return self.begins(offsets - 1) + 1


def original_columns(columns: HeadColumns, joined: Sequence[JoinedText | None]) -> HeadColumns:
    """What the model said of texts with whole words, with offsets in the texts as they were.

    Args:
        columns: what it said of them.
        joined: of each text how its words were made whole; None where it was read as it is.
    """
    if all(text is None for text in joined):
        return columns

    def moved(offsets: np.ndarray, bounds: np.ndarray, is_end: bool) -> np.ndarray:
        offsets = offsets.copy()
        for number, text in enumerate(joined):
            if text is not None:
                part = slice(bounds[number], bounds[number + 1])
                offsets[part] = (text.ends if is_end else text.begins)(offsets[part])
        return offsets

    def triples(of: TripleColumns, is_end: bool) -> TripleColumns:
        return of._replace(
            subject=moved(of.subject, of.bounds, is_end), object=moved(of.object, of.bounds, is_end)
        )

    mentions, tails = columns.mentions, columns.tail_triples
    return columns._replace(
        mentions=mentions._replace(
            begin=moved(mentions.begin, mentions.bounds, False),
            end=moved(mentions.end, mentions.bounds, True),
        ),
        head_triples=triples(columns.head_triples, False),
        tail_triples=None if tails is None else triples(tails, True),
    )


def join_cut_words(text: str) -> JoinedText:
    r"""Makes the words whole that the end of a line cuts in two.

    Before a small letter the hyphen is that of the cut and goes with the line's end. Before a
    capital or a digit it is the word's own ("Anglo-\nSaxon") and stays; a soft hyphen never does.
    A word such as "well-\nknown" loses its hyphen.

    Example:
        >>> join_cut_words("in Copen-\nhagen, Anglo-\nSaxon").text
        'in Copenhagen, Anglo-Saxon'
    """
    parts, places, removed = [], [], []
    begin = length = total = 0
    for cut in _CUT.finditer(text):
        is_own = cut[1] != "\u00ad" and not cut[2].islower()
        end = cut.start() + is_own
        parts.append(text[begin:end])
        length += end - begin
        total += cut.end() - end
        places.append(length)
        removed.append(total)
        begin = cut.end()
    return JoinedText("".join([*parts, text[begin:]]) if parts else text, places, removed)
