"""The vocabulary says what the label schema says, and the shapes tell a broken graph."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import rdflib
from hypothesis import given
from hypothesis import strategies as st
from pyshacl import validate
from rdflib import OWL, PROV, RDF, RDFS, SH, SKOS, VOID, XSD, Graph, Literal, Namespace, URIRef

from helpers.examples import examples
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import graph_folder
from helpers.rdf_graphs import entity, read_both, relation, rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.rdf.names import RdfNames
from pfn_kg.sinks.rdf.ontology import ontology_turtle
from pfn_kg.sinks.rdf.shapes import shapes_turtle
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.sinks.rdf.void import void_turtle

pytestmark = pytest.mark.quick

SCHEMA = Namespace("https://schema.org/")
KG = Namespace("https://example.org/kg/")
TYPE = Namespace("https://example.org/kg/type/")
RELATION = Namespace("https://example.org/kg/relation/")
NAMES = RdfNames(LABEL_SCHEMA)


def read(data):
    return Graph().parse(data=data, format="turtle")


def test_ontology():
    graph = read(ontology_turtle(NAMES))
    # Values are literals: their types are no classes.
    assert set(graph.subjects(RDF.type, OWL.Class)) == {TYPE.per, TYPE.loc}
    assert graph.value(TYPE.per, RDFS.comment) == Literal("People.")
    born = RELATION.place_of_birth
    assert graph.value(born, RDFS.label) == Literal("place of birth")
    assert graph.value(born, SKOS.exactMatch) == URIRef("http://www.wikidata.org/prop/direct/P19")
    assert graph.value(born, SCHEMA.domainIncludes) == TYPE.per
    assert graph.value(born, SCHEMA.rangeIncludes) == TYPE.loc
    assert (born, RDF.type, OWL.ObjectProperty) in graph
    dates = set(graph.objects(RELATION.date_of_birth, SCHEMA.rangeIncludes))
    periods = {URIRef("http://id.loc.gov/datatypes/edtf/EDTF"), XSD.duration}
    assert dates == {XSD.date, XSD.gYearMonth, XSD.gYear} | periods
    assert (RELATION.date_of_birth, RDF.type, OWL.DatatypeProperty) in graph
    assert (RELATION["date_of_birth-text"], RDF.type, OWL.DatatypeProperty) in graph
    assert (RELATION.spouse, RDF.type, OWL.SymmetricProperty) in graph
    # They would entail types.
    assert not list(graph.triples((None, RDFS.domain, None)))
    assert not list(graph.triples((None, RDFS.range, None)))


def test_an_inverse_is_the_property_of_things():
    schema = LabelSchema.from_dict(
        {
            "base_iri": str(KG),
            "entity_types": [{"name": "LOC"}],
            "relations": [{"name": "part of", "inverse": "has part"}, {"name": "has part"}],
        }
    )
    graph = read(ontology_turtle(RdfNames(schema)))
    assert set(graph.subject_objects(OWL.inverseOf)) == {(RELATION.part_of, RELATION.has_part)}


def test_ontology_has_the_metadata_that_there_is():
    columns = {"year of issue": 3, "ü/%": 1}
    counts = {f"property:{NAMES.metadata_iri(name)}": n for name, n in columns.items()}
    graph = read(ontology_turtle(NAMES, provenance=True, counts=counts))
    labels = {str(graph.value(s, RDFS.label)) for s in graph.subjects() if "/metadata/" in str(s)}
    assert labels == set(columns)
    assert (URIRef(f"{KG}term/confidence"), RDF.type, OWL.DatatypeProperty) in graph


def test_shapes():
    graph = read(shapes_turtle(NAMES))
    shape = graph.value(predicate=SH.targetSubjectsOf, object=RELATION.place_of_birth)
    assert graph.value(shape, SH.property / SH.maxCount).toPython() == 1
    assert graph.value(shape, SH["or"] / RDF.first / SH["class"]) == TYPE.per
    assert graph.value(shape, SH.property / SH["or"] / RDF.first / SH["class"]) == TYPE.loc


def test_void():
    counts = {
        "rdf_triples": 7,
        "rdf_entities": 2,
        "rdf_subjects": 2,
        f"class:{TYPE.per}": 2,
        f"property:{RELATION.spouse}": 4,
        f"example:{KG['entity/0a']}": 9,
        f"example:{KG['entity/0b']}": 3,
    }
    graph = read(void_turtle(NAMES, counts))
    (node,) = graph.subjects(RDF.type, VOID.Dataset)
    assert graph.value(node, VOID.triples).toPython() == 7
    assert graph.value(node, VOID.entities).toPython() == 2
    part = graph.value(predicate=VOID["class"], object=TYPE.per)
    assert (node, VOID.classPartition, part) in graph
    assert graph.value(part, VOID.entities).toPython() == 2
    part = graph.value(predicate=VOID.property, object=RELATION.spouse)
    assert graph.value(part, VOID.triples).toPython() == 4
    assert set(graph.objects(node, VOID.exampleResource)) == {KG["entity/0a"], KG["entity/0b"]}


@pytest.mark.parametrize("provenance", ["none", "statement", "rdf12"])
def test_void_counts_what_is_there(tmp_path, provenance):
    folder = Path(write_folder(tmp_path / "run", DOCS))
    run_build(str(folder), BuildOptions(rdf=RdfOptions(provenance=provenance)))
    import pyoxigraph

    store = pyoxigraph.Store()
    for path in (graph_folder(folder) / "rdf").glob("*-of-*"):
        store.load(path=path)
    void = read((graph_folder(folder) / "rdf" / "void.ttl").read_bytes())
    (node,) = void.subjects(RDF.type, VOID.Dataset)
    by_property: dict[str, int] = {}
    for quad in store:
        by_property[quad.predicate.value] = by_property.get(quad.predicate.value, 0) + 1
    assert by_property == {
        str(void.value(part, VOID.property)): void.value(part, VOID.triples).toPython()
        for part in void.objects(node, VOID.propertyPartition)
    }
    assert void.value(node, VOID.triples).toPython() == len(store)
    subjects = {quad.subject for quad in store}
    assert void.value(node, VOID.distinctSubjects).toPython() == len(subjects)


def conforms(data, shapes, **options):
    ok, _, text = validate(data, shacl_graph=shapes, **options)
    return ok, text


GOOD = Doc(
    "good",
    "Ada Lovelace was born in London in 1815. Some say in spring.",
    (
        ("Ada Lovelace", "PER", 0.9),
        ("London", "LOC", 0.9),
        ("1815", "TIME", 0.9),
        ("spring", "TIME", 0.9),
    ),
    (
        ("Ada Lovelace", "place of birth", "London", 0.8),
        ("Ada Lovelace", "date of birth", "1815", 0.7),
        ("Ada Lovelace", "date of birth", "spring", 0.7),
    ),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A graph with provenance, and its shapes."""
    folder = Path(write_folder(tmp_path_factory.mktemp("shapes") / "run", [GOOD]))
    run_build(str(folder), BuildOptions(rdf=RdfOptions(provenance="statement")))
    data, shapes = Graph(), Graph()
    for path in (graph_folder(folder) / "rdf").glob("*-of-*"):
        data.parse(path)
    shapes.parse(graph_folder(folder) / "rdf" / "shapes.ttl")
    return data, shapes


def test_a_good_export_conforms(good):
    ok, text = conforms(*good)
    assert ok, text
    # The shapes themselves are well formed by SHACL's own shapes.
    validate(*good[:1], shacl_graph=good[1], meta_shacl=True)


TERM = Namespace(f"{KG}term/")
OA = Namespace("http://www.w3.org/ns/oa#")
TEXT = RELATION["date_of_birth-text"]


@pytest.mark.parametrize(
    ("subject", "predicate", "object_", "is_warning"),
    [
        # (a triple to take away or, with an object, to add)
        ((RDF.type, TYPE.per), RDFS.label, None, False),
        ((RDF.type, TYPE.per), RDFS.label, Literal("another"), False),
        ((RDF.type, TYPE.per), SKOS.altLabel, KG.x, False),
        ((RDF.type, TYPE.per), TEXT, Literal(3), False),
        ((RDF.type, RDF.Statement), RDF.subject, None, False),
        ((RDF.type, RDF.Statement), RDF.object, KG.x, False),
        ((RDF.type, RDF.Statement), TERM.confidence, Literal(2), False),
        ((RDF.type, RDF.Statement), TERM.evidence, None, False),
        (
            (RDF.type, RDF.Statement),
            PROV.wasDerivedFrom,
            None,
            False,
        ),
        ((RDF.type, OA.SpecificResource), OA.hasSource, None, False),
        ((RDF.type, OA.SpecificResource), OA.hasSelector, None, False),
        ((RDF.type, OA.TextPositionSelector), OA.start, Literal(-1), False),
        ((RDF.type, OA.TextPositionSelector), OA.end, None, False),
        ((RDF.type, OA.TextQuoteSelector), OA.exact, None, False),
        ((RDF.type, TYPE.per), RELATION.place_of_birth, KG.x, True),
        ((RDF.type, TYPE.loc), RELATION.place_of_birth, KG.x, True),
        ((RDF.type, TYPE.per), RELATION.date_of_birth, Literal("early"), True),
    ],
)
def test_a_broken_graph_does_not(good, subject, predicate, object_, is_warning):
    data = Graph()
    data += good[0]
    node = next(iter(sorted(data.subjects(*subject))))
    if object_ is None:
        data.remove((node, predicate, None))
    else:
        data.add((node, predicate, object_))
    assert not conforms(data, good[1])[0]
    # What a label schema says of types is advice; what the sink promises is not.
    assert conforms(data, good[1], allow_warnings=True)[0] is is_warning


def test_flagged_facts_are_warnings_that_the_policy_drop_keeps_out(tmp_path):
    found = {}
    for policy in ("flag", "drop"):
        folder = Path(write_folder(tmp_path / policy, DOCS))
        run_build(str(folder), BuildOptions(constraint_policy=policy))
        data = Graph()
        for path in (graph_folder(folder) / "rdf").glob("*-of-*"):
            data.parse(path)
        shapes = Graph().parse(graph_folder(folder) / "rdf" / "shapes.ttl")
        found[policy] = [conforms(data, shapes, allow_warnings=w)[0] for w in (False, True)]
    assert found == {"flag": [False, True], "drop": [True, True]}


SCHEMA_NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)


@examples(40)
@given(st.lists(SCHEMA_NAMES, min_size=1, max_size=3, unique=True), st.text())
def test_vocabulary_of_any_label_schema_is_strict_turtle(names, description):
    try:
        schema = LabelSchema.from_dict(
            {
                "entity_types": [
                    {"name": "T", "description": description},
                    {"name": "V", "kind": "value", "datatype": "xsd:date"},
                ],
                "relations": [
                    {
                        "name": name,
                        "description": description,
                        "arguments": [
                            {"subject": "T", "object": "T"},
                            {"subject": "T", "object": "V"},
                        ],
                    }
                    for name in names
                ],
            }
        )
    except ValueError:
        return  # such as two names that give one IRI: refused with a reason
    sink = RdfSink(schema, RdfOptions(provenance="statement"))
    said = [relation(subject_id="0a", predicate=name, object_id="0b") for name in names]
    counts = {}
    for part in (rows("entities", [entity(entity_id="0a", type="T")]), rows("relations", said)):
        written = sink.write(part)
        counts |= written.counts
        for data in written.files.values():
            read_both(data)
    files = sink.finish(counts).files
    assert set(files) == {"ontology.ttl", "shapes.ttl", "void.ttl"}
    for data in files.values():
        read_both(data)
    described = set(read(files["ontology.ttl"]).subjects(RDFS.label))
    assert set(map(rdflib.URIRef, sink.names.properties.values())) <= described


def test_same_bytes_in_every_process():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from helpers.extraction_folders import LABEL_SCHEMA as s\n"
        "from pfn_kg.sinks.rdf.sink import *\n"
        "for p in ('none', 'statement'):\n"
        "    c = {'property:b': 1, 'property:a': 2, 'class:c': 3, 'rdf_triples': 3}\n"
        "    files = RdfSink(s, RdfOptions(provenance=p)).finish(c).files\n"
        "    sys.stdout.buffer.write(b''.join(files.values()))"
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
    assert all(found)
