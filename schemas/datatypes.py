"""The datatypes of values: their names in tables, and their IRIs."""

from __future__ import annotations

from typing import NamedTuple

XSD = "http://www.w3.org/2001/XMLSchema#"

#: Namespaces of the datatypes' prefixes. UCUM quantities: Lefrançois and Zimmermann, The
#: Unified Code for Units of Measure in RDF (ESWC 2018). EDTF: ISO 8601-2, as the Library of
#: Congress names it. `term` is the graph's own.
NAMESPACES = {
    "xsd": XSD,
    "cdt": "https://w3id.org/cdt/",
    "edtf": "http://id.loc.gov/datatypes/edtf/",
}

QUANTITY = "cdt:ucum"
MONEY = "term:money"
PERIOD = "edtf:EDTF"
DURATION = "xsd:duration"

#: What values of a type can be: numbers and dates are as exact as the text says them.
OF_NUMBERS = ("xsd:decimal", QUANTITY, MONEY, DURATION)
OF_TIMES = ("xsd:date", "xsd:gYearMonth", "xsd:gYear", PERIOD, DURATION)


class Value(NamedTuple):
    """A value: its canonical lexical form and its datatype, such as `xsd:gYear`."""

    lexical: str
    datatype: str


def datatype_iri(name: str, term: str) -> str:
    """The IRI of a datatype.

    Args:
        name: as in the tables, such as `xsd:gYear`.
        term: namespace of the graph's own terms.
    """
    prefix, _, local = name.partition(":")
    return f"{NAMESPACES.get(prefix, term)}{local}"
