"""Statistics of a graph in the vocabulary VoID.

They tell a person, or a program that prompts a model, which classes and properties exist,
how often they are used, and what an entity looks like.
"""

from __future__ import annotations

from collections.abc import Mapping

from rdflib import OWL, RDF, RDFS, SKOS, VOID, XSD, Literal, URIRef
from rdflib.term import BNode

from pfn_kg.sinks.rdf.names import DCTERMS, FOAF, OA, PROV, RdfNames
from pfn_kg.sinks.rdf.ontology import turtle, vocabulary_graph

_EXAMPLES = 3
_FORMATS = {"turtle": "Turtle", "ntriples": "N-Triples", "trig": "TriG"}
_VOCABULARIES = (str(OWL), str(RDF), str(RDFS), str(SKOS), DCTERMS, FOAF, OA, PROV)


def void_turtle(names: RdfNames, counts: Mapping[str, int], format_: str = "turtle") -> bytes:
    """A description of the data set.

    Args:
        names: of the graph.
        counts: what `RdfSink` counted, `class:IRI`, `property:IRI` and `example:IRI` among it.
        format_: of the files.
    """
    graph = vocabulary_graph(names)
    node = URIRef(names.dataset)
    classes = _grouped(counts, "class")
    properties = _grouped(counts, "property")
    graph.add((node, RDF.type, VOID.Dataset))
    for property_, count in (
        (VOID.triples, counts.get("rdf_triples", 0)),
        (VOID.entities, counts.get("rdf_entities", 0)),
        (VOID.distinctSubjects, counts.get("rdf_subjects", 0)),
        (VOID.classes, len(classes)),
        (VOID.properties, len(properties)),
    ):
        graph.add((node, property_, Literal(count, datatype=XSD.integer)))
    if "rdf_documents" in counts:
        graph.add((node, VOID.documents, Literal(counts["rdf_documents"])))
    graph.add((node, VOID.uriSpace, Literal(names.entity)))
    feature = f"http://www.w3.org/ns/formats/{_FORMATS[format_]}"
    graph.add((node, VOID.feature, URIRef(feature)))
    graph.add((node, VOID.vocabulary, URIRef(names.ontology)))
    for vocabulary in _VOCABULARIES:
        if any(iri.startswith(vocabulary) for iri in properties):
            graph.add((node, VOID.vocabulary, URIRef(vocabulary)))
    examples = sorted(_grouped(counts, "example").items(), key=lambda e: (-e[1], e[0]))
    for iri, _ in examples[:_EXAMPLES]:
        graph.add((node, VOID.exampleResource, URIRef(iri)))
    for number, (iri, count) in enumerate(classes.items()):
        part = BNode(f"c{number:06d}")
        graph.add((node, VOID.classPartition, part))
        graph.add((part, VOID["class"], URIRef(iri)))
        graph.add((part, VOID.entities, Literal(count)))
    for number, (iri, count) in enumerate(properties.items()):
        part = BNode(f"p{number:06d}")
        graph.add((node, VOID.propertyPartition, part))
        graph.add((part, VOID.property, URIRef(iri)))
        graph.add((part, VOID.triples, Literal(count)))
    return turtle(graph)


def _grouped(counts: Mapping[str, int], group: str) -> dict[str, int]:
    prefix = f"{group}:"
    return {
        name.removeprefix(prefix): count
        for name, count in sorted(counts.items())
        if name.startswith(prefix)
    }
