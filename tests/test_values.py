"""Values: what parses strictly becomes a typed literal, all else stays a string."""

import datetime
from decimal import Decimal

import pytest
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.values import XSD, Value, normalise_value

DATATYPES = (None, "xsd:date", "xsd:gYear", "xsd:decimal", "xsd:integer", "xsd:string")


@pytest.mark.parametrize(
    ("text", "datatype", "lexical", "found"),
    [
        ("4 May 2004", "xsd:date", "2004-05-04", "date"),
        ("May 4 , 2004", "xsd:date", "2004-05-04", "date"),
        ("the 4th of May 2004", "xsd:date", "2004-05-04", "date"),
        ("2004-05-04", "xsd:date", "2004-05-04", "date"),
        ("Sept. 2004", "xsd:date", "2004-09", "gYearMonth"),
        ("2004", "xsd:date", "2004", "gYear"),
        ("2004", "xsd:gYear", "2004", "gYear"),
        ("31 June 2004", "xsd:date", "31 June 2004", "string"),
        ("late  2004", "xsd:date", "late 2004", "string"),
        ("04/05/2004", "xsd:date", "04/05/2004", "string"),
        ("0000", "xsd:gYear", "0000", "string"),
        ("1,200", "xsd:decimal", "1200", "decimal"),
        ("1,20", "xsd:decimal", "1,20", "string"),
        ("0012.50", "xsd:decimal", "12.5", "decimal"),
        ("1.5 million", "xsd:decimal", "1500000", "decimal"),
        ("−3", "xsd:decimal", "-3", "decimal"),
        ("-0.0", "xsd:decimal", "0", "decimal"),
        ("twelve", "xsd:decimal", "12", "decimal"),
        ("about 12", "xsd:decimal", "about 12", "string"),
        ("2004", "xsd:string", "2004", "string"),
        ("2004", None, "2004", "gYear"),
        ("20", None, "20", "decimal"),
    ],
)
def test_values(text, datatype, lexical, found):
    assert normalise_value(text, datatype) == Value(lexical, f"xsd:{found}")


@given(st.text(), st.sampled_from(DATATYPES))
@settings(deadline=None)
def test_what_is_not_a_string_is_valid_and_canonical(text, datatype):
    lexical, found = normalise_value(text, datatype)
    literal = rdflib.Literal(lexical, datatype=XSD + found.removeprefix("xsd:"))
    assert not literal.ill_typed
    assert normalise_value(lexical, found) == Value(lexical, found)


@given(st.dates())
def test_every_date_is_read_back(date):
    text = f"{date.day} {date:%B} {date.year:04d}"
    expected = Value(date.isoformat(), "xsd:date")
    assert normalise_value(text, "xsd:date") == expected
    assert datetime.date.fromisoformat(expected.lexical) == date


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
@settings(deadline=None)
def test_every_number_keeps_its_value(number):
    value = normalise_value(f"{number:,f}", "xsd:decimal")
    if value.datatype == "xsd:decimal":
        assert Decimal(value.lexical) == number
    else:
        assert len(f"{number:,f}") > 64
