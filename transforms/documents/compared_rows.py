"""The rows that are compared where a corpus meets the graph of an earlier run."""

from __future__ import annotations

from typing import NamedTuple

#: The version of a row that names a document, but was rejected before its text was read. Such a row
#: has no say in what the document is. It tells that the document is there.
REFUSED = b""


class Key(NamedTuple):
    """What is compared: a document, or a place in the source that holds none."""

    is_document: bool
    name: str


class LiveRow(NamedTuple):
    """A row of the extractions; of one key the greatest generation, then the lowest place wins."""

    key: Key
    generation: int
    source_file: str
    source_row: int
    version: bytes

    @property
    def order(self) -> tuple[int, str, int]:
        """The winner's is the least."""
        return -self.generation, self.source_file, self.source_row


class CorpusRow(NamedTuple):
    """A row of the corpus, and the number of its run.

    Attributes:
        is_lost: as in `pfn_kg.transforms.reading.chunks.Document`.
    """

    key: Key
    source_file: str
    source_row: int
    version: bytes
    run: int
    is_lost: bool = False
