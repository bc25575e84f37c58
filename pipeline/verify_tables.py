"""What `pfn-kg verify` checks in the tables of a graph: single rows, and rows joined by ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.pipeline.findings import Findings
from pfn_kg.pipeline.spill import Spill
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.tables import SORTED_BY, TABLE_SCHEMAS, table_schema
from pfn_kg.transforms.plumbing.files import open_raw
from pfn_kg.transforms.plumbing.ids import shard_of_documents, shard_of_hex
from pfn_kg.transforms.tables.parts import TablePart, read_part

_ENDS = ("subject", "object")


class Reference(NamedTuple):
    """A column whose ids are those of another table.

    Attributes:
        table: that has the column; lists are taken apart.
        column: its name.
        target: the other table.
        key: its column of ids.
    """

    table: str
    column: str
    target: str
    key: str


REFERENCES = (
    Reference("mentions", "document_id", "documents", "document_id"),
    Reference("mentions", "entity_id", "entities", "entity_id"),
    Reference("sentences", "document_id", "documents", "document_id"),
    Reference("triples", "document_id", "documents", "document_id"),
    Reference("triples", "relation_id", "relations", "relation_id"),
    Reference("relations", "subject_id", "entities", "entity_id"),
    Reference("relations", "object_id", "entities", "entity_id"),
    Reference("relations", "evidence", "triples", "triple_id"),
    Reference("redirects", "entity_id", "entities", "entity_id"),
)


def check_rows(parts: Sequence[TablePart], findings: Findings, *, corrected: bool) -> None:
    """Checks schema, order, offsets and texts of all rows, one file at a time.

    Args:
        parts: the files.
        findings: gets what is wrong.
        corrected: whether the graph was built with corrections.
    """
    last: dict[str, tuple[Any, ...]] = {}
    for part in parts:
        with open_raw(part.path) as file:
            try:
                schema = pq.read_schema(file)
            except pa.ArrowInvalid as error:
                findings.add("unreadable file", f"{part.path}: {str(error).splitlines()[0]}")
                continue
        if not schema.equals(table_schema(part.table, corrected=corrected)):
            findings.add("table with other columns", part.path)
        try:
            rows = read_part(part).combine_chunks()
        except (ConfigurationError, OSError, pa.ArrowException) as error:
            findings.add("unreadable file", " ".join(str(error).split()))
            continue
        _check_order(part, rows, last, findings)
        if part.table in ("mentions", "sentences"):
            _check_text(rows, ("begin", "end", "text"), part.table, findings)
        elif part.table == "triples":
            _check_triples(rows, findings)
        elif part.table == "entities":
            _check_entities(rows, findings)
        elif part.table == "relations":
            wrong = pc.less(pc.list_value_length(rows["evidence"]), 1)
            if corrected:
                # What a person says holds without any.
                wrong = pc.and_(wrong, pc.is_null(rows["corrected"]))
                unsure = pc.and_(pc.is_valid(rows["corrected"]), pc.less(rows["confidence"], 1))
                kind = "corrected relation that is not certain"
                _find(findings, kind, rows["relation_id"], unsure)
            _find(findings, "relation without evidence", rows["relation_id"], wrong)


def _find(findings: Findings, kind: str, names: pa.Array | pa.ChunkedArray, wrong: Any) -> None:
    """Records the rows for which something is wrong; a null counts as wrong."""
    found = names.filter(pc.fill_null(wrong, True))
    findings.add(kind, str(found[0].as_py()) if len(found) else "", len(found))


def _check_order(
    part: TablePart, rows: pa.Table, last: dict[str, tuple[Any, ...]], findings: Findings
) -> None:
    """The rows of each file are sorted, and no two have the same key.

    Files are in the order of their ids too, except where rows are placed by a hash of their
    document.
    """
    if not len(rows):
        return
    columns = SORTED_BY[part.table]
    is_strict = part.table != "rejected"

    def key(row: int) -> tuple[Any, ...]:
        # Nulls come last in a sorted table.
        return tuple(
            (v is None, "" if v is None else v)
            for v in (rows[column][row].as_py() for column in columns)
        )

    if is_strict and len(columns) == 1:
        ids = rows[columns[0]].combine_chunks()
        wrong = pc.greater_equal(ids[:-1], ids[1:])
        _find(findings, f"{part.table} out of order", ids[1:], wrong)
    else:
        keys = [key(row) for row in range(len(rows))]
        for before, after in itertools.pairwise(keys):
            if before > after or (is_strict and before == after):
                findings.add(f"{part.table} out of order", f"{part.path}: {after[0][1]}")
    first = key(0)
    before_first = None if columns[0] == "document_id" else last.get(part.table)
    if before_first is not None and is_strict and before_first >= first:
        findings.add(f"{part.table} out of order", f"{part.path}: {first[0][1]}")
    last[part.table] = key(len(rows) - 1)


def _check_text(
    rows: pa.Table, columns: tuple[str, str, str], table: str, findings: Findings
) -> None:
    """A text is as long as its offsets say."""
    begin, end, text = (rows[name] for name in columns)
    wrong = pc.not_equal(pc.subtract(end, begin), pc.utf8_length(text))
    wrong = pc.or_(wrong, pc.less(begin, 0))
    names = rows[rows.column_names[0]]
    _find(findings, f"{table} whose text is not as long as its offsets say", names, wrong)


def _check_triples(rows: pa.Table, findings: Findings) -> None:
    columns = ("evidence_begin", "evidence_end", "evidence_text")
    _check_text(rows, columns, "triples", findings)
    begin, end = rows["evidence_begin"], rows["evidence_end"]
    for name in _ENDS:
        first, last = rows[f"{name}_begin"], rows[f"{name}_end"]
        outside = pc.or_(pc.less(first, begin), pc.greater(last, end))
        _find(findings, f"triples whose {name} is outside the evidence", rows["triple_id"], outside)
        offsets = zip(
            rows["evidence_text"].to_pylist(),
            pc.subtract(first, begin).to_pylist(),
            pc.subtract(last, begin).to_pylist(),
            rows[f"{name}_text"].to_pylist(),
            strict=True,
        )
        wrong = pa.array([text[b:e] != spelt for text, b, e, spelt in offsets], pa.bool_())
        _find(
            findings,
            f"triples whose {name}_text is not what the evidence has there",
            rows["triple_id"],
            wrong,
        )


def _check_entities(rows: pa.Table, findings: Findings) -> None:
    is_value = pc.equal(rows["kind"], "value")
    wrong = pc.or_(
        pc.not_equal(is_value, rows["value"].is_valid()),
        pc.not_equal(is_value, rows["datatype"].is_valid()),
    )
    _find(findings, "entities whose kind and value disagree", rows["entity_id"], wrong)
    wrong = pc.equal(is_value, rows["iri"].is_valid())
    _find(findings, "entities whose kind and IRI disagree", rows["entity_id"], wrong)


def check_joins(parts: Sequence[TablePart], spill: Spill, findings: Findings) -> None:
    """Checks that ids lead to rows, and that rows say the same of the same things."""
    tables = {part.table for part in parts}
    for number, reference in enumerate(REFERENCES):
        if {reference.table, reference.target} <= tables:
            _check_reference(parts, reference, f"reference{number}", spill, findings)
    if "sentences" in tables:
        _check_sentences(parts, spill, findings)
    _check_arguments(parts, spill, findings)
    _check_support(parts, spill, findings)


def _of(parts: Iterable[TablePart], table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    for part in parts:
        if part.table == table:
            yield read_part(part, columns)


def _places(keys: pa.ChunkedArray, name: str, spill: Spill) -> np.ndarray:
    """The part of each key; ids are hexadecimal but for those of documents."""
    of = shard_of_documents if name == "document_id" else shard_of_hex
    return of(keys, spill.parts)


def _check_reference(
    parts: Sequence[TablePart], asked: Reference, name: str, spill: Spill, findings: Findings
) -> None:
    schema = pa.schema({"id": pa.string()})

    def ids(table: str, column: str) -> Iterator[tuple[pa.Table, np.ndarray]]:
        for rows in _of(parts, table, [column]):
            found = rows[column]
            if pa.types.is_list(found.type):
                found = pa.chunked_array([pc.list_flatten(found.combine_chunks())])
            yield pa.table([found], schema=schema), _places(found, asked.key, spill)

    spill.write(f"{name}-of", ids(asked.table, asked.column))
    spill.write(f"{name}-to", ids(asked.target, asked.key))
    for number in range(spill.parts):
        of = spill.read(f"{name}-of", number, schema)["id"]
        to = spill.read(f"{name}-to", number, schema)["id"].combine_chunks()
        if asked == REFERENCES[0]:
            # The files of `documents` are in no order, so its ids are compared here.
            counts = to.value_counts()
            twice = counts.field(0).filter(pc.greater(counts.field(1), 1))
            _find(findings, "documents with an id twice", twice, pc.is_valid(twice))
        kind = f"{asked.table}.{asked.column} that is not in {asked.target}"
        _find(findings, kind, of, pc.invert(pc.is_in(of, value_set=to)))


def _check_sentences(parts: Sequence[TablePart], spill: Spill, findings: Findings) -> None:
    """Mentions stand where the table of sentences has their text."""
    columns = {
        "sentences": ("document_id", "sentence_index", "begin", "text"),
        "mentions": ("document_id", "sentence_index", "begin", "end", "text", "mention_id"),
    }
    for table, names in columns.items():
        rows = _of(parts, table, names)
        spill.write(
            f"in-{table}", ((r, _places(r["document_id"], "document_id", spill)) for r in rows)
        )
    for number in range(spill.parts):
        sentences, mentions = (
            spill.read(f"in-{table}", number, _schema(table, names))
            for table, names in columns.items()
        )
        keys = ["document_id", "sentence_index"]
        right = sentences.rename_columns([*keys, "sentence_begin", "sentence_text"])
        for row in mentions.join(right, keys, join_type="left outer").to_pylist():
            text, begin = row["sentence_text"], row["sentence_begin"]
            if text is None or text[row["begin"] - begin : row["end"] - begin] != row["text"]:
                findings.add("mentions that their sentence does not spell", row["mention_id"])


def _check_arguments(parts: Sequence[TablePart], spill: Spill, findings: Findings) -> None:
    """A triple says of its subject and object what their mentions say."""
    columns = ("document_id", "begin", "end", "text", "type", "entity_id")
    known = ("mention_id", *columns)
    spill.write(
        "known",
        ((r, _places(r["mention_id"], "", spill)) for r in _of(parts, "mentions", known)),
    )
    names = {
        end: (
            *("triple_id", f"{end}_mention_id", "document_id"),
            *(f"{end}_{column}" for column in columns[1:]),
        )
        for end in _ENDS
    }
    for end in _ENDS:
        rows = _of(parts, "triples", names[end])
        spill.write(end, ((r, _places(r[f"{end}_mention_id"], "", spill)) for r in rows))
    for number in range(spill.parts):
        mentions = spill.read("known", number, _schema("mentions", known))
        ids = mentions["mention_id"].combine_chunks()
        for end in _ENDS:
            triples = spill.read(end, number, _schema("triples", names[end]))
            place = pc.index_in(triples[f"{end}_mention_id"], value_set=ids)
            _find(
                findings,
                f"triples.{end}_mention_id that is not in mentions",
                triples["triple_id"],
                pc.is_null(place),
            )
            for column, own in zip(columns, names[end][2:], strict=True):
                differs = pc.not_equal(triples[own], mentions[column].take(place))
                kind = f"triples whose {own} is not the {column} of the mention"
                # What is in no mention was said above.
                _find(findings, kind, triples["triple_id"], pc.fill_null(differs, False))


def _check_support(parts: Sequence[TablePart], spill: Spill, findings: Findings) -> None:
    """Relations and entities count what supports them, and triples are of their relation."""
    said = ("relation_id", "document_id", "subject_entity_id", "relation", "object_entity_id")
    facts = (
        *("relation_id", "subject_id", "predicate", "object_id"),
        *("evidence_count", "document_count"),
    )
    rows = _of(parts, "triples", said)
    spill.write("said", ((r, _places(r["relation_id"], "", spill)) for r in rows))
    rows = _of(parts, "relations", facts)
    spill.write("facts", ((r, _places(r["relation_id"], "", spill)) for r in rows))
    for number in range(spill.parts):
        triples = spill.read("said", number, _schema("triples", said))
        relations = spill.read("facts", number, _schema("relations", facts))
        _compare_counts(
            triples,
            relations,
            key="relation_id",
            counts=("evidence_count", "document_count"),
            table="relations",
            findings=findings,
        )
        place = pc.index_in(
            triples["relation_id"], value_set=relations["relation_id"].combine_chunks()
        )
        for own, column in zip(said[2:], facts[1:4], strict=True):
            differs = pc.not_equal(triples[own], relations[column].take(place))
            kind = f"triples whose {own} is not the {column} of the relation"
            _find(findings, kind, triples["relation_id"], pc.fill_null(differs, False))
    named = ("entity_id", "document_id")
    entities = ("entity_id", "mentions", "documents")
    rows = _of(parts, "mentions", named)
    spill.write("named", ((r, _places(r["entity_id"], "", spill)) for r in rows))
    rows = _of(parts, "entities", entities)
    spill.write("counted", ((r, _places(r["entity_id"], "", spill)) for r in rows))
    for number in range(spill.parts):
        _compare_counts(
            spill.read("named", number, _schema("mentions", named)),
            spill.read("counted", number, _schema("entities", entities)),
            key="entity_id",
            counts=("mentions", "documents"),
            table="entities",
            findings=findings,
        )


def _compare_counts(
    rows: pa.Table,
    counted: pa.Table,
    *,
    key: str,
    counts: tuple[str, str],
    table: str,
    findings: Findings,
) -> None:
    """Compares counts of rows and of their distinct documents with what a table says."""
    grouped = rows.group_by(key, use_threads=False).aggregate(
        [([], "count_all"), ("document_id", "count_distinct")]
    )
    place = pc.index_in(counted[key], value_set=grouped[key].combine_chunks())
    for name, found in zip(counts, ("count_all", "document_id_count_distinct"), strict=True):
        actual = pc.fill_null(grouped[found].take(place), 0)
        wrong = pc.not_equal(counted[name], actual)
        _find(findings, f"{table} with a wrong {name}", counted[key], wrong)


def _schema(table: str, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([TABLE_SCHEMAS[table].field(name) for name in columns])
