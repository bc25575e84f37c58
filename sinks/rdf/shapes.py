"""The constraints of a graph, as SHACL shapes.

A broken guarantee of the sink (a name for each entity, sound evidence) is a violation.
Arguments of types that the label schema does not allow, and more objects than it allows,
are warnings: with the constraint policies `flag` and `keep` such facts are in the graph on
purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rdflib import OWL, RDF, RDFS, SH, SKOS, XSD, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.term import BNode, Node

from pfn_kg.schemas.choices import Provenance
from pfn_kg.schemas.label_schema import EntityType, RelationType
from pfn_kg.sinks.rdf.names import OA as OA_IRI
from pfn_kg.sinks.rdf.names import PROV as PROV_IRI
from pfn_kg.sinks.rdf.names import RdfNames
from pfn_kg.sinks.rdf.ontology import may_have_texts, ranges, turtle, vocabulary_graph

_OA = Namespace(OA_IRI)
_PROV = Namespace(PROV_IRI)


def shapes_turtle(
    names: RdfNames, provenance: Provenance = "none", *, has_corrections: bool = False
) -> bytes:
    """The shapes of a graph.

    Args:
        names: of the graph.
        provenance: RDF 1.2 reifiers, which SHACL can't see, have their numbers checked alone.
        has_corrections: whether people corrected the graph; what they say needs no evidence.
    """
    shapes = _Shapes(names)
    shapes.add_entities()
    by_property: dict[str, list[RelationType]] = {}
    for relation in names.label_schema.relations:
        by_property.setdefault(names.properties[relation.name], []).append(relation)
        if may_have_texts(names.label_schema, relation):
            shapes.add_texts(relation)
    for property_, relations in by_property.items():
        shapes.add_relations(property_, relations)
    if provenance != "none":
        shapes.add_statements(is_rdf12=provenance == "rdf12", has_corrections=has_corrections)
        shapes.add_evidence()
    return turtle(shapes.graph)


class _Shapes:
    def __init__(self, names: RdfNames):
        self.graph = vocabulary_graph(names)
        self.graph.bind("shape", names.shape)
        self._names = names
        self._nodes = 0

    def add_entities(self) -> None:
        shape = self._shape("Entity")
        for iri in self._names.classes.values():
            self.graph.add((shape, SH.targetClass, URIRef(iri)))
        self.graph.add((shape, SH.nodeKind, SH.IRI))
        self._property(shape, RDFS.label, least=1, most=1)
        self._property(shape, SKOS.altLabel, facets={SH.nodeKind: SH.Literal})
        self._property(shape, OWL.sameAs, facets={SH.nodeKind: SH.IRI})

    def add_texts(self, relation: RelationType) -> None:
        iri = URIRef(self._names.text_properties[relation.name])
        shape = self._shape(str(iri).removeprefix(f"{self._names.base}relation/"))
        self.graph.add((shape, SH.targetSubjectsOf, iri))
        self._property(shape, iri, facets={SH.datatype: XSD.string})

    def add_relations(self, property_: str, relations: Sequence[RelationType]) -> None:
        """One shape a property, which more than one relation may be called by."""
        schema = self._names.label_schema
        most = relations[0].max_objects if len(relations) == 1 else None
        has_types = all(relation.arguments for relation in relations)
        if most is None and not has_types:
            return
        # Named after the first: another's namespace is not ours to add to.
        name = schema.text_iri(relations[0].name).removeprefix(f"{self._names.base}relation/")
        shape = self._shape(name.removesuffix("-text"))
        self.graph.add((shape, SH.severity, SH.Warning))
        self.graph.add((shape, SH.targetSubjectsOf, URIRef(property_)))
        node = self._property(shape, URIRef(property_), most=most)
        self.graph.add((node, SH.severity, SH.Warning))
        if has_types:
            pairs = [pair for relation in relations for pair in relation.arguments]
            subjects = [schema.entity_type(pair.subject) for pair in pairs]
            self._one_of(shape, [type_ for type_ in subjects if type_.kind == "entity"])
            self._one_of(node, [schema.entity_type(pair.object) for pair in pairs])

    def add_statements(self, *, is_rdf12: bool, has_corrections: bool) -> None:
        shape = self._shape("Statement")
        term = Namespace(self._names.term)
        if is_rdf12:
            self.graph.add((shape, SH.targetSubjectsOf, term.confidence))
        else:
            self.graph.add((shape, SH.targetClass, RDF.Statement))
            for path in (RDF.subject, RDF.predicate):
                self._property(shape, path, least=1, most=1, facets={SH.nodeKind: SH.IRI})
            self._property(shape, RDF.object, least=1, most=1)
        share = {
            SH.datatype: XSD.decimal,
            SH.minInclusive: Literal(0),
            SH.maxInclusive: Literal(1),
        }
        self._property(shape, term.confidence, least=1, most=1, facets=share)
        fewest = 0 if has_corrections else 1
        count = {SH.datatype: XSD.integer, SH.minInclusive: Literal(fewest)}
        for path in (term.evidenceCount, term.documentCount):
            self._property(shape, path, least=1, most=1, facets=count)
        self._property(shape, _PROV.wasDerivedFrom, least=fewest, facets={SH.nodeKind: SH.IRI})
        node = self._property(shape, term.evidence, least=fewest)
        self.graph.add((node, SH["class"], _OA.SpecificResource))
        if has_corrections:
            self._either(shape, term.evidence, term.correction)

    def add_evidence(self) -> None:
        shape = self._shape("Evidence")
        self.graph.add((shape, SH.targetClass, _OA.SpecificResource))
        self._property(shape, _OA.hasSource, least=1, most=1, facets={SH.nodeKind: SH.IRI})
        self._property(shape, _OA.hasSelector, least=2, most=2, facets={SH.nodeKind: SH.IRI})
        score = {SH.datatype: XSD.decimal}
        self._property(shape, Namespace(self._names.term).score, least=1, most=1, facets=score)
        position = self._shape("Position")
        self.graph.add((position, SH.targetClass, _OA.TextPositionSelector))
        offset = {SH.datatype: XSD.nonNegativeInteger}
        start = self._property(position, _OA.start, least=1, most=1, facets=offset)
        self.graph.add((start, SH.lessThanOrEquals, _OA.end))
        self._property(position, _OA.end, least=1, most=1, facets=offset)
        quote = self._shape("Quote")
        self.graph.add((quote, SH.targetClass, _OA.TextQuoteSelector))
        self._property(quote, _OA.exact, least=1, most=1, facets={SH.datatype: XSD.string})

    def _shape(self, name: str) -> URIRef:
        # A capital tells ours from those of relations, whose names are in lower case.
        shape = URIRef(f"{self._names.shape}{name}")
        self.graph.add((shape, RDF.type, SH.NodeShape))
        return shape

    def _property(
        self,
        shape: URIRef,
        path: URIRef,
        *,
        least: int | None = None,
        most: int | None = None,
        facets: Mapping[URIRef, Node] | None = None,
    ) -> BNode:
        node = self._node()
        self.graph.add((shape, SH.property, node))
        self.graph.add((node, SH.path, path))
        if least is not None:
            self.graph.add((node, SH.minCount, Literal(least)))
        if most is not None:
            self.graph.add((node, SH.maxCount, Literal(most)))
        for name, value in (facets or {}).items():
            self.graph.add((node, name, value))
        return node

    def _either(self, shape: Node, *paths: URIRef) -> None:
        """At least one of some properties is there."""
        choices: list[Node] = []
        for path in paths:
            choice = self._node()
            self.graph.add((choice, SH.path, path))
            self.graph.add((choice, SH.minCount, Literal(1)))
            choices.append(choice)
        items = self._node()
        Collection(self.graph, items, choices)
        self.graph.add((shape, SH["or"], items))

    def _one_of(self, shape: Node, types: Iterable[EntityType]) -> None:
        choices: list[Node] = []
        by_iri = {iri: t for t in types for iri in ranges(self._names, t)}
        for iri, type_ in sorted(by_iri.items()):
            choice = self._node()
            is_class = type_.kind == "entity"
            self.graph.add((choice, SH["class"] if is_class else SH.datatype, iri))
            choices.append(choice)
        if choices:
            items = self._node()
            Collection(self.graph, items, choices)
            self.graph.add((shape, SH["or"], items))

    def _node(self) -> BNode:
        # A label of its own, since what is written is in the order of labels.
        self._nodes += 1
        return BNode(f"n{self._nodes:06d}")
