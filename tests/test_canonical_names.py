"""Canonical keys: what is one entity, and what never is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pfn_kg.transforms.names.canonical_names import canonical_entity, canonical_name

pytestmark = pytest.mark.quick


def id_of(text, type_="PER", kind="entity", datatype=None):
    return canonical_entity(text, type_, kind=kind, datatype=datatype).id


def test_case_space_and_compatibility_characters_do_not_matter():
    assert id_of("Ada\n  LOVELACE") == id_of("ada lovelace")
    assert id_of("Straße") == id_of("STRASSE")
    assert id_of("ﬁne") == id_of("Fine")
    assert id_of("e\u0301") == id_of("\u00e9")


def test_type_and_kind_do_matter():
    assert id_of("Paris", "PER") != id_of("Paris", "LOC")
    assert id_of("2004", "TIME") != id_of("2004", "TIME", "value", "xsd:date")
    assert id_of("2004", "TIME", "value", "xsd:gYear") != id_of("2004", "NUM", "value", "xsd:gYear")


def test_values_are_one_if_they_say_the_same():
    kind = {"kind": "value", "datatype": "xsd:date"}
    date = canonical_entity("May 4, 2004", "TIME", **kind)
    assert date == canonical_entity("2004-05-04", "TIME", **kind)
    assert (date.value, date.datatype) == ("2004-05-04", "xsd:date")


@given(st.text())
@example("\u0345\u03b1")
@example("\u1e9e \ufb03 \u2126")
def test_the_canonical_name_is_its_own(text):
    once = canonical_name(text)
    assert canonical_name(once) == once
    assert canonical_name(f"  {text}\t") == once


@given(st.text(), st.text(), st.text(), st.text())
def test_parts_are_not_run_together(name, type_, other_name, other_type):
    same = (canonical_name(name) or name, type_) == (
        canonical_name(other_name) or other_name,
        other_type,
    )
    assert (id_of(name, type_) == id_of(other_name, other_type)) == same
