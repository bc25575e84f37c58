"""The graph as RDF 1.1 Turtle, shard by shard, written by pyoxigraph.

Entities are IRIs with a class, an `rdfs:label` and `skos:altLabel`s; relations are
properties of our own; values are typed literals. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import pyarrow as pa
from pyoxigraph import Literal, NamedNode, RdfFormat, Triple, serialize

from schemas.label_schema import LabelSchema
from sinks.interface import Rows, Sink, Written

XSD = "http://www.w3.org/2001/XMLSchema#"
_RDF_TYPE = NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
_LABEL = NamedNode("http://www.w3.org/2000/01/rdf-schema#label")
_ALIAS = NamedNode("http://www.w3.org/2004/02/skos/core#altLabel")


class Turtle(NamedTuple):
    """One file of Turtle.

    Attributes:
        data: UTF-8.
        triples: how many RDF triples it holds.
        skipped: how many relations RDF can't say, since a literal has no properties.
    """

    data: bytes
    triples: int
    skipped: int = 0


def prefixes(base_iri: str) -> dict[str, str]:
    """One prefix a namespace, the same in every file of a graph."""
    return {
        "entity": f"{base_iri}entity/",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "relation": f"{base_iri}relation/",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "type": f"{base_iri}type/",
        "xsd": XSD,
    }


def entities_turtle(entities: pa.Table, label_schema: LabelSchema) -> Turtle:
    """The entities of a table `entities`; values are written where relations hold them."""
    classes = {t.name: NamedNode(label_schema.type_iri(t.name)) for t in label_schema.entity_types}
    columns = [entities[name].to_pylist() for name in ("iri", "type", "name", "aliases")]
    found: list[Triple] = []
    for iri, type_, name, aliases in zip(*columns, strict=True):
        if iri is None:
            continue
        node = NamedNode(iri)
        found.append(Triple(node, _RDF_TYPE, classes[type_]))
        found.append(Triple(node, _LABEL, Literal(name)))
        found += [Triple(node, _ALIAS, Literal(alias)) for alias in aliases]
    return Turtle(_serialize(found, label_schema.base_iri), len(found))


def relations_turtle(relations: pa.Table, label_schema: LabelSchema) -> Turtle:
    """The relations of a table `relations` with the columns that `aggregate_relations` adds."""
    entity = f"{label_schema.base_iri}entity/"
    properties = {
        r.name: NamedNode(label_schema.relation_iri(r.name)) for r in label_schema.relations
    }
    names = (
        "subject_id",
        "predicate",
        "object_id",
        "subject_kind",
        "object_value",
        "object_datatype",
    )
    columns = [relations[name].to_pylist() for name in names]
    found: set[tuple[str, str, str, str]] = set()
    skipped = 0
    for subject, predicate, object_, kind, value, datatype in zip(*columns, strict=True):
        if kind == "value":
            skipped += 1
        elif value is None:
            found.add((subject, predicate, entity + object_, ""))
        else:
            found.add((subject, predicate, value, XSD + datatype.removeprefix("xsd:")))
    triples = [
        Triple(
            NamedNode(entity + subject),
            properties[predicate],
            Literal(object_, datatype=NamedNode(datatype)) if datatype else NamedNode(object_),
        )
        for subject, predicate, object_, datatype in sorted(found)
    ]
    return Turtle(_serialize(triples, label_schema.base_iri), len(triples), skipped)


def _serialize(triples: Iterable[Triple], base_iri: str) -> bytes:
    data = serialize(triples, format=RdfFormat.TURTLE, prefixes=prefixes(base_iri))
    assert data is not None  # since no output was given
    return data


class RdfOptions(NamedTuple):
    """How the graph is written as RDF."""

    format: str = "turtle"
    provenance: str = "none"
    language: str | None = None
    relation_iris: str = "own"
    gzip: bool = False


class RdfSink(Sink):
    """The graph as RDF."""

    name: ClassVar[str] = "rdf"
    stages = (("entities", "relations"),)

    def __init__(self, label_schema: LabelSchema, options: RdfOptions):
        self.label_schema = label_schema
        self.options = options

    def write(self, part: Rows) -> Written:
        """The rows as Turtle."""
        write = entities_turtle if part.table == "entities" else relations_turtle
        turtle = write(part.rows, self.label_schema)
        counts = {"rdf_triples": turtle.triples, "rdf_skipped_value_subjects": turtle.skipped}
        return Written({f"{part.name}.ttl": turtle.data}, counts)

    def finish(self, counts: Mapping[str, int]) -> Written:
        """The vocabulary."""
        from sinks.ontology import ontology_turtle, shapes_turtle, void_turtle

        return Written(
            {
                "ontology.ttl": ontology_turtle(self.label_schema),
                "shapes.ttl": shapes_turtle(self.label_schema),
                "void.ttl": void_turtle(
                    self.label_schema, triples=counts.get("rdf_triples", 0), entities=0
                ),
            }
        )
