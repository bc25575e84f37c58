r"""Documents of text files: one file a document, whose pages form feeds separate."""

from __future__ import annotations

from collections.abc import Iterator

from pfn_kg.pipeline.ingest.encodings import decode, read_whole
from pfn_kg.pipeline.ingest.paged_text import paged_document
from pfn_kg.pipeline.ingest.records import Document, UnreadableFileError
from pfn_kg.schemas.ingest_options import IngestOptions


def read_text(path: str, options: IngestOptions) -> Iterator[Document | str]:
    """The document of a file; first the name of its encoding.

    Args:
        path: of the file.
        options: the encoding, and what is mended.

    Raises:
        UnreadableFileError: if the file can't be read, or has no text.
    """
    decoded = decode(read_whole(path), given=options.encoding)
    yield decoded.encoding
    text = decoded.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise UnreadableFileError("no text in it")
    if "\0" in text:
        raise UnreadableFileError("no text but binary data")
    yield paged_document(
        text.rstrip("\f\n ").split("\f"),
        join_hyphens=options.join_hyphens,
        drop_running_heads=options.drop_running_heads,
    )
