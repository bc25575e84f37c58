"""Entities and relations as RDF, without their provenance.

```
entity:E  a type:T ;  rdfs:label "name" ;  skos:altLabel "other name" ;  owl:sameAs <IRI> .
entity:E  relation:R  entity:F .
entity:E  relation:R  "2004-05-04"^^xsd:date .
entity:E  relation:R-text  "early in the war" .
```
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.datatypes import XSD, datatype_iri
from pfn_kg.sinks.columns import translate
from pfn_kg.sinks.rdf.names import OWL, RDF, RDFS, SKOS, RdfNames
from pfn_kg.sinks.rdf.ntriples import (
    TEXT,
    RowLines,
    column,
    escape,
    iris,
    join,
    lines,
    literals,
    text,
)


class Facts(NamedTuple):
    """The RDF triples that rows of relations, or of their evidence, say.

    Attributes:
        subject: terms, as in N-Triples.
        predicate: IRIs, without the brackets.
        object: terms; `object` is a word of Python and of RDF.
    """

    subject: pa.Array
    predicate: pa.Array
    object: pa.Array

    def lines(self, graph: pa.Array | None = None) -> pa.Array:
        """A line of N-Triples, or of N-Quads, a row."""
        return lines(*self.terms, graph)

    @property
    def terms(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """All three as terms."""
        return self.subject, join(text("<"), self.predicate, text(">")), self.object


def entity_lines(entities: pa.Table, names: RdfNames, language: str | None) -> RowLines:
    """Class and names of entities.

    Args:
        entities: rows of the table `entities` that are no values.
        names: of the graph.
        language: tag of their names.
    """
    own = iris(names.entity, entities["entity_id"])
    elsewhere = _elsewhere(entities["same_as"])
    is_called_otherwise = names.alias_iris == "subject"
    rows = RowLines(pc.coalesce(elsewhere, own) if is_called_otherwise else own)
    classes = {type_: f"<{iri}>" for type_, iri in names.classes.items()}
    rows.add(f"{RDF}type", column(translate(entities["type"], classes)))
    rows.add(f"{RDFS}label", literals(entities["name"], language))
    if elsewhere.null_count < len(elsewhere):
        # Either way the one leads to the other.
        nothing = pa.scalar(None, TEXT)
        linked = pc.if_else(pc.is_valid(elsewhere), own, nothing)
        rows.add(f"{OWL}sameAs", linked if is_called_otherwise else elsewhere)
    aliases = entities["aliases"].combine_chunks()
    row = pc.list_parent_indices(aliases)
    predicate = pa.repeat(text(f"{SKOS}altLabel"), len(row))
    rows.add_many(row, predicate, literals(pc.list_flatten(aliases), language))
    return rows


def facts(rows: pa.Table, names: RdfNames) -> Facts:
    """What rows of `relations` or `triples` say.

    A value stands under the relation's property as a literal of its datatype. One that
    is not of the kind its type declares, such as a date that says "early in the war",
    stands as plain text under a property of its own: a property with dates has only dates.

    Args:
        rows: with `pfn_kg.schemas.joined_columns.JOINED_COLUMNS`; all subjects are entities.
        names: of the graph.
    """
    of_triples = "relation" in rows.column_names
    subject, predicate, object_ = (
        ("subject_entity_id", "relation", "object_entity_id")
        if of_triples
        else ("subject_id", "predicate", "object_id")
    )
    relation = rows[predicate]
    plain = [t.name for t in names.label_schema.entity_types if t.datatype == "xsd:string"]
    is_text = pc.and_(
        pc.fill_null(pc.equal(rows["object_datatype"], "xsd:string"), False),
        pc.invert(pc.is_in(rows["object_type"], value_set=pa.array(plain, pa.string()))),
    )
    properties = translate(relation, names.properties)
    if pc.any(is_text).as_py():
        properties = pc.if_else(is_text, translate(relation, names.text_properties), properties)
    return Facts(
        entity_terms(rows[subject], rows["subject_same_as"], names),
        column(properties),
        pc.coalesce(
            _values(rows, names), entity_terms(rows[object_], rows["object_same_as"], names)
        ),
    )


def entity_terms(ids: pa.ChunkedArray, same_as: pa.ChunkedArray, names: RdfNames) -> pa.Array:
    """What entities are called.

    Args:
        ids: of the entities.
        same_as: their IRIs elsewhere, or null.
        names: of the graph.
    """
    own = iris(names.entity, ids)
    if names.alias_iris != "subject" or same_as.null_count == len(same_as):
        return own
    return pc.coalesce(_elsewhere(same_as), own)


def _elsewhere(same_as: pa.ChunkedArray | pa.Array) -> pa.Array:
    return join(text("<"), column(same_as), text(">"))


def _values(rows: pa.Table, names: RdfNames) -> pa.Array:
    """Literals; null where the object is an entity."""
    datatypes = pc.unique(rows["object_datatype"])
    ends = [
        None if name is None else f'"^^<{datatype_iri(name, names.term)}>'
        for name in datatypes.to_pylist()
    ]
    ends = ['"' if end == f'"^^<{XSD}string>' else end for end in ends]
    index = pc.index_in(rows["object_datatype"], value_set=datatypes)
    end = pa.array(ends, TEXT).take(index.combine_chunks())
    return join(text('"'), escape(rows["object_value"]), end)


def distinct_lines(facts: Facts, graph: pa.Array | None = None) -> pa.Table:
    """Lines and predicates of facts, sorted by graph, subject, predicate and object.

    Two rows may say the same: in two documents, or of two relations under one IRI.

    Returns:
        Columns `line` and `predicate`.
    """
    keys = [("line", "ascending")]
    columns = {"line": facts.lines(graph), "predicate": facts.predicate}
    if graph is not None:
        # A line ends with its graph, and a graph shall stand together.
        columns["graph"] = graph
        keys.insert(0, ("graph", "ascending"))
    rows = pa.table(columns).sort_by(keys).combine_chunks()
    if len(rows):
        line = rows["line"]
        is_new = np.ones(len(rows), dtype=bool)
        is_new[1:] = pc.not_equal(line[1:], line[:-1]).to_numpy()
        rows = rows.filter(pa.array(is_new))
    return rows.select(["line", "predicate"])
