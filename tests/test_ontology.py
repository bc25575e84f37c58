"""The vocabulary says what the label schema says."""

import os
import subprocess
import sys

from extraction_folders import LABEL_SCHEMA
from rdflib import OWL, RDF, RDFS, SH, SKOS, VOID, XSD, Graph, Literal, Namespace, URIRef

from sinks.ontology import ontology_turtle, shapes_turtle, void_turtle

SCHEMA = Namespace("https://schema.org/")
TYPE = Namespace("https://example.org/kg/type/")
RELATION = Namespace("https://example.org/kg/relation/")


def read(data):
    return Graph().parse(data=data, format="turtle")


def test_ontology():
    graph = read(ontology_turtle(LABEL_SCHEMA))
    # Values are literals: their types are no classes.
    assert set(graph.subjects(RDF.type, OWL.Class)) == {TYPE.per, TYPE.loc}
    assert graph.value(TYPE.per, RDFS.comment) == Literal("People.")
    born = RELATION.place_of_birth
    assert graph.value(born, RDFS.label) == Literal("place of birth")
    assert graph.value(born, SKOS.exactMatch) == URIRef("http://www.wikidata.org/prop/direct/P19")
    assert graph.value(born, SCHEMA.domainIncludes) == TYPE.per
    assert graph.value(born, SCHEMA.rangeIncludes) == TYPE.loc
    assert graph.value(RELATION.date_of_birth, SCHEMA.rangeIncludes) == XSD.date
    assert (RELATION.spouse, RDF.type, OWL.SymmetricProperty) in graph
    # They would entail types.
    assert not list(graph.triples((None, RDFS.domain, None)))


def test_shapes():
    graph = read(shapes_turtle(LABEL_SCHEMA))
    shape = graph.value(predicate=SH.targetSubjectsOf, object=RELATION.place_of_birth)
    assert graph.value(shape, SH.property / SH.maxCount).toPython() == 1
    assert graph.value(shape, SH["or"] / RDF.first / SH["class"]) == TYPE.per
    assert graph.value(shape, SH.property / SH["or"] / RDF.first / SH["class"]) == TYPE.loc


def test_void():
    graph = read(void_turtle(LABEL_SCHEMA, triples=7, entities=2))
    (node,) = graph.subjects(RDF.type, VOID.Dataset)
    assert graph.value(node, VOID.triples).toPython() == 7
    assert graph.value(node, VOID.entities).toPython() == 2


def test_same_bytes_in_every_process():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from extraction_folders import LABEL_SCHEMA as s\n"
        "from sinks.ontology import *\n"
        "sys.stdout.buffer.write(ontology_turtle(s) + shapes_turtle(s))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
