"""Documents of HTML: the main text of a page, and what the page says of itself.

trafilatura (Apache-2.0) finds the text among menus, advertisements and footers. It fetches nothing
here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from pfn_kg.pfn.inference.cut_words import join_cut_words
from pfn_kg.pipeline.ingest.encodings import decode, read_whole
from pfn_kg.pipeline.ingest.records import Document, UnreadableFileError
from pfn_kg.schemas.ingest_options import IngestOptions

_CHARSET = re.compile(rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.I)
# A browser looks for the declaration in so many bytes too.
_HEAD_BYTES = 1024
_FIELDS = ("url", "author", "date", "sitename", "description")


def read_html(path: str, options: IngestOptions) -> Iterator[Document | str]:
    """The document of a file; first the name of its encoding.

    Args:
        path: of the file.
        options: the encoding, and what is mended.

    Raises:
        UnreadableFileError: if the file can't be read, or has no text.
    """
    from trafilatura import bare_extraction, html2txt

    # What it says of a page that has little text is said here.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    data = read_whole(path)
    claim = _CHARSET.search(data[:_HEAD_BYTES])
    declared = claim[1].decode("ascii", "replace") if claim else None
    decoded = decode(data, given=options.encoding, declared=declared)
    yield decoded.encoding
    # A parser refuses text that declares an encoding, since it has none any more.
    html = re.sub(r"^\s*<\?xml[^>]*\?>", "", decoded.text.removeprefix("\ufeff"))
    found = bare_extraction(html, with_metadata=True, include_comments=False)
    about: Any = {} if found is None else found if isinstance(found, dict) else found.as_dict()
    # A page of one sentence has nothing that could be told from its frame.
    text = about.get("text") or html2txt(html) or html2txt(f"<html><body>{html}</body></html>")
    if not text or not text.strip():
        raise UnreadableFileError("no text in it")
    if options.join_hyphens:
        text = join_cut_words(text).text
    fields = {name: about[name] for name in _FIELDS if about.get(name)}
    yield Document(text.strip(), title=about.get("title") or None, fields=fields)
