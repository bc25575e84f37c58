r"""Texts of pages: one text, the offsets at which pages begin, and what printing left in it.

Offsets are code points. A page that ends in the middle of a sentence is joined to the next one by
one line break, any other by two, so that no sentence is cut at the end of a page.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from pfn_kg.pfn.inference.cut_words import JoinedText, join_cut_words
from pfn_kg.pipeline.ingest.records import Document

# Heads and feet are among so many lines at an edge.
_EDGE_LINES = 2
# A line comes again if it stands at the edge of so many pages, and of this share of them.
_LEAST_PAGES = 3
_LEAST_SHARE = 0.1
_DIGITS = re.compile(r"\d+")
_ROMAN = re.compile(r"\W*[ivxlcdm]+\W*", re.IGNORECASE)
_SENTENCE_ENDS = (".", "!", "?", ":", ";", "\u2026", "\u3002", '"', "\u201d", "\u2019", ")")


def paged_document(
    pages: Sequence[str], *, join_hyphens: bool, drop_running_heads: bool, **known: object
) -> Document:
    """A document of pages.

    Args:
        pages: their texts; one page is a text without pages.
        join_hyphens: whether words that the end of a line cuts in two become whole.
        drop_running_heads: whether lines that come again at the edges of pages are left out.
        known: other fields of `Document`.
    """
    if drop_running_heads:
        pages = without_running_heads(pages)
    text, begins = _joined(pages)
    if join_hyphens:
        joined = join_cut_words(text)
        begins = [_moved(joined, begin) for begin in begins]
        text = joined.text
    numbers = tuple(begins) if len(pages) > 1 else ()
    return Document(text=text, pages=numbers, **known)  # type: ignore[arg-type]


def _joined(pages: Sequence[str]) -> tuple[str, list[int]]:
    """One text of all pages, and where each begins: an empty one where the text before it ends."""
    parts: list[str] = []
    begins = []
    length = 0
    last = ""
    for page in pages:
        page = page.strip()
        if page and last:
            separator = "\n\n" if last.endswith(_SENTENCE_ENDS) else "\n"
            parts.append(separator)
            length += len(separator)
        begins.append(length)
        if page:
            parts.append(page)
            length += len(page)
            last = page
    return "".join(parts), begins


def _moved(joined: JoinedText, offset: int) -> int:
    """Where an offset of the text as it was lies in the text with whole words."""
    # The characters of a cut stood between these two offsets of the text as it was.
    before = [0, *joined.removed]
    ends = [place + removed for place, removed in zip(joined.places, joined.removed, strict=True)]
    number = bisect_right(ends, offset)
    moved = offset - before[number]
    if number < len(joined.places):
        moved = min(moved, joined.places[number])
    return moved


def without_running_heads(pages: Sequence[str]) -> list[str]:
    """Pages without the lines that come again at their edges; numbers in them may differ.

    A line counts as coming again if it stands among the first or last two lines of at least three
    pages, and of a tenth of all. Fewer than three pages are left as they are.

    Args:
        pages: their texts.
    """
    lines = [page.splitlines() for page in pages]
    counts: Counter[str] = Counter()
    for page in lines:
        filled = [_pattern(line) for line in page if line.strip()]
        counts.update({*filled[:_EDGE_LINES], *filled[-_EDGE_LINES:]})
    least = max(_LEAST_PAGES, math.ceil(_LEAST_SHARE * len(pages)))
    heads = {pattern for pattern, count in counts.items() if count >= least}
    return ["\n".join(_trimmed(page, heads)) for page in lines]


def _trimmed(lines: list[str], heads: set[str]) -> list[str]:
    """The lines of a page without heads at its top and its bottom, from the edges inwards."""
    begin, end = 0, len(lines)
    for _ in range(_EDGE_LINES):
        first = next((i for i in range(begin, end) if lines[i].strip()), end)
        if first < end and _pattern(lines[first]) in heads:
            begin = first + 1
        last = next((i for i in range(end - 1, begin - 1, -1) if lines[i].strip()), -1)
        if last >= begin and _pattern(lines[last]) in heads:
            end = last
    return lines[begin:end]


def _pattern(line: str) -> str:
    """What heads of different pages have in common: all but numbers, blanks and case."""
    if _ROMAN.fullmatch(line):
        return "#"
    pattern = " ".join(_DIGITS.sub("#", line).lower().split())
    return "#" if pattern.strip("-\u2013\u2014[]()|. ") == "#" else pattern
