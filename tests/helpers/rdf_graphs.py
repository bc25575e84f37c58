"""Rows for the RDF sink, and strict readers of what it writes."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyoxigraph
import rdflib

from pfn_kg.schemas.joined_columns import JOINED_COLUMNS
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import Rows

RDFLIB_FORMATS = {"ttl": "turtle", "nt": "nt", "trig": "trig"}


def rows(table, found):
    """Rows of a table, with what the driver joins; what is not given is null."""
    schema = TABLE_SCHEMAS[table]
    if table in ("relations", "triples"):
        joined = [field for field in JOINED_COLUMNS if field.name not in schema.names]
        schema = pa.schema([*schema, *joined])
    data = pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in found], schema)
    return Rows(table, 0, 1, data)


def entity(**columns):
    return {"kind": "entity", "type": "PER", "name": "x", "aliases": [], "mentions": 1} | columns


def relation(**columns):
    return {
        "subject_kind": "entity",
        "object_kind": "value" if "object_datatype" in columns else "entity",
        "evidence_count": 1,
        "document_count": 1,
        "confidence": 0.5,
    } | columns


def read_both(data, suffix="ttl"):
    """The quads of a file, read strictly by both libraries, as sets that must agree."""
    format_ = pyoxigraph.RdfFormat.from_extension(suffix)
    graph = rdflib.Dataset(default_union=True) if suffix == "trig" else rdflib.Graph()
    graph.parse(data=data, format=RDFLIB_FORMATS[suffix])
    for *_, term in graph.triples((None, None, None)):
        assert not getattr(term, "ill_typed", False), term
    # Compared as one text: the libraries differ in how they write a literal.
    ours = {
        tuple(map(_spelt, (q.subject, q.predicate, q.object)))
        for q in pyoxigraph.parse(data, format=format_)
    }
    theirs = {tuple(map(_spelt, triple)) for triple in graph.triples((None, None, None))}
    assert ours == theirs
    return graph


def _spelt(term):
    if isinstance(term, pyoxigraph.NamedNode):
        return term.value
    if isinstance(term, pyoxigraph.Literal):
        datatype = term.datatype.value
        return (term.value, "" if datatype == str(rdflib.XSD.string) else datatype, term.language)
    if isinstance(term, pyoxigraph.BlankNode | rdflib.BNode):
        return "_"
    if isinstance(term, rdflib.Literal):
        datatype = str(term.datatype or "")
        datatype = str(rdflib.RDF.langString) if term.language else datatype
        datatype = "" if datatype == str(rdflib.XSD.string) else datatype
        return (str(term), datatype, term.language)
    return str(term)


def content(path: Path) -> tuple[bytes, str]:
    """What a file holds, and the suffix that says its format."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data), path.suffixes[-2][1:]
    return data, path.suffix[1:]


def quads(folder: Path) -> list[pyoxigraph.Quad]:
    """All that stands in the shards of a folder, by pyoxigraph; vocabulary aside."""
    found = []
    for path in sorted(Path(folder).glob("*-of-*")):
        data, suffix = content(path)
        format_ = pyoxigraph.RdfFormat.from_extension(suffix)
        found += pyoxigraph.parse(data, format=format_)
    return found
