"""The graph as GraphML, which networkx, igraph, yEd, Cytoscape and Gephi read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from pfn_kg.sinks.exchange.texts import joined, joined_lists, pieces, xml
from pfn_kg.sinks.exchange.xml_sink import XmlSink
from pfn_kg.sinks.interface import Pieces

#: Attributes of nodes and edges with their types in GraphML; the names are those of the tables.
NODE_ATTRIBUTES = {
    "name": "string",
    "kind": "string",
    "type": "string",
    "value": "string",
    "datatype": "string",
    "iri": "string",
    "same_as": "string",
    "aliases": "string",
    "mentions": "long",
    "documents": "long",
}
EDGE_ATTRIBUTES = {
    "predicate": "string",
    "confidence": "double",
    "evidence_count": "long",
    "document_count": "long",
}
#: Between two aliases of an entity.
ALIAS_SEPARATOR = " | "


class GraphMLSink(XmlSink):
    """One file, `graph.graphml`: entities and values as nodes, facts as directed edges.

    Args:
        compress: whether to compress it; networkx reads both.
    """

    name: ClassVar[str] = "graphml"
    file: ClassVar[str] = "graph.graphml"

    def document(self) -> Sequence[bytes | Pieces]:
        """Keys, nodes and edges."""
        return _head(), pieces("nodes"), pieces("edges"), b"</graph>\n</graphml>\n"

    def nodes(self, rows: pa.Table) -> pa.Array:
        """Elements `node`."""
        columns = {name: rows[name] for name in NODE_ATTRIBUTES}
        columns["aliases"] = joined_lists(rows["aliases"], ALIAS_SEPARATOR)
        data = _data("node", columns)
        return joined('<node id="', xml(rows["entity_id"]), '">', *data, "</node>\n", nothing="")

    def edges(self, rows: pa.Table) -> pa.Array:
        """Elements `edge`."""
        ends = ('" source="', xml(rows["subject_id"]), '" target="', xml(rows["object_id"]), '">')
        data = _data("edge", {name: rows[name] for name in EDGE_ATTRIBUTES})
        return joined('<edge id="', xml(rows["relation_id"]), *ends, *data, "</edge>\n", nothing="")


def _head() -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns '
        'http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">',
        *_keys("node", NODE_ATTRIBUTES),
        *_keys("edge", EDGE_ATTRIBUTES),
        '<graph id="G" edgedefault="directed">',
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _keys(of: str, attributes: Mapping[str, str]) -> Iterator[str]:
    for name, type_ in attributes.items():
        id_, name = quoteattr(f"{of}_{name}"), quoteattr(name)
        yield f'<key id={id_} for="{of}" attr.name={name} attr.type="{type_}"/>'


def _data(of: str, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> list[pa.Array]:
    return [
        joined(f'<data key="{of}_{name}">', xml(values), "</data>")
        for name, values in columns.items()
    ]
