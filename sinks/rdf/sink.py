"""The graph as RDF: Turtle, N-Triples or TriG, one or two files per file of a table.

| file | of the table | holds |
| --- | --- | --- |
| `entities-*` | entities | classes and names |
| `relations-*` | relations; triples in TriG | the facts, in TriG in the graphs of documents |
| `statements-*` | relations | one node per relation, with its confidence and who corrected it |
| `evidence-*` | triples | quotations and their places, in TriG in the graphs of documents |
| `documents-*` | documents | titles, sources and metadata |

The last three are for provenance; TriG has documents anyway, and corrected facts have statements.
In TriG, `relations-corrected-*` has facts that a person says and no document. The same rows give
the same bytes. `ontology.ttl`, `shapes.ttl` and `void.ttl` describe the whole.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyoxigraph
from pyoxigraph import RdfFormat

from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.interface import Rows, Sink, Written
from pfn_kg.sinks.rdf.facts import distinct_lines, entity_lines, entity_terms, facts
from pfn_kg.sinks.rdf.names import PROV, RdfNames
from pfn_kg.sinks.rdf.ntriples import RowLines, blocks, count, written
from pfn_kg.sinks.rdf.provenance import (
    add_corrections,
    document_lines,
    document_terms,
    evidence_lines,
    is_corrected,
    statement_lines,
)

_FORMATS = {
    "turtle": RdfFormat.TURTLE,
    "ntriples": RdfFormat.N_TRIPLES,
    "trig": RdfFormat.TRIG,
}


class RdfSink(Sink):
    """The graph as RDF.

    It counts `rdf_triples`, with those of named graphs once a graph, and beside the rows
    of each table, by name, `class:IRI` and `property:IRI` for the description of the data set.

    Args:
        label_schema: of the graph.
        options: how it is written.

    Raises:
        ConfigurationError: if an IRI or the language tag is none.
    """

    name: ClassVar[str] = "rdf"

    def __init__(self, label_schema: LabelSchema, options: RdfOptions | None = None):
        options = options or RdfOptions()
        self.label_schema = label_schema
        self.options = options
        self.names = RdfNames(label_schema, options.relation_iris, options.alias_iris)
        self._by_document = options.format == "trig"
        self.has_documents = self._by_document or options.provenance != "none"
        self.stages = (
            (("entities", "relations", "triples", "documents"),)
            if self.has_documents
            else (("entities", "relations"),)
        )
        if options.language is not None:
            try:
                pyoxigraph.Literal("", language=options.language)
            except ValueError:
                raise ConfigurationError(
                    f"{options.language!r} is no language tag, such as en", field="label_language"
                ) from None

    def write(self, part: Rows) -> Written:
        """The rows as RDF."""
        if part.table == "entities":
            return self._entities(part)
        if part.table == "documents":
            return self._documents(part)
        # A literal has no properties: what is said of values can't be said in RDF.
        rows = part.rows.filter(pc.equal(part.rows["subject_kind"], "entity")).combine_chunks()
        if part.table == "triples":
            return self._triples(part, rows)
        return self._relations(part, rows)

    def _entities(self, part: Rows) -> Written:
        rows = part.rows.filter(pc.equal(part.rows["kind"], "entity")).combine_chunks()
        output = _Output(self, part)
        output.add_rows("entities", (self._entity_block(block) for block in blocks(rows)))
        for type_, entities in count(rows["type"]).items():
            output.counts[f"class:{self.names.classes[type_]}"] += entities
        output.counts["rdf_entities"] += len(rows)
        output.counts["rdf_subjects"] += len(rows)
        if len(rows):
            # The one that most is said of, as an example for whoever reads the description.
            best = pc.index(rows["mentions"], pc.max(rows["mentions"])).as_py()
            term = entity_terms(rows["entity_id"], rows["same_as"], self.names)[best].as_py()
            example = f"example:{term[1:-1]}"
            output.counts[example] += rows["mentions"][best].as_py()
        return output.written()

    def _entity_block(self, block: pa.Table) -> RowLines:
        lines = entity_lines(block, self.names, self.options.language)
        add_corrections(lines, block, self.names)
        return lines

    def _relations(self, part: Rows, rows: pa.Table) -> Written:
        output = _Output(self, part)
        said = facts(rows, self.names)
        output.counts["rdf_relations"] += len(rows)
        output.counts["rdf_skipped_value_subjects"] += len(part.rows) - len(rows)
        # One file of `triples` can't know what another says of the same fact in the same
        # document; how many documents say it is known here.
        documents = rows["document_count"]
        if self._by_document:
            by_property = pa.table({"property": said.predicate, "n": documents}).group_by(
                "property"
            )
            for counted in by_property.aggregate([("n", "sum")]).to_pylist():
                output.count({counted["property"]: counted["n_sum"]})
            if is_corrected(rows):
                self._without_documents(output, rows)
        else:
            distinct = distinct_lines(said)
            output.add_facts(distinct)
            output.count(count(distinct["predicate"]))
        if self.options.provenance != "none":
            output.count({f"{PROV}wasDerivedFrom": pc.sum(documents).as_py() or 0})
            output.add_rows("statements", (self._statement_block(block) for block in blocks(rows)))
            output.counts["rdf_statements"] += len(rows)
            output.counts["rdf_subjects"] += len(rows)
        elif is_corrected(rows):
            # Of these alone it is said where they come from.
            rows = rows.filter(pc.is_valid(rows["corrected"])).combine_chunks()
            output.add_rows("statements", (self._statement_block(block) for block in blocks(rows)))
            output.counts["rdf_subjects"] += len(rows)
        return output.written()

    def _without_documents(self, output: _Output, rows: pa.Table) -> None:
        """The facts that no document says, but a person, in the default graph."""
        rows = rows.filter(pc.equal(rows["document_count"], 0)).combine_chunks()
        distinct = distinct_lines(facts(rows, self.names))
        output.add_facts(distinct, "relations-corrected")
        output.count(count(distinct["predicate"]))

    def _statement_block(self, block: pa.Table) -> RowLines:
        provenance = self.options.provenance
        if provenance == "none":
            provenance = "statement"
        return statement_lines(block, self.names, provenance)

    def _triples(self, part: Rows, rows: pa.Table) -> Written:
        output = _Output(self, part)
        if self._by_document:
            rows = rows.sort_by([("document_id", "ascending"), ("triple_id", "ascending")])
            rows = rows.combine_chunks()
            graph = document_terms(rows["document_id"], self.names)
            output.add_facts(distinct_lines(facts(rows, self.names), graph))
        if self.options.provenance != "none":
            evidence = (self._evidence_block(block) for block in blocks(rows))
            output.add_rows("evidence", evidence, without=f"{PROV}wasDerivedFrom")
            output.counts["rdf_evidence"] += len(rows)
            output.counts["rdf_subjects"] += 3 * len(rows)  # it and two selectors
        return output.written()

    def _evidence_block(self, block: pa.Table) -> RowLines:
        graph = document_terms(block["document_id"], self.names) if self._by_document else None
        return evidence_lines(block, self.names, graph)

    def _documents(self, part: Rows) -> Written:
        output = _Output(self, part)
        output.add_rows("documents", (self._document_block(block) for block in blocks(part.rows)))
        output.counts["rdf_documents"] += len(part.rows)
        output.counts["rdf_subjects"] += len(part.rows)
        return output.written()

    def _document_block(self, block: pa.Table) -> RowLines:
        return document_lines(block, self.names, self.options.language)

    def finish(self, counts: Mapping[str, int]) -> Written:
        """The vocabulary, the shapes and the description of the data set."""
        from pfn_kg.sinks.rdf.ontology import ontology_turtle
        from pfn_kg.sinks.rdf.shapes import shapes_turtle
        from pfn_kg.sinks.rdf.void import void_turtle

        has_corrections = bool(counts.get(f"property:{self.names.term}correction"))
        return Written(
            {
                "ontology.ttl": ontology_turtle(self.names, self.has_documents, counts),
                "shapes.ttl": shapes_turtle(
                    self.names, self.options.provenance, has_corrections=has_corrections
                ),
                "void.ttl": void_turtle(self.names, counts, self.options.format),
            }
        )


class _Output:
    """The files and counts of one part."""

    def __init__(self, sink: RdfSink, part: Rows):
        self._part = part
        self._options = sink.options
        self._prefixes = sink.names.prefixes(
            sink.has_documents or is_corrected(part.rows),
            matches=sink.options.relation_iris == "match",
        )
        self._files: dict[str, bytes] = {}
        self.counts: Counter[str] = Counter()

    def add_facts(self, lines: pa.Table, name: str = "relations") -> None:
        """A file of facts."""
        self._add_file(name, (block["line"].combine_chunks() for block in blocks(lines)))

    def add_rows(self, name: str, all_rows: Iterable[RowLines], without: str = "") -> None:
        """A file of what is said of rows, block by block; all is counted but one predicate."""

        def texts() -> Iterator[pa.Array]:
            for block in all_rows:
                self.count({iri: n for iri, n in block.predicates.items() if iri != without})
                yield block.text()

        self._add_file(name, texts())

    def count(self, predicates: Mapping[str, int]) -> None:
        """Counts RDF triples by their predicates."""
        for predicate, triples in predicates.items():
            self.counts[f"property:{predicate}"] += triples
            self.counts["rdf_triples"] += triples

    def _add_file(self, name: str, columns: Iterable[pa.Array]) -> None:
        format_ = _FORMATS[self._options.format]
        data = written(columns, format_, self._prefixes)
        file = f"{name}{self._part.name.removeprefix(self._part.table)}.{format_.file_extension}"
        if self._options.gzip:
            # Without a time stamp: the same rows are the same bytes.
            file, data = f"{file}.gz", gzip.compress(data, compresslevel=6, mtime=0)
        self._files[file] = data

    def written(self) -> Written:
        """What came of the part."""
        return Written(self._files, {name: n for name, n in self.counts.items() if n})
