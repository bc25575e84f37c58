"""The label schema as an ontology, SHACL shapes and a description of the data set.

Argument types are documentation (`schema:domainIncludes`): rdfs:domain would entail
a type, and several would entail all of them. What may not be stands in the shapes.
"""

from __future__ import annotations

from rdflib import OWL, RDF, RDFS, SH, SKOS, VOID, XSD, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.term import BNode, Node

from schemas.label_schema import EntityType, LabelSchema, RelationType
from sinks.rdf import prefixes

_SCHEMA = Namespace("https://schema.org/")


def ontology_turtle(label_schema: LabelSchema) -> bytes:
    """Classes of entities, datatypes of values and properties, as an OWL ontology."""
    graph = _graph(label_schema)
    graph.add((URIRef(f"{label_schema.base_iri}ontology"), RDF.type, OWL.Ontology))
    for type_ in label_schema.entity_types:
        if type_.kind == "value":
            continue
        node = URIRef(label_schema.type_iri(type_.name))
        graph.add((node, RDF.type, OWL.Class))
        graph.add((node, RDFS.label, Literal(type_.name)))
        if type_.description:
            graph.add((node, RDFS.comment, Literal(type_.description)))
    for relation in label_schema.relations:
        _add_property(graph, label_schema, relation)
    return _turtle(graph)


def _add_property(graph: Graph, label_schema: LabelSchema, relation: RelationType) -> None:
    node = URIRef(label_schema.relation_iri(relation.name))
    # Its objects may be things and literals: neither object nor datatype property.
    graph.add((node, RDF.type, RDF.Property))
    graph.add((node, RDFS.label, Literal(relation.name)))
    if relation.description:
        graph.add((node, RDFS.comment, Literal(relation.description)))
    for match in relation.exact_match:
        graph.add((node, SKOS.exactMatch, URIRef(match)))
    if relation.symmetric:
        graph.add((node, RDF.type, OWL.SymmetricProperty))
    elif relation.inverse is not None:
        graph.add((node, OWL.inverseOf, URIRef(label_schema.relation_iri(relation.inverse))))
    for pair in relation.arguments:
        subject = label_schema.entity_type(pair.subject)
        if subject.kind == "entity":
            graph.add((node, _SCHEMA.domainIncludes, _range(label_schema, subject)))
        object_ = label_schema.entity_type(pair.object)
        graph.add((node, _SCHEMA.rangeIncludes, _range(label_schema, object_)))


def _range(label_schema: LabelSchema, type_: EntityType) -> URIRef:
    """The class of an entity type, or the datatype of a value type."""
    if type_.kind == "entity":
        return URIRef(label_schema.type_iri(type_.name))
    return XSD[(type_.datatype or "xsd:string").removeprefix("xsd:")]


def shapes_turtle(label_schema: LabelSchema) -> bytes:
    """SHACL: each relation holds between types it was given, as often as it may."""
    graph = _graph(label_schema)
    for relation in label_schema.relations:
        iri = label_schema.relation_iri(relation.name)
        shape = URIRef(f"{iri}/shape")
        property_ = URIRef(f"{iri}/shape/object")
        graph.add((shape, RDF.type, SH.NodeShape))
        graph.add((shape, SH.targetSubjectsOf, URIRef(iri)))
        graph.add((shape, SH.property, property_))
        graph.add((property_, RDF.type, SH.PropertyShape))
        graph.add((property_, SH.path, URIRef(iri)))
        if relation.max_objects is not None:
            graph.add((property_, SH.maxCount, Literal(relation.max_objects)))
        pairs = [
            (label_schema.entity_type(a.subject), label_schema.entity_type(a.object))
            for a in relation.arguments
        ]
        _one_of(graph, label_schema, shape, [s for s, _ in pairs if s.kind == "entity"])
        _one_of(graph, label_schema, property_, [o for _, o in pairs])
    return _turtle(graph)


def _one_of(
    graph: Graph, label_schema: LabelSchema, shape: URIRef, types: list[EntityType]
) -> None:
    choices: list[Node] = []
    for type_ in sorted({t.name: t for t in types}.values(), key=lambda t: t.name):
        choice = BNode()
        if type_.kind == "entity":
            graph.add((choice, SH["class"], URIRef(label_schema.type_iri(type_.name))))
        else:
            # What does not parse as its datatype is a string.
            graph.add((choice, SH.nodeKind, SH.Literal))
        choices.append(choice)
    if choices:
        items = BNode()
        Collection(graph, items, choices)
        graph.add((shape, SH["or"], items))


def void_turtle(label_schema: LabelSchema, *, triples: int, entities: int) -> bytes:
    """A description of the data set: sizes and vocabulary (VoID).

    Args:
        label_schema: of the graph.
        triples: number of RDF triples in all shards.
        entities: number of entities, values aside.
    """
    graph = _graph(label_schema)
    node = URIRef(f"{label_schema.base_iri}dataset")
    graph.add((node, RDF.type, VOID.Dataset))
    graph.add((node, VOID.triples, Literal(triples)))
    graph.add((node, VOID.entities, Literal(entities)))
    graph.add((node, VOID.uriSpace, Literal(f"{label_schema.base_iri}entity/")))
    graph.add((node, VOID.vocabulary, URIRef(f"{label_schema.base_iri}ontology")))
    return _turtle(graph)


def _graph(label_schema: LabelSchema) -> Graph:
    graph = Graph(bind_namespaces="none")
    for prefix, namespace in prefixes(label_schema.base_iri).items():
        graph.bind(prefix, namespace)
    for prefix, known in (("owl", OWL), ("schema", _SCHEMA), ("sh", SH), ("void", VOID)):
        graph.bind(prefix, known)
    return graph


def _turtle(graph: Graph) -> bytes:
    return graph.serialize(format="turtle", encoding="utf-8")
