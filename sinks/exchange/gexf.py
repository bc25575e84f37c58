"""The graph as GEXF 1.2, the format of Gephi."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from pfn_kg.sinks.exchange.graphml import ALIAS_SEPARATOR, EDGE_ATTRIBUTES, NODE_ATTRIBUTES
from pfn_kg.sinks.exchange.texts import joined, joined_lists, pieces, xml
from pfn_kg.sinks.exchange.xml_sink import XmlSink
from pfn_kg.sinks.interface import Pieces

# What GEXF has attributes of its own for: the label of a node and of an edge, and the weight.
_NODE = tuple(name for name in NODE_ATTRIBUTES if name != "name")
_EDGE = tuple(name for name in EDGE_ATTRIBUTES if name not in ("predicate", "confidence"))


class GexfSink(XmlSink):
    """One file, `graph.gexf`: entities and values as nodes, facts as directed edges.

    The label of a node is its name. The label of an edge is its predicate, and the weight of the
    edge is the confidence of the fact.

    Args:
        compress: whether to compress it.
    """

    name: ClassVar[str] = "gexf"
    file: ClassVar[str] = "graph.gexf"

    def document(self) -> Sequence[bytes | Pieces]:
        """Attributes, nodes and edges."""
        between, end = b"</nodes>\n<edges>\n", b"</edges>\n</graph>\n</gexf>\n"
        return _head(), pieces("nodes"), between, pieces("edges"), end

    def nodes(self, rows: pa.Table) -> pa.Array:
        """Elements `node`."""
        columns = {name: rows[name] for name in _NODE}
        columns["aliases"] = joined_lists(rows["aliases"], ALIAS_SEPARATOR)
        return joined(
            *('<node id="', xml(rows["entity_id"]), '" label="', xml(rows["name"])),
            *('"><attvalues>', *_values(columns), "</attvalues></node>\n"),
            nothing="",
        )

    def edges(self, rows: pa.Table) -> pa.Array:
        """Elements `edge`."""
        return joined(
            *('<edge id="', xml(rows["relation_id"]), '" source="', xml(rows["subject_id"])),
            *('" target="', xml(rows["object_id"]), '" label="', xml(rows["predicate"])),
            *('" weight="', xml(rows["confidence"]), '"><attvalues>'),
            *(*_values({name: rows[name] for name in _EDGE}), "</attvalues></edge>\n"),
            nothing="",
        )


def _head() -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<gexf xmlns="http://www.gexf.net/1.2draft" version="1.2">',
        "<meta><creator>pfn-kg</creator></meta>",
        '<graph mode="static" defaultedgetype="directed">',
        *_attributes("node", _NODE, NODE_ATTRIBUTES),
        *_attributes("edge", _EDGE, EDGE_ATTRIBUTES),
        "<nodes>",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _attributes(of: str, names: Sequence[str], types: Mapping[str, str]) -> Iterator[str]:
    yield f'<attributes class="{of}" mode="static">'
    for name in names:
        yield f'<attribute id="{name}" title="{name}" type="{types[name]}"/>'
    yield "</attributes>"


def _values(columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> list[pa.Array]:
    return [
        joined(f'<attvalue for="{name}" value="', xml(values), '"/>')
        for name, values in columns.items()
    ]
