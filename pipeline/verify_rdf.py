"""What `pfn-kg verify` checks in the RDF of a graph: it says what the tables say, no more, no less.

The files are parsed as RDF and compared with the tables, without the code that wrote them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyoxigraph

from pfn_kg.pipeline.findings import Findings
from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.spill import Spill
from pfn_kg.schemas.datatypes import datatype_iri
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.rdf.names import RDF, RdfNames
from pfn_kg.transforms.plumbing.files import (
    join,
    open_raw,
)
from pfn_kg.transforms.plumbing.ids import shard_of_hex
from pfn_kg.transforms.plumbing.listing import list_folder
from pfn_kg.transforms.tables.parts import TablePart, read_part

_BATCH = 50_000
_ENTITIES = pa.schema({"id": pa.string(), "class": pa.string()})
_FACTS = pa.schema({"subject": pa.string(), "property": pa.string(), "object": pa.string()})
_OBJECTS = ("subject_id", "predicate", "object_id")
_VALUES = ("entity_id", "kind", "type", "value", "datatype")


def check_rdf(
    run: FinishedRun, parts: Sequence[TablePart], spill: Spill, findings: Findings
) -> None:
    """Compares the entities and relations of the RDF with those of the tables.

    Where entities are called by IRIs of an alias table (`alias_iris` is `subject`), several of
    them may have one name in RDF, and numbers of entities and relations are all that the record
    of the build tells; then only the syntax of the files is checked.

    Args:
        run: the graph; nothing happens if it was built without RDF.
        parts: the files of its tables.
        spill: for rows on their way to a join.
        findings: gets what is wrong.
    """
    options = run.build.options.get("rdf")
    if not options:
        return
    names = RdfNames(
        run.label_schema, options.get("relation_iris", "own"), options.get("alias_iris", "same-as")
    )
    is_comparable = names.alias_iris != "subject"
    paths = [metadata.path for metadata in list_folder(join(run.graph, "rdf"), "*")]
    if not paths:
        findings.add("graph without the RDF that it was built with", join(run.graph, "rdf"))
        return
    readers = {"entities": _typed, "relations": _said}
    for name, reader in readers.items():
        files = [path for path in paths if f"/{name}-" in path.replace("\\", "/")]
        others = [path for path in paths if path not in files] if name == "relations" else []
        quads = _parse(files, findings)
        if is_comparable:
            spill.write(f"rdf-{name}", reader(quads, names, spill))
        else:
            others = files + others
        for _ in _parse([path for path in others if "/entities-" not in path], findings):
            pass
    if is_comparable:
        spill.write("table-entities", _entities(parts, names, spill))
        _compare("entities", _ENTITIES, spill, findings)
        spill.write("table-relations", _facts(parts, names, run.label_schema, spill))
        _compare("relations", _FACTS, spill, findings)


def _parse(paths: Iterable[str], findings: Findings) -> Iterator[pyoxigraph.Quad]:
    for path in paths:
        suffix = path.removesuffix(".gz").rpartition(".")[2]
        format_ = pyoxigraph.RdfFormat.from_extension(suffix)
        if format_ is None:
            findings.add("file in rdf/ that is no RDF", path)
            continue
        try:
            with ExitStack() as stack:
                file: Any = stack.enter_context(open_raw(path))
                if path.endswith(".gz"):
                    file = stack.enter_context(gzip.open(file))
                yield from pyoxigraph.parse(file, format_)
        except (SyntaxError, OSError, EOFError) as error:
            findings.add("RDF that can't be read", f"{path}: {' '.join(str(error).split())}")


def _batches(
    rows: Iterable[tuple[str, ...]], schema: pa.Schema, spill: Spill
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Rows as tables, each row with the number of its part; the first column is an id."""
    all_rows = iter(rows)
    while some := list(islice(all_rows, _BATCH)):
        columns = [pa.array(column, pa.string()) for column in zip(*some, strict=True)]
        table = pa.table(columns, schema=schema)
        yield table, _places(table.column(0), spill)


def _places(ids: pa.ChunkedArray, spill: Spill) -> np.ndarray:
    if spill.parts == 1:
        return np.zeros(len(ids), dtype=np.int64)
    # What is no id of ours is found to be wrong in whatever part it is.
    is_id = pc.match_substring_regex(ids, "^[0-9a-f]{24}$")
    return shard_of_hex(pc.if_else(is_id, ids, "0" * 24), spill.parts)


def _typed(
    quads: Iterable[pyoxigraph.Quad], names: RdfNames, spill: Spill
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    rows = (
        (_own(quad.subject, names), _text(quad.object))
        for quad in quads
        if _text(quad.predicate) == f"{RDF}type"
    )
    return _batches(rows, _ENTITIES, spill)


def _said(
    quads: Iterable[pyoxigraph.Quad], names: RdfNames, spill: Spill
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    rows = (
        (_own(quad.subject, names), _text(quad.predicate), _own(quad.object, names))
        for quad in quads
    )
    return _batches(rows, _FACTS, spill)


def _own(term: Any, names: RdfNames) -> str:
    """The id of an entity, or the text of another term."""
    return _text(term).removeprefix(names.entity)


def _text(term: Any) -> str:
    if isinstance(term, pyoxigraph.Literal):
        return _literal(term.value, term.datatype.value)
    return term.value if isinstance(term, pyoxigraph.NamedNode) else str(term)


def _literal(value: str, datatype: str) -> str:
    return f'"{value}"^^{datatype}'


def _entities(
    parts: Iterable[TablePart], names: RdfNames, spill: Spill
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    def rows() -> Iterator[tuple[str, ...]]:
        for part in parts:
            if part.table == "entities":
                table = read_part(part, ("entity_id", "type"), pc.field("kind") == "entity")
                for row in table.to_pylist():
                    yield row["entity_id"], names.classes.get(row["type"], row["type"])

    return _batches(rows(), _ENTITIES, spill)


def _facts(
    parts: Sequence[TablePart], names: RdfNames, label_schema: LabelSchema, spill: Spill
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """The facts of `relations` whose subject is an entity, as RDF says them."""
    values = {"relations": (_OBJECTS, "object_id"), "entities": (_VALUES, "entity_id")}
    for table, (columns, key) in values.items():
        found = (read_part(part, columns) for part in parts if part.table == table)
        spill.write(f"join-{table}", ((rows, _places(rows[key], spill)) for rows in found))
    texts = {t.name for t in label_schema.entity_types if t.datatype == "xsd:string"}

    def joined() -> Iterator[tuple[str, ...]]:
        for number in range(spill.parts):
            ends = {
                row["entity_id"]: row
                for row in spill.read("join-entities", number, _strings(_VALUES)).to_pylist()
                if row["kind"] == "value"
            }
            for row in spill.read("join-relations", number, _strings(_OBJECTS)).to_pylist():
                value = ends.get(row["object_id"])
                if value is None:
                    end, is_text = row["object_id"], False
                else:
                    datatype = value["datatype"]
                    end = _literal(value["value"], datatype_iri(datatype, names.term))
                    is_text = datatype == "xsd:string" and value["type"] not in texts
                properties = names.text_properties if is_text else names.properties
                predicate = properties.get(row["predicate"], row["predicate"])
                yield row["subject_id"], predicate, end

    return _batches(joined(), _FACTS, spill)


def _strings(columns: Iterable[str]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in columns])


def _compare(name: str, schema: pa.Schema, spill: Spill, findings: Findings) -> None:
    for number in range(spill.parts):
        # A relation whose subject is a value has no subject in RDF.
        of_tables = _rows(spill.read(f"table-{name}", number, schema))
        of_rdf = _rows(spill.read(f"rdf-{name}", number, schema))
        if name == "relations":
            values = {
                row["entity_id"]
                for row in spill.read("join-entities", number, _strings(_VALUES)).to_pylist()
                if row["kind"] == "value"
            }
            of_tables = {row for row in of_tables if row[0] not in values}
        for kind, difference in (
            (f"{name} of the tables that are not in the RDF", of_tables - of_rdf),
            (f"{name} of the RDF that are not in the tables", of_rdf - of_tables),
        ):
            if difference:
                findings.add(kind, " ".join(min(difference)), len(difference))


def _rows(table: pa.Table) -> set[tuple[str, ...]]:
    return set(zip(*(column.to_pylist() for column in table.columns), strict=True))
