"""Keys of names: what is taken off, and that nothing else is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.canonical_names import canonical_name
from pfn_kg.transforms.names.name_keys import name_key

pytestmark = pytest.mark.quick

OFF = NameRules(**dict.fromkeys(NameRules.model_fields, False))
WORDS = (
    "the",
    "Acme",
    "'s",
    "Jones'",
    "Co.",
    "& Co.",
    "Ltd",
    ",",
    "S.A.",
    "GmbH",
    "and",
    "’",
    "of",
    "Dr.",
    "Sir",
)
NAMES = st.text() | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
RULES = st.builds(NameRules, **dict.fromkeys(NameRules.model_fields, st.booleans()))
KINDS = st.sampled_from([None, "person", "organization", "place", "other"])


@pytest.mark.parametrize(
    ("text", "key", "key_of_organization"),
    [
        ("Microsoft 's", "microsoft", "microsoft"),
        ("Google’s", "google", "google"),
        ("Jones'", "jones", "jones"),
        ("the Thames", "thames", "thames"),
        ("The The", "the", "the"),
        ("Theater", "theater", "theater"),
        ("Apple, Inc.", "apple, inc.", "apple"),
        ("The Google LLC 's", "google llc", "google"),
        ("Grand Wing Co. , Ltd.", "grand wing co. , ltd.", "grand wing"),
        ("Haus GmbH & Co. KG", "haus gmbh & co. kg", "haus"),
        ("Orange S.A.", "orange s.a.", "orange"),
        ("Tiffany and Company", "tiffany and company", "tiffany"),
        ("Foo Public Limited Company", "foo public limited company", "foo"),
        ("Grimsz Kft.", "grimsz kft.", "grimsz"),
        ("Grimsa Sp. z o.o.", "grimsa sp. z o.o.", "grimsa"),
        ("Grimsa S.A. de C.V.", "grimsa s.a. de c.v.", "grimsa"),
        ("Grimsuo OÜ", "grimsuo oü", "grimsuo"),
        # What would leave nothing, and what only looks like a legal form.
        ("GmbH", "gmbh", "gmbh"),
        ("The Company", "company", "company"),
        ("Waffen-SS", "waffen-ss", "waffen-ss"),
        ("EU", "eu", "eu"),
        ("'s", "'s", "'s"),
    ],
)
def test_keys(text, key, key_of_organization):
    assert name_key(text, None, NameRules()) == key
    assert name_key(text, "organization", NameRules()) == key_of_organization


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Dr. Jane Goodall", "jane goodall"),
        ("Sir Elton John 's", "elton john"),
        ("Prof. Dr. Max Born", "max born"),
        # Alone, a last name may be of anyone; some titles are names.
        ("Mr. Smith", "mr. smith"),
        ("Prof. Dr. Born", "dr. born"),
        ("Dean Martin", "dean martin"),
        ("Dr.", "dr."),
        ("Siri Hustvedt Berg", "siri hustvedt berg"),
    ],
)
def test_titles_of_people(text, key):
    assert name_key(text, "person", NameRules()) == key
    without = canonical_name(text).removesuffix(" 's")
    assert name_key(text, "person", NameRules(titles=False)) == without
    assert name_key(text, "organization", NameRules()) == without


def test_each_part_has_a_switch():
    text = "The Jones Ltd 's"
    assert name_key(text, "organization", OFF) == canonical_name(text)
    assert name_key(text, "organization", OFF.changed(articles=True)) == "jones ltd 's"
    assert name_key(text, "organization", OFF.changed(possessives=True)) == "the jones ltd"
    legal = OFF.changed(legal_suffixes=True, possessives=True)
    assert name_key(text, "organization", legal) == "the jones"


@given(NAMES, KINDS, RULES)
@example("the 's", "organization", NameRules())
@example("the co", "organization", OFF.changed(legal_suffixes=True))
def test_a_key_is_its_own_and_part_of_the_name(text, kind, rules):
    key = name_key(text, kind, rules)
    assert name_key(key, kind, rules) == key
    assert key in canonical_name(text)
    assert bool(key) == bool(canonical_name(text))
    assert name_key(text, kind, OFF) == canonical_name(text)


def test_label_schemas_say_how_a_type_is_named():
    schema = LabelSchema.from_dict(
        {
            "entity_types": [
                {"name": "PER"},
                {"name": "firm", "names": "organization"},
                {"name": "Z", "neo4j_label": "Organization"},
                {"name": "people", "names": "other"},
                {"name": "LOC"},
                {"name": "NUM", "kind": "value"},
            ],
            "relations": [],
        }
    )
    kinds = ["person", "organization", "organization", "other", "place", None]
    assert [t.names for t in schema.entity_types] == kinds
    assert LabelSchema.from_yaml(schema.to_yaml()) == schema


def test_a_long_name_keeps_its_parts():
    name = "Acme" + " Inc" * 4000
    assert name_key(name, "organization", NameRules()) == name.lower()
    assert name_key("Acme" + " Inc" * 70, "organization", NameRules()) == "acme"
