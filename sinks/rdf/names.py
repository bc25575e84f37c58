"""The names of a graph in RDF: its namespaces, classes and properties.

All of them begin with the label schema's base IRI, except those to which the schema gives
an IRI of their own.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from pyoxigraph import NamedNode

from pfn_kg.schemas.choices import AliasIris, RelationIris
from pfn_kg.schemas.datatypes import XSD
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema, RelationType

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
OWL = "http://www.w3.org/2002/07/owl#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
PROV = "http://www.w3.org/ns/prov#"
OA = "http://www.w3.org/ns/oa#"
DCTERMS = "http://purl.org/dc/terms/"
FOAF = "http://xmlns.com/foaf/0.1/"

#: Wikidata's name of a property as a thing, which says nothing in the place of a predicate.
_WIKIDATA_ENTITY = "http://www.wikidata.org/entity/"
_WIKIDATA_DIRECT = "http://www.wikidata.org/prop/direct/"

# Most names of documents need no escape, and to find that out is quicker than to quote.
_PLAIN = re.compile(r"[A-Za-z0-9_~.-]*[A-Za-z0-9_~-]").fullmatch


class RdfNames:
    """The IRIs of a graph.

    Args:
        label_schema: of the graph.
        relation_iris: `own`, or `match` for the first of a relation's matching IRIs that
            can be a property, its own where there is none.
        alias_iris: `same-as` calls entities by IRIs of the graph's own, `subject` by those
            of the alias table where it has one.

    Raises:
        ConfigurationError: if an IRI of the label schema is none by RFC 3987.
    """

    def __init__(
        self,
        label_schema: LabelSchema,
        relation_iris: RelationIris = "own",
        alias_iris: AliasIris = "same-as",
    ):
        self.label_schema = label_schema
        self.alias_iris: AliasIris = alias_iris
        self.base = label_schema.base_iri
        self.entity = f"{self.base}entity/"
        self.statement = f"{self.base}statement/"
        self.evidence = f"{self.base}evidence/"
        self.selector = f"{self.base}selector/"
        self.document = f"{self.base}document/"
        self.metadata = f"{self.base}metadata/"
        self.shape = f"{self.base}shape/"
        #: Properties that any graph may have, whatever its label schema.
        self.term = f"{self.base}term/"
        self.ontology = f"{self.base}ontology"
        self.dataset = f"{self.base}dataset"
        self.classes = {
            t.name: label_schema.type_iri(t.name)
            for t in label_schema.entity_types
            if t.kind == "entity"
        }
        self.properties = {r.name: self._property(r, relation_iris) for r in label_schema.relations}
        self.text_properties = {
            r.name: label_schema.text_iri(r.name) for r in label_schema.relations
        }
        self._check()

    def _property(self, relation: RelationType, relation_iris: RelationIris) -> str:
        own = self.label_schema.relation_iri(relation.name)
        if relation_iris == "own":
            return own
        matches = [m for m in relation.exact_match if not m.startswith(_WIKIDATA_ENTITY)]
        return matches[0] if matches else own

    def _check(self) -> None:
        _check_iri("base_iri", f"{self.base}entity/0")
        for name, iri in self.classes.items():
            _check_iri(f"the IRI of {name}", iri)
        for name, iri in self.properties.items():
            _check_iri(f"the IRI of {name}", iri)
        for relation in self.label_schema.relations:
            for match in relation.exact_match:
                _check_iri(f"exact_match of {relation.name}", match)

    def document_iri(self, document_id: str) -> str:
        """The IRI of a document, which is the name of its graph too."""
        return f"{self.document}{_local_name(document_id)}"

    def metadata_iri(self, column: str) -> str:
        """The property of a column of metadata."""
        return f"{self.metadata}{_local_name(column)}"

    def metadata_column(self, iri: str) -> str:
        """The column that a property of metadata stands for."""
        return unquote(iri.removeprefix(self.metadata))

    def prefixes(self, provenance: bool = True, matches: bool = True) -> dict[str, str]:
        """One prefix a namespace, the same in every file of a graph.

        Args:
            provenance: whether there are documents and evidence in it.
            matches: whether there are matching IRIs in it.
        """
        namespaces = {
            "entity": self.entity,
            "owl": OWL,
            "rdf": RDF,
            "rdfs": RDFS,
            "relation": f"{self.base}relation/",
            "skos": SKOS,
            "type": f"{self.base}type/",
            "xsd": XSD,
        }
        matching = [m for r in self.label_schema.relations for m in r.exact_match]
        if matches and any(match.startswith(_WIKIDATA_DIRECT) for match in matching):
            namespaces["wdt"] = _WIKIDATA_DIRECT
        if provenance:
            namespaces |= {
                "dcterms": DCTERMS,
                "document": self.document,
                "evidence": self.evidence,
                "foaf": FOAF,
                "metadata": self.metadata,
                "oa": OA,
                "prov": PROV,
                "selector": self.selector,
                "statement": self.statement,
                "term": self.term,
            }
        return dict(sorted(namespaces.items()))


def _local_name(name: str) -> str:
    if _PLAIN(name):
        return name
    quoted = quote(name, safe="")
    # Readers take a full stop at the end for that of the sentence, be it escaped, and dots
    # alone for a step up.
    kept = quoted.rstrip(".")
    return kept + "%2E" * (len(quoted) - len(kept))


def _check_iri(what: str, iri: str) -> None:
    try:
        NamedNode(iri)
    except ValueError as error:
        raise ConfigurationError(f"label schema: {what}: {iri} is no IRI: {error}") from None
