"""What GraphML and GEXF have in common: one document of nodes, then edges."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from pfn_kg.sinks.exchange.texts import blocks, content, pieces_of, whole_files
from pfn_kg.sinks.interface import Pieces, Rows, Sink, Written


class XmlSink(Sink):
    """One XML file with entities and values as nodes, and facts as directed edges.

    Args:
        compress: whether to compress it.
    """

    file: ClassVar[str]
    stages = (("entities", "relations"),)

    def __init__(self, *, compress: bool = False):
        self._compress = compress

    @abstractmethod
    def nodes(self, rows: pa.Table) -> pa.Array:
        """The elements of entities and values, one a row."""

    @abstractmethod
    def edges(self, rows: pa.Table) -> pa.Array:
        """The elements of facts, one a row."""

    @abstractmethod
    def document(self) -> Sequence[bytes | Pieces]:
        """The pieces `nodes` and `edges`, and what stands before, between and after them."""

    def write(self, part: Rows) -> Written:
        """The rows as elements."""
        kind, elements = (
            ("edges", self.edges) if part.table == "relations" else ("nodes", self.nodes)
        )
        data = content(elements(block) for block in blocks(part.rows))
        files = pieces_of(part, {kind: data}, compress=self._compress)
        return Written(files, {kind: len(part.rows)})

    def finish(self, counts: Mapping[str, int]) -> Written:
        """The elements in one document."""
        return whole_files({self.file: self.document()}, compress=self._compress)
