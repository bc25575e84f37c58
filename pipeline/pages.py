"""The page of a place in a document, where the corpus says where its pages begin."""

from __future__ import annotations

import json
from bisect import bisect_right

#: The metadata that holds the offsets at which the pages of a text begin, in code points.
PAGES = "pages"


def page_of(metadata: str | None, offset: int) -> int | None:
    """The number of the page, from 1, on which an offset lies; None if no pages are known.

    Args:
        metadata: of the document, a JSON object.
        offset: in code points of the document's text.

    Example:
        >>> page_of('{"pages": [0, 1200, 2500]}', 1300)
        2
    """
    try:
        begins = json.loads(metadata or "{}").get(PAGES)
    except (ValueError, AttributeError):
        return None
    if not isinstance(begins, list) or not begins:
        return None
    if not all(type(begin) is int for begin in begins):
        return None
    return max(1, bisect_right(begins, offset))
