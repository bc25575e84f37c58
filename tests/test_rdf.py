"""The graph as Turtle: strict, byte-stable, and the same triples when read back."""

from pathlib import Path

import pyarrow as pa
import pyoxigraph
import rdflib
from extraction_folders import DOCS, LABEL_SCHEMA, write_folder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.build import build
from schemas.label_schema import LabelSchema
from schemas.tables import TABLE_SCHEMAS
from sinks.ontology import ontology_turtle, shapes_turtle, void_turtle
from sinks.rdf import entities_turtle, relations_turtle

XSD = "http://www.w3.org/2001/XMLSchema#"
LABEL = rdflib.RDFS.label
ALIAS = rdflib.SKOS.altLabel
GOLDEN = Path(__file__).parent / "data" / "golden.ttl"


def parse_both(data):
    """Parses strictly with both libraries; returns rdflib's graph."""
    graph = rdflib.Graph().parse(data=data, format="turtle")
    other = list(pyoxigraph.parse(data, format=pyoxigraph.RdfFormat.TURTLE))
    assert len(graph) == len({str(q.triple) for q in other})
    return graph


def entity_table(rows):
    columns = TABLE_SCHEMAS["entities"].names
    return pa.Table.from_pylist(
        [dict.fromkeys(columns) | {"kind": "entity"} | row for row in rows],
        TABLE_SCHEMAS["entities"],
    )


def relation_table(rows):
    names = (
        "subject_id",
        "predicate",
        "object_id",
        "subject_kind",
        "object_value",
        "object_datatype",
    )
    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.Table.from_pylist([{"subject_kind": "entity"} | row for row in rows], schema)


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=6, unique=True))
@example(["\x00", '"', "\\", "'''", '"""', "\r\n", "\u2028", "\x85", "\x7f", "\ufeff"])
@example(["\ufffe", "\U0010ffff", "😀\u200d", "\\u0041", "e\u0301", "\u202e", "a\tb", "a "])
@example(["@prefix x: <y> .", "<http://x>", "#", "end \\"])
def test_any_name_comes_back(names):
    iri = "https://example.org/kg/entity/0a"
    table = entity_table([{"iri": iri, "type": "PER", "name": names[0], "aliases": names[1:]}])
    turtle = entities_turtle(table, LABEL_SCHEMA)
    graph = parse_both(turtle.data)
    node = rdflib.URIRef(iri)
    assert turtle.triples == len(graph)
    assert [str(o) for o in graph.objects(node, LABEL)] == names[:1]
    assert {str(o) for o in graph.objects(node, ALIAS)} == set(names[1:])


@settings(deadline=None)
@given(st.text())
@example('\x00"\\\n\x85\u2028')
def test_any_value_comes_back(value):
    row = {"subject_id": "0a", "predicate": "date of birth", "object_id": "0b"}
    table = relation_table([row | {"object_value": value, "object_datatype": "xsd:string"}])
    (found,) = parse_both(relations_turtle(table, LABEL_SCHEMA).data)
    assert str(found[2]) == value


def test_relations():
    born = {"subject_id": "0b", "predicate": "date of birth", "object_id": "0c"}
    year = born | {"object_value": "1815", "object_datatype": "xsd:gYear"}
    place = {"subject_id": "0a", "predicate": "place of birth", "object_id": "0b"}
    table = relation_table([year, place, place | {"subject_kind": "value"}, year])
    turtle = relations_turtle(table, LABEL_SCHEMA)
    base = "https://example.org/kg/"
    assert set(parse_both(turtle.data)) == {
        (
            rdflib.URIRef(f"{base}entity/0b"),
            rdflib.URIRef(f"{base}relation/date_of_birth"),
            rdflib.Literal("1815", datatype=rdflib.XSD.gYear),
        ),
        (
            rdflib.URIRef(f"{base}entity/0a"),
            rdflib.URIRef(f"{base}relation/place_of_birth"),
            rdflib.URIRef(f"{base}entity/0b"),
        ),
    }
    # A literal can't be a subject; two rows that say the same are one triple.
    assert (turtle.triples, turtle.skipped) == (2, 1)


def test_golden(tmp_path):
    folder = Path(write_folder(tmp_path / "run", DOCS))
    build(str(folder))
    files = sorted((folder / "rdf").glob("*.ttl"))
    assert [file.name for file in files] == [
        "entities-00000-of-00001.ttl",
        "ontology.ttl",
        "relations-00000-of-00001.ttl",
        "shapes.ttl",
        "void.ttl",
    ]
    found = "\n".join(f"# {file.name}\n{file.read_text(encoding='utf-8')}" for file in files)
    assert found == GOLDEN.read_text(encoding="utf-8")
    graph = rdflib.Graph()
    for file in files:
        graph += parse_both(file.read_bytes())
    # Everything that is used is described.
    classes = set(graph.subjects(rdflib.RDF.type, rdflib.OWL.Class))
    properties = set(graph.subjects(rdflib.RDF.type, rdflib.RDF.Property))
    entities = {s for s in graph.subjects() if "/entity/" in str(s)}
    assert entities
    for entity in entities:
        assert graph.value(entity, rdflib.RDF.type) in classes
        used = set(graph.predicates(entity)) - {rdflib.RDF.type, LABEL, ALIAS}
        assert used <= properties


NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=3, unique=True), st.text())
def test_vocabulary_of_any_label_schema_is_strict_turtle(names, description):
    try:
        schema = LabelSchema.from_dict(
            {
                "entity_types": [{"name": "T", "description": description}],
                "relations": [
                    {
                        "name": name,
                        "description": description,
                        "arguments": [{"subject": "T", "object": "T"}],
                    }
                    for name in names
                ],
            }
        )
    except ValueError:
        return  # such as two names that give one IRI: refused with a reason
    for data in (
        ontology_turtle(schema),
        shapes_turtle(schema),
        void_turtle(schema, triples=3, entities=2),
    ):
        parse_both(data)
