r"""Words that the end of a line cuts in two, as in scanned and typeset texts: "Copen-\nhagen".

The model reads a text in which they are whole; what it finds is placed in the text as it was.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Sentence

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

    def original_heads(self, heads: DocumentHeads, text: str) -> DocumentHeads:
        """What the model said, with offsets in the text as it was.

        Args:
            heads: what it said of the text with whole words.
            text: as it was.
        """
        mentions = []
        for mention in heads.mentions:
            begin, end = self.begin(mention.begin), self.end(mention.end)
            mentions.append(mention._replace(begin=begin, end=end, text=text[begin:end]))

        tails = heads.tail_triples
        return heads._replace(
            mentions=mentions,
            head_triples=_moved(heads.head_triples, self.begin),
            tail_triples=None if tails is None else _moved(tails, self.end),
        )


def _moved(triples: Sequence[HeadTriple], place: Callable[[int], int]) -> list[HeadTriple]:
    return [t._replace(subject=place(t.subject), object=place(t.object)) for t in triples]


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
