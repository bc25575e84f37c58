"""Documents of PDF: the text of its pages and where they begin.

PDFium by pypdfium2 (both BSD or Apache-2.0) reads the text layer in the order of reading, at some
hundred pages a second. PyMuPDF is AGPL, and docling needs models from the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from pfn_kg.pipeline.ingest.encodings import read_whole
from pfn_kg.pipeline.ingest.paged_text import paged_document
from pfn_kg.pipeline.ingest.records import Document, Note, UnreadableFileError
from pfn_kg.schemas.ingest_options import IngestOptions

# PDFium gives one of these characters for a hyphen with the end of its line.
_CUT = re.compile("[\x02\ufffe]")
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?")


def read_pdf(path: str, options: IngestOptions) -> Iterator[Document | Note]:
    """The document of a file.

    Args:
        path: of the file.
        options: what is mended.

    Raises:
        UnreadableFileError: if the file can't be read, needs a password, or has no text.
    """
    import pypdfium2

    data = read_whole(path)
    try:
        with pypdfium2.PdfDocument(data) as document:
            pages = [_text(document, number) for number in range(len(document))]
            about = document.get_metadata_dict(skip_empty=True)
    except pypdfium2.PdfiumError as error:
        raise UnreadableFileError(_reason(error)) from None
    if not any(page.strip() for page in pages):
        raise UnreadableFileError(
            f"no text on its {len(pages)} pages; if they are scanned, add a text layer first, for "
            "instance by ocrmypdf"
        )
    found = {"author": about.get("Author"), "subject": about.get("Subject")}
    if date := _date(about.get("CreationDate", "")):
        found["date"] = date
    yield paged_document(
        pages,
        join_hyphens=options.join_hyphens,
        drop_running_heads=options.drop_running_heads,
        title=about.get("Title"),
        fields={name: value for name, value in found.items() if value},
    )
    empty = [number for number, page in enumerate(pages, start=1) if not page.strip()]
    if empty and len(pages) > 1:
        shown = ", ".join(map(str, empty[:5])) + (" ..." if len(empty) > 5 else "")
        yield Note(f"no text on page{'s' if len(empty) > 1 else ''} {shown}")


def _text(document: object, number: int) -> str:
    page = document[number]  # type: ignore[index]
    try:
        text_page = page.get_textpage()
        try:
            text: str = text_page.get_text_bounded()
        finally:
            text_page.close()
    finally:
        page.close()
    return _CUT.sub("-\n", text.replace("\r\n", "\n"))


def _reason(error: Exception) -> str:
    text = str(error)
    if "password" in text.lower():
        return "it needs a password"
    return f"no readable PDF: {text.rpartition('PDFium: ')[2].rstrip(').').lower()}"


def _date(spelt: str) -> str | None:
    """The date of `D:20200304...` as ISO 8601; None if it is none."""
    match = _DATE.match(spelt)
    if match is None:
        return None
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        return datetime(year, month, day).date().isoformat()
    except ValueError:
        return None
