"""Where facts come from, as RDF: statements about them, their evidence, and documents.

```
statement:S  a rdf:Statement ;  rdf:subject ... ;  term:confidence 0.93 ;
             prov:wasDerivedFrom document:D ;  term:evidence evidence:T .
evidence:T   a oa:SpecificResource ;  oa:hasSource document:D ;  term:score 0.8 ;
             oa:hasSelector selector:T-position , selector:T-quote .
```

A statement is named by its relation's id and evidence by its triple's id, so that tables
and RDF lead to each other. RDF 1.2 has `rdf:reifies <<( s p o )>>` for the same IRIs in
place of four triples.
"""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
import pyoxigraph

from pfn_kg.schemas.characters import xml_text
from pfn_kg.schemas.choices import Provenance
from pfn_kg.sinks.rdf.facts import facts
from pfn_kg.sinks.rdf.names import DCTERMS, FOAF, OA, PROV, RDF, XSD, RdfNames
from pfn_kg.sinks.rdf.ntriples import TEXT, RowLines, iri, iris, join, literals, numbers, text

_DECIMAL, _INTEGER = f"{XSD}decimal", f"{XSD}integer"
_OFFSET = f"{XSD}nonNegativeInteger"


def statement_lines(relations: pa.Table, names: RdfNames, provenance: Provenance) -> RowLines:
    """A node for each relation, and what is known of it.

    Args:
        relations: rows of the table `relations`, as in `facts`.
        names: of the graph.
        provenance: `statement` or `rdf12`.
    """
    rows = RowLines(iris(names.statement, relations["relation_id"]))
    said = facts(relations, names).terms
    if provenance == "rdf12":
        space = text(" ")
        triple = join(text("<<( "), said[0], space, said[1], space, said[2], text(" )>>"))
        rows.add(f"{RDF}reifies", triple)
    else:
        rows.add(f"{RDF}type", iri(f"{RDF}Statement"))
        for name, term in zip(("subject", "predicate", "object"), said, strict=True):
            rows.add(f"{RDF}{name}", term)
    rows.add(f"{names.term}confidence", numbers(relations["confidence"], _DECIMAL))
    rows.add(f"{names.term}evidenceCount", numbers(relations["evidence_count"], _INTEGER))
    rows.add(f"{names.term}documentCount", numbers(relations["document_count"], _INTEGER))
    add_corrections(rows, relations, names)
    return rows


def add_corrections(lines: RowLines, rows: pa.Table, names: RdfNames) -> None:
    """Adds who corrected entities or facts, when and why, where somebody did.

    Args:
        lines: of the rows.
        rows: of the table `entities` or `relations`.
        names: of the graph.
    """
    if is_corrected(rows):
        lines.add(f"{names.term}correction", literals(rows["corrected"]))
        lines.add(f"{names.term}correctedBy", literals(rows["corrected_by"]))
        times = literals(rows["corrected_at"], datatype=f"{XSD}dateTime")
        lines.add(f"{names.term}correctedAt", times)
        lines.add(f"{names.term}correctionNote", literals(rows["correction_note"]))


def is_corrected(rows: pa.Table) -> bool:
    """Whether rows of a table say who corrected them."""
    return "corrected" in rows.column_names


def evidence_lines(triples: pa.Table, names: RdfNames, graph: pa.Array | None) -> RowLines:
    """What each piece of evidence quotes, and from where.

    Args:
        triples: rows of the table `triples`, as in `facts`.
        names: of the graph.
        graph: the document of each row where that is a named graph; None is the default graph.
    """
    statement = iris(names.statement, triples["relation_id"])
    evidence = iris(names.evidence, triples["triple_id"])
    ids = triples["triple_id"].cast(TEXT).combine_chunks()
    position = iris(names.selector, join(ids, text("-position")))
    quote = iris(names.selector, join(ids, text("-quote")))
    document = document_terms(triples["document_id"], names)
    rows = RowLines(evidence, graph)
    rows.add(f"{PROV}wasDerivedFrom", document, subject=statement)
    rows.add(f"{names.term}evidence", evidence, subject=statement)
    rows.add(f"{RDF}type", iri(f"{OA}SpecificResource"))
    rows.add(f"{OA}hasSource", document)
    rows.add(f"{OA}hasSelector", position)
    rows.add(f"{OA}hasSelector", quote)
    rows.add(f"{names.term}score", numbers(triples["score"], _DECIMAL))
    rows.add(f"{RDF}type", iri(f"{OA}TextPositionSelector"), subject=position)
    rows.add(f"{OA}start", numbers(triples["evidence_begin"], _OFFSET), subject=position)
    rows.add(f"{OA}end", numbers(triples["evidence_end"], _OFFSET), subject=position)
    rows.add(f"{RDF}type", iri(f"{OA}TextQuoteSelector"), subject=quote)
    rows.add(f"{OA}exact", literals(triples["evidence_text"]), subject=quote)
    return rows


def document_terms(ids: pa.ChunkedArray, names: RdfNames) -> pa.Array:
    """The IRIs of documents, which are the names of their graphs too."""
    encoded = ids.combine_chunks().dictionary_encode()
    known = [f"<{names.document_iri(id_)}>" for id_ in encoded.dictionary.to_pylist()]
    return pa.array(known, TEXT).take(encoded.indices)


def document_lines(documents: pa.Table, names: RdfNames, language: str | None) -> RowLines:
    """Title, source and metadata of documents.

    Args:
        documents: rows of the table `documents`.
        names: of the graph.
        language: tag of their titles.
    """
    document_lines = RowLines(document_terms(documents["document_id"], names))
    document_lines.add(f"{RDF}type", iri(f"{FOAF}Document"))
    document_lines.add(f"{DCTERMS}identifier", literals(documents["document_id"]))
    document_lines.add(f"{DCTERMS}title", literals(documents["title"], language))
    document_lines.add(f"{names.term}sourceFile", literals(documents["source_file"]))
    document_lines.add(f"{names.term}sourceRow", numbers(documents["source_row"], _INTEGER))
    rows: list[int] = []
    properties: list[str] = []
    terms: list[str] = []
    for row, metadata in enumerate(documents["metadata"].to_pylist()):
        for name, value in sorted(orjson.loads(metadata).items()) if metadata else ():
            for term in _metadata_terms(value):
                rows.append(row)
                properties.append(names.metadata_iri(name))
                terms.append(term)
    document_lines.add_many(
        pa.array(rows, pa.int64()), pa.array(properties, TEXT), pa.array(terms, TEXT)
    )
    return document_lines


def _metadata_terms(value: Any) -> list[str]:
    """A value of JSON as literals, those of a list one by one; what has parts stays JSON."""
    values = value if isinstance(value, list) else [value]
    return sorted({str(_metadata_literal(item)) for item in values if item is not None})


def _metadata_literal(value: Any) -> pyoxigraph.Literal:
    if isinstance(value, dict | list):
        return pyoxigraph.Literal(xml_text(orjson.dumps(value).decode()))
    return pyoxigraph.Literal(xml_text(value) if isinstance(value, str) else value)
