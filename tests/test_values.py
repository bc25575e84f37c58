"""Values: what parses strictly becomes a typed literal, all else stays a string."""

import datetime
from decimal import Decimal

import pytest
import rdflib
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.schemas.datatypes import OF_NUMBERS, OF_TIMES, Value, datatype_iri
from pfn_kg.transforms.values.normalise import normalise_value

pytestmark = pytest.mark.quick

DATATYPES = (None, "xsd:date", "xsd:gYear", "xsd:decimal", "xsd:integer", "xsd:string")


# Texts that are likely to say something, and that often say it in nearly the right way.
NUMBERS = st.from_regex(r"[-−]?[0-9]{1,4}(,[0-9]{3})?(\.[0-9]{1,2})?( million)?", fullmatch=True)
UNITS = ("km", "m", "%", "° C", "miles", "[mi_i]", "Cel", "years", "weeks", "hours", "euros", "$")
YEARS = st.integers(0, 9999).map("{:04d}".format)
SAID = (
    st.builds("{}{}{}".format, NUMBERS, st.sampled_from(["", " ", " - "]), st.sampled_from(UNITS))
    | st.builds("{} {}".format, st.sampled_from(["$", "US$", "€", "USD"]), NUMBERS)
    | st.builds("{}{}{}".format, YEARS, st.sampled_from(["-", "–", " - ", " to ", "/"]), YEARS)
    | st.builds("{} {}".format, st.sampled_from(["c.", "circa", "the", "summer", "fall of"]), YEARS)
    | st.builds("the {}s".format, YEARS)
    | st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "AD ", "c. ", "March ", "29 February ", "5 BC - ", "9-"]),
        st.integers(0, 12_000),
        st.sampled_from(["", " BC", " AD", " B.C.E."]),
    )
    | st.builds("{}th century {}".format, st.integers(0, 99), st.sampled_from(["BC", "CE"]))
    | st.builds("{}th century".format, st.integers(0, 99))
    | st.from_regex(r"P([0-9]{1,9}Y)?([0-9]{1,3}M)?(T[0-9]{1,9}S)?", fullmatch=True)
)


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
        ("the late 1990s", "xsd:date", "the late 1990s", "string"),
        ("May", "xsd:date", "May", "string"),
        ("04/05/2004", "xsd:date", "04/05/2004", "string"),
        ("0000", "xsd:date", "0000", "string"),
        ("0000-05", "xsd:gYear", "0000-05", "string"),
        ("May 0000", "xsd:date", "May 0000", "string"),
        ("0000-05", "xsd:date", "0000-05", "string"),
        ("4 May 0000", "xsd:date", "4 May 0000", "string"),
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


@pytest.mark.parametrize(
    ("text", "lexical", "datatype"),
    [
        ("44 BC", "-0043", "xsd:gYear"),
        ("44 B.C.", "-0043", "xsd:gYear"),
        ("44 BCE", "-0043", "xsd:gYear"),
        ("44 B. C. E.", "-0043", "xsd:gYear"),
        ("1 BC", "0000", "xsd:gYear"),
        ("10,000 BC", "-9999", "xsd:gYear"),
        ("12000 BC", "-11999", "xsd:gYear"),
        ("AD 79", "0079", "xsd:gYear"),
        ("A.D. 79", "0079", "xsd:gYear"),
        ("79 AD", "0079", "xsd:gYear"),
        ("79 CE", "0079", "xsd:gYear"),
        ("15 March 44 BC", "-0043-03-15", "xsd:date"),
        ("March 15, 44 BC", "-0043-03-15", "xsd:date"),
        ("March 5, 100 BC", "-0099-03-05", "xsd:date"),
        ("March 44 BC", "-0043-03", "xsd:gYearMonth"),
        # The proleptic Gregorian calendar of XSD has this day in 45 BC.
        ("29 February 45 BC", "-0044-02-29", "xsd:date"),
        ("c. 44 BC", "-0043~", "edtf:EDTF"),
        ("circa AD 79", "0079~", "edtf:EDTF"),
        ("58–50 BC", "-0057/-0049", "edtf:EDTF"),
        ("from 58 to 50 BC", "-0057/-0049", "edtf:EDTF"),
        ("27 BC – AD 14", "-0026/0014", "edtf:EDTF"),
        ("the 5th century BC", "-0499/-0400", "edtf:EDTF"),
        ("first century BC", "-0099/0000", "edtf:EDTF"),
        ("2nd century AD", "0101/0200", "edtf:EDTF"),
        # No such year, no such day, two readings, backwards.
        ("0 BC", "0 BC", "xsd:string"),
        ("29 February 44 BC", "29 February 44 BC", "xsd:string"),
        ("March 5,100 BC", "March 5,100 BC", "xsd:string"),
        ("50–58 BC", "50–58 BC", "xsd:string"),
        ("44", "44", "xsd:string"),
    ],
)
def test_eras(text, lexical, datatype):
    value = normalise_value(text, "xsd:date")
    assert value == Value(lexical, datatype)
    assert normalise_value(lexical, datatype) == value


def test_a_number_with_a_minus_is_no_year():
    assert normalise_value("-2004", None) == Value("-2004", "xsd:decimal")
    assert normalise_value("-2004", "xsd:decimal") == Value("-2004", "xsd:decimal")


@pytest.mark.parametrize("letter", ["m", "g", "t", "V", "W", "L"])
def test_a_bare_letter_is_a_unit_where_units_are_asked_for(letter):
    for text in (f"1.5{letter}", f"1.5 {letter}"):
        for datatype in (None, "xsd:decimal"):
            assert normalise_value(text, datatype) == Value(text, "xsd:string")
        assert normalise_value(text, "cdt:ucum") == Value(f"1.5 {letter}", "cdt:ucum")


@pytest.mark.parametrize(
    ("text", "lexical"),
    [
        ("the 1990s", "1990/1999"),
        ("1990's", "1990/1999"),
        ("18th century", "1701/1800"),
        ("the twentieth - century", "1901/2000"),
        ("2004–05", "2004/2005"),
        ("1998-99", "1998/1999"),
        ("1939-1945", "1939/1945"),
        ("from 1939 to 1945", "1939/1945"),
        ("May 1850 – June 1850", "1850-05/1850-06"),
        ("April 17–23 , 2013", "2013-04-17/2013-04-23"),
        ("17–23 April 2013", "2013-04-17/2013-04-23"),
        ("circa 1850", "1850~"),
        ("c. 1850", "1850~"),
        ("summer 2004", "2004-22"),
        ("the fall of 2004", "2004-23"),
        # A hundred years or ten; backwards; no such day; two exactnesses; not said in EDTF.
        ("the 1900s", None),
        ("1945-1939", None),
        ("30–31 February 2004", None),
        ("1939 to May 1945", None),
        ("early 2004", None),
        ("0th century", None),
    ],
)
def test_periods(text, lexical):
    expected = Value(text, "xsd:string") if lexical is None else Value(lexical, "edtf:EDTF")
    assert normalise_value(text, "xsd:date") == expected


@pytest.mark.parametrize(
    ("text", "lexical", "datatype"),
    [
        ("5 km", "5 km", "cdt:ucum"),
        ("1,200 Kilometers", "1200 km", "cdt:ucum"),
        ("2.50-inch", "2.5 [in_i]", "cdt:ucum"),
        ("two - mile", "2 [mi_i]", "cdt:ucum"),
        ("−20 \xa0° C", "-20 Cel", "cdt:ucum"),
        ("20 ℃", "20 Cel", "cdt:ucum"),
        ("12 %", "12 %", "cdt:ucum"),
        ("12 per cent", "12 %", "cdt:ucum"),
        ("60 miles per hour", "60 [mi_i]/h", "cdt:ucum"),
        ("5 feet", "5 [ft_i]", "cdt:ucum"),
        ("3 MW", "3 MW", "cdt:ucum"),
        ("3 mW", "3 mW", "xsd:string"),
        ("$3.5 million", "3500000 $", "term:money"),
        ("US$ 3.50", "3.5 USD", "term:money"),
        ("$ 999 m", "999000000 $", "term:money"),
        ("€5", "5 EUR", "term:money"),
        ("$1.5m", "1500000 $", "term:money"),
        ("1.5m euros", "1500000 EUR", "term:money"),
        ("2.50 bn USD", "2500000000 USD", "term:money"),
        ("1.5m people", "1.5m people", "xsd:string"),
        ("5 metres", "5 m", "cdt:ucum"),
        ("three hundred and forty-two", "342", "xsd:decimal"),
        ("99 million euros", "99000000 EUR", "term:money"),
        ("ninety minutes", "PT1H30M", "xsd:duration"),
        ("two-year", "P2Y", "xsd:duration"),
        ("24 months", "P2Y", "xsd:duration"),
        ("two weeks", "P14D", "xsd:duration"),
        ("three decades", "P30Y", "xsd:duration"),
        ("9999999 days", "P9999999D", "xsd:duration"),
        ("10000000 days", "10000000 days", "xsd:string"),
        ("9999999 years", "P9999999Y", "xsd:duration"),
        ("10000000 years", "10000000 years", "xsd:string"),
        ("seventy - one", "71", "xsd:decimal"),
        ("one thousand", "1000", "xsd:decimal"),
        # Two meanings, or none that is exact.
        ("5 tons", "5 tons", "xsd:string"),
        ("100 pounds", "100 pounds", "xsd:string"),
        ("about $ 5", "about $ 5", "xsd:string"),
        ("9.9 hours", "9.9 hours", "xsd:string"),
        ("1,20 km", "1,20 km", "xsd:string"),
        ("50 states", "50 states", "xsd:string"),
    ],
)
def test_quantities(text, lexical, datatype):
    assert normalise_value(text, "xsd:decimal") == Value(lexical, datatype)


@given(st.text() | SAID, st.sampled_from(DATATYPES[1:]))
def test_values_are_of_what_their_type_declares(text, datatype):
    found = normalise_value(text, datatype).datatype
    declared = {"xsd:string": ()}.get(
        datatype, OF_TIMES if datatype in ("xsd:date", "xsd:gYear") else OF_NUMBERS
    )
    assert found in (*declared, "xsd:string")


@given(st.text() | SAID, st.sampled_from(DATATYPES))
def test_what_is_not_a_string_is_valid_and_canonical(text, datatype):
    lexical, found = normalise_value(text, datatype)
    iri = datatype_iri(found, "https://example.org/term/")
    if lexical[:1] != "-" or found in OF_NUMBERS:
        # Python has no dates before the year 1.
        literal = rdflib.Literal(lexical, datatype=rdflib.URIRef(iri))
        assert not literal.ill_typed or lexical[:4] == "0000"
    assert normalise_value(lexical, found) == Value(lexical, found)


@given(st.dates())
def test_every_date_is_read_back(date):
    text = f"{date.day} {date:%B} {date.year:04d}"
    expected = Value(date.isoformat(), "xsd:date")
    assert normalise_value(text, "xsd:date") == expected
    assert datetime.date.fromisoformat(expected.lexical) == date


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_every_number_keeps_its_value(number):
    value = normalise_value(f"{number:,f}", "xsd:decimal")
    if value.datatype == "xsd:decimal":
        assert Decimal(value.lexical) == number
    else:
        assert len(f"{number:,f}") > 64
