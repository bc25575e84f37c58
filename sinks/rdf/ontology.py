"""The label schema as an ontology: classes and properties, with names and descriptions.

Argument types are documentation (`schema:domainIncludes`): rdfs:domain would entail
a type, and several would entail all of them. Constraints are in the shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rdflib import OWL, RDF, RDFS, SH, SKOS, VOID, XSD, Graph, Literal, Namespace, URIRef

from pfn_kg.schemas.characters import xml_text
from pfn_kg.schemas.datatypes import MONEY, OF_NUMBERS, OF_TIMES, datatype_iri
from pfn_kg.schemas.label_schema import EntityType, LabelSchema, RelationType
from pfn_kg.sinks.rdf.names import RdfNames

_SCHEMA = Namespace("https://schema.org/")
_NUMBERS = ("xsd:decimal", "xsd:integer")

#: Properties that any graph may have: what they mean, and the datatype of their objects.
_TERMS = {
    "confidence": ("How sure it is that the fact holds, from all its evidence", XSD.decimal),
    "evidence": ("A piece of text that says the fact", None),
    "evidenceCount": ("How many pieces of evidence there are", XSD.integer),
    "documentCount": ("How many documents say the fact", XSD.integer),
    "score": ("How sure the model was of this piece of evidence", XSD.decimal),
    "sourceFile": ("The file that the document was read from", XSD.string),
    "sourceRow": ("The row of that file, from 0", XSD.integer),
}
#: Those of facts that have no other provenance than who corrected them.
_OF_STATEMENTS = ("confidence", "evidenceCount", "documentCount")
#: Those of a graph that people corrected.
_CORRECTION_TERMS = {
    "correction": ("What a person corrected: the kind of the correction", XSD.string),
    "correctedBy": ("Who corrected it", XSD.string),
    "correctedAt": ("When it was corrected", XSD.dateTime),
    "correctionNote": ("Why it was corrected", XSD.string),
}


def ontology_turtle(
    names: RdfNames, provenance: bool = False, counts: Mapping[str, int] | None = None
) -> bytes:
    """Classes of entities and properties, as an OWL ontology.

    Args:
        names: of the graph.
        provenance: whether there are documents and evidence in it.
        counts: what the sink counted; says which texts and metadata there are.
    """
    graph = vocabulary_graph(names)
    counts = counts or {}
    graph.add((URIRef(names.ontology), RDF.type, OWL.Ontology))
    for type_ in names.label_schema.entity_types:
        if type_.kind == "value":
            continue
        node = URIRef(names.classes[type_.name])
        graph.add((node, RDF.type, OWL.Class))
        _describe(graph, node, type_.name, type_.description)
    if any(t.datatype in _NUMBERS for t in names.label_schema.entity_types):
        node = URIRef(datatype_iri(MONEY, names.term))
        graph.add((node, RDF.type, RDFS.Datatype))
        comment = (
            "An amount of money: a decimal, a space, and the ISO 4217 code of the currency, or "
            "its sign where the text says no more and several currencies have it."
        )
        _describe(graph, node, "money", comment)
    for relation in names.label_schema.relations:
        _add_property(graph, names, relation)
        _add_text_property(graph, names, relation, counts)
    has_corrections = bool(counts.get(f"property:{names.term}correction"))
    if provenance or has_corrections:
        terms = _TERMS if provenance else {name: _TERMS[name] for name in _OF_STATEMENTS}
        _add_terms(graph, names, terms | (_CORRECTION_TERMS if has_corrections else {}))
    if provenance:
        _add_metadata(graph, names, counts)
    return turtle(graph)


def _describe(graph: Graph, node: URIRef, name: str, description: str | None) -> None:
    graph.add((node, RDFS.label, Literal(xml_text(_spelt(name)))))
    if description:
        graph.add((node, RDFS.comment, Literal(xml_text(description))))


def _spelt(name: str) -> str:
    """A name for people: words rather than an identifier."""
    return " ".join(name.replace("_", " ").split()) or name


def _add_property(graph: Graph, names: RdfNames, relation: RelationType) -> None:
    node = URIRef(names.properties[relation.name])
    graph.add((node, RDF.type, RDF.Property))
    schema = names.label_schema
    kinds = {schema.entity_type(pair.object).kind for pair in relation.arguments}
    # With things and literals among its objects it is neither.
    if kinds == {"entity"}:
        graph.add((node, RDF.type, OWL.ObjectProperty))
    elif kinds == {"value"}:
        graph.add((node, RDF.type, OWL.DatatypeProperty))
    _describe(graph, node, relation.name, relation.description)
    own = schema.relation_iri(relation.name)
    for match in (own, *relation.exact_match):
        if match != str(node):
            graph.add((node, SKOS.exactMatch, URIRef(match)))
    if relation.symmetric:
        graph.add((node, RDF.type, OWL.SymmetricProperty))
    elif relation.inverse is not None:
        graph.add((node, OWL.inverseOf, URIRef(names.properties[relation.inverse])))
    for pair in relation.arguments:
        subject = schema.entity_type(pair.subject)
        if subject.kind == "entity":
            graph.add((node, _SCHEMA.domainIncludes, URIRef(names.classes[subject.name])))
        for range_ in ranges(names, schema.entity_type(pair.object)):
            graph.add((node, _SCHEMA.rangeIncludes, range_))


def ranges(names: RdfNames, type_: EntityType) -> Iterator[URIRef]:
    """The class of an entity type, or the datatypes that values of a value type can have."""
    if type_.kind == "entity":
        yield URIRef(names.classes[type_.name])
    elif type_.datatype == "xsd:string":
        yield XSD.string
    else:
        # A date is as exact as the text says it, and a number has the unit that it has there.
        datatypes = OF_NUMBERS if type_.datatype in _NUMBERS else OF_TIMES
        yield from (URIRef(datatype_iri(name, names.term)) for name in datatypes)


def _add_text_property(
    graph: Graph, names: RdfNames, relation: RelationType, counts: Mapping[str, int]
) -> None:
    if not may_have_texts(names.label_schema, relation) and not counts.get(
        f"property:{names.text_properties[relation.name]}"
    ):
        return
    node = URIRef(names.text_properties[relation.name])
    graph.add((node, RDF.type, RDF.Property))
    graph.add((node, RDF.type, OWL.DatatypeProperty))
    comment = (
        f"As {_spelt(relation.name)}, where the text says no date or number that could be read."
    )
    _describe(graph, node, f"{relation.name} (text)", comment)
    graph.add((node, RDFS.seeAlso, URIRef(names.properties[relation.name])))
    graph.add((node, _SCHEMA.rangeIncludes, XSD.string))


def may_have_texts(schema: LabelSchema, relation: RelationType) -> bool:
    """Whether objects of a relation are values that a text may fail to say."""
    objects = (schema.entity_type(pair.object) for pair in relation.arguments)
    return any(o.kind == "value" and o.datatype != "xsd:string" for o in objects)


def _add_terms(
    graph: Graph, names: RdfNames, terms: Mapping[str, tuple[str, URIRef | None]]
) -> None:
    for name, (comment, datatype) in terms.items():
        node = URIRef(f"{names.term}{name}")
        graph.add((node, RDF.type, RDF.Property))
        graph.add(
            (node, RDF.type, OWL.ObjectProperty if datatype is None else OWL.DatatypeProperty)
        )
        words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
        _describe(graph, node, words, comment)
        if datatype is not None:
            graph.add((node, _SCHEMA.rangeIncludes, datatype))


def _add_metadata(graph: Graph, names: RdfNames, counts: Mapping[str, int]) -> None:
    for iri in counts:
        if iri.startswith(f"property:{names.metadata}"):
            node = URIRef(iri.removeprefix("property:"))
            graph.add((node, RDF.type, RDF.Property))
            graph.add((node, RDF.type, OWL.DatatypeProperty))
            _describe(graph, node, names.metadata_column(str(node)), "Metadata of a document")


def vocabulary_graph(names: RdfNames) -> Graph:
    """An empty graph with the prefixes of the files beside it, and of vocabularies."""
    graph = Graph(bind_namespaces="none")
    for prefix, namespace in names.prefixes().items():
        graph.bind(prefix, namespace)
    for prefix, known in (("owl", OWL), ("schema", _SCHEMA), ("sh", SH), ("void", VOID)):
        graph.bind(prefix, known)
    return graph


def turtle(graph: Graph) -> bytes:
    """A small graph as Turtle."""
    return graph.serialize(format="turtle", encoding="utf-8")
