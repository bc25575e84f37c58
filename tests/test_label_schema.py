"""The label schema: round trip, derived names, and errors that name the field."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema, neo4j_label_name, neo4j_type_name, slug

pytestmark = pytest.mark.quick

SCHEMA = """
version: 1
base_iri: https://example.org/kg/
entity_types:
  - name: person
  - {name: place of work, neo4j_label: Workplace, iri: "https://schema.org/Place"}
  - {name: date, kind: value, datatype: "xsd:date"}
  - {name: number, kind: value}
relations:
  - name: place of birth
    arguments: [{subject: person, object: place of work, count: 7}]
    exact_match: ["http://www.wikidata.org/prop/direct/P19"]
    max_objects: 1
  - {name: spouse, symmetric: true}
  - {name: parent of, inverse: child of, acyclic: true}
  - {name: child of, inverse: parent of}
"""


def changed(path, value):
    """The schema as plain data with one field changed."""
    data = yaml.safe_load(SCHEMA)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


def test_round_trip_and_derived_names():
    schema = LabelSchema.from_yaml(SCHEMA)
    assert LabelSchema.from_yaml(schema.to_yaml()) == schema
    assert schema.entity_type("place of work").neo4j_label == "Workplace"
    assert schema.entity_type("person").neo4j_label == "Person"
    assert schema.entity_type("number").datatype == "xsd:string"
    assert schema.relation("place of birth").neo4j_type == "PLACE_OF_BIRTH"
    assert schema.relation("place of birth").arguments[0].count == 7
    assert schema.type_iri("person") == "https://example.org/kg/type/person"
    assert schema.type_iri("place of work") == "https://schema.org/Place"
    assert schema.relation_iri("child of") == "https://example.org/kg/relation/child_of"
    with pytest.raises(KeyError):
        schema.relation("absent")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["version"], 2, ["version"]),
        (["colour"], "red", ["colour", "not a known field"]),
        (["base_iri"], "no iri", ["base_iri", "absolute IRI"]),
        (["base_iri"], "https://example.org/kg", ["base_iri", "end with"]),
        (["entity_types"], None, ["entity_types"]),
        (["entity_types", 0, "name"], "", ["entity_types.0", "name"]),
        (["entity_types", 0, "name"], 7, ["entity_types.0", "name"]),
        (["entity_types", 0, "kind"], "thing", ["entity_types.0 (person).kind"]),
        (["entity_types", 0, "datatype"], "xsd:date", ["entity_types.0 (person)", "datatype"]),
        (["entity_types", 2, "datatype"], "xsd:float", ["entity_types.2 (date).datatype"]),
        (["entity_types", 0, "neo4j_label"], "a-b", ["(person).neo4j_label"]),
        (["entity_types", 0, "iri"], "relative", ["(person).iri"]),
        (["entity_types", 2, "name"], "person", ["entity_types.2.name", "twice"]),
        (["entity_types", 0, "neo4j_label"], "Workplace", ["neo4j_label", "twice"]),
        (["relations", 1, "name"], "Place  of_birth", ["neo4j_type", "twice"]),
        (["relations", 0, "arguments", 0, "subject"], "alien", ["place of birth", "'alien'"]),
        (["relations", 0, "arguments", 0, "count"], -1, ["arguments.0.count"]),
        (["relations", 0, "max_objects"], 0, ["(place of birth).max_objects"]),
        (["relations", 0, "exact_match"], ["x y"], ["(place of birth).exact_match.0"]),
        (["relations", 1, "acyclic"], True, ["(spouse)", "symmetric and acyclic"]),
        (["relations", 1, "inverse"], "child of", ["(spouse)", "symmetric"]),
        (["relations", 2, "inverse"], "absent", ["(parent of).inverse", "'absent'"]),
        (["relations", 3, "inverse"], "place of birth", ["inverse"]),
    ],
)
def test_errors_name_field_and_reason(path, value, named):
    text = yaml.safe_dump(changed(path, value))
    with pytest.raises(ConfigurationError) as error:
        LabelSchema.from_yaml(text, "labels.yaml")
    message = str(error.value)
    assert message.startswith("labels.yaml: ")
    assert "\n" not in message
    for part in named:
        assert part in message


@pytest.mark.parametrize("text", ["", "- a", "a: [", "7"])
def test_what_is_no_schema(text):
    with pytest.raises(ConfigurationError, match=r"^labels\.yaml: not "):
        LabelSchema.from_yaml(text, "labels.yaml")


@given(st.text(min_size=1))
@example("a\x85b\u2028c\u2029d")
def test_derived_names_are_always_valid(name):
    name = name.strip()
    if not name or "\n" in name or "\r" in name:
        return
    data = {
        "entity_types": [{"name": f"x{name}x"}],
        "relations": [{"name": f"x{name}x"}],
    }
    try:
        schema = LabelSchema.from_dict(data)
    except ConfigurationError as error:
        raise AssertionError(name) from error
    again = LabelSchema.from_yaml(schema.to_yaml())
    assert again == schema
    assert schema.relation_iri(f"x{name}x").startswith(schema.base_iri)


def test_slugs():
    assert slug("Place of  birth!") == "place_of_birth"
    assert neo4j_type_name("2nd place") == "_2ND_PLACE"
    assert neo4j_label_name("ORG") == "ORG"
    assert neo4j_label_name("work of art") == "WorkOfArt"
