"""Texts cut at spans, for pages that colour them: offsets of pages would be other offsets.

Offsets of the graph count code points. JavaScript counts UTF-16 units, so texts are cut here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple


class Span(NamedTuple):
    """A part of a text, and what it is.

    Attributes:
        begin: offset of its first code point.
        end: offset after its last one.
        mark: what is said of it.
    """

    begin: int
    end: int
    mark: Any


def cut(text: str, spans: Sequence[Span], start: int = 0) -> list[dict[str, Any]]:
    """Cuts a text wherever a span begins or ends.

    Args:
        text: the text.
        spans: in any order; they may overlap. What lies outside of the text is left out.
        start: offset of the text's first code point in the text that the offsets count.

    Returns:
        The pieces in their order, each with its `text` and the `marks` of the spans that cover
        it, in the order in which they were given. The texts of all pieces are the text.

    Example:
        >>> cut("Ada in London", [Span(0, 3, "PER"), Span(7, 13, "LOC")])[2]
        {'text': 'London', 'marks': ['LOC']}
    """
    inside = [
        (max(span.begin - start, 0), min(span.end - start, len(text)), span.mark) for span in spans
    ]
    inside = [(begin, end, mark) for begin, end, mark in inside if begin < end]
    bounds = sorted({0, len(text), *(b for b, _, _ in inside), *(e for _, e, _ in inside)})
    begins: dict[int, list[int]] = {}
    for number, (begin, _, _) in enumerate(inside):
        begins.setdefault(begin, []).append(number)
    open_: list[int] = []
    pieces = []
    for begin, end in itertools.pairwise(bounds):
        open_ = [number for number in open_ if inside[number][1] > begin] + begins.get(begin, [])
        marks = [inside[number][2] for number in sorted(open_)]
        pieces.append({"text": text[begin:end], "marks": marks})
    return pieces
