"""The rows of a finished graph's tables, joined with the rows that they refer to.

```
parts of the tables -> questions to other tables -> answers, by file -> rows
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.joined_columns import JOINED_COLUMNS
from pfn_kg.schemas.load_options import Filters
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.shards import decode_all
from pfn_kg.transforms.tables.look_up import LookUp, Question, scatter
from pfn_kg.transforms.tables.parts import TablePart, read_part
from pfn_kg.transforms.tables.sentence_contents import SentenceContents, with_contents

_ENDS = {
    "relations": ("subject_id", "object_id"),
    "triples": ("subject_entity_id", "object_entity_id"),
}
#: The key of the part itself in what `JoinTables` gives.
PART = "part"
_VALUE_COLUMNS = ("type", "value", "datatype")
# What an entity is by itself is known from its id; of most there is nothing to look up.
_TELLING = (pc.field("kind") == "value") | pc.field("same_as").is_valid()


class JoinTables(beam.PTransform):
    """From `TablePart` to ((table, number of the part), what `read_rows` needs for it).

    Args:
        tables: the tables whose parts are joined; they may look others up.
        filters: which relations are written.
    """

    def __init__(self, tables: Sequence[str], filters: Filters):
        super().__init__()
        self._tables = tables
        self._filters = filters

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        joined = {PART: _keyed(parts, self._tables, "")}
        for table in self._tables:
            for name, question in questions(table, self._filters).items():
                joined[f"{table} {name}"] = parts | f"{table}{name}" >> LookUp(question)
            if table == "sentences":
                joined |= _contents(parts, self._filters)
        return joined | "Join" >> beam.CoGroupByKey()


def _keyed(parts: beam.PCollection, tables: Sequence[str], label: str) -> beam.PCollection:
    """The files of some tables, each by its table and number."""
    return (
        parts
        | f"{label}Parts" >> beam.Filter(lambda part: part.table in tables)
        | f"{label}Key"
        >> beam.Map(lambda part: ((part.table, part.number), part)).with_output_types(
            tuple[tuple[str, int], Any]
        )
    )


def _contents(parts: beam.PCollection, filters: Filters) -> dict[str, beam.PCollection]:
    """The mentions and triples of sentences, by file of `sentences`."""
    contents = {}
    for table, name in (("mentions", "values"), ("triples", "weak")):
        joined = {PART: _keyed(parts, (table,), table)}
        if (question := questions(table, filters).get(name)) is not None:
            joined["found"] = parts | f"{table}{name}" >> LookUp(question)
        contents[f"sentences {table}"] = (
            joined
            | f"{table}Join" >> beam.CoGroupByKey()
            | f"{table}Contents" >> SentenceContents(table, parts, filters.not_wanted.get(table))
        )
    return contents


def questions(table: str, filters: Filters) -> dict[str, Question]:
    """The look-ups in other tables that the rows of a table need, by name.

    Args:
        table: name of the table.
        filters: which relations are written.
    """
    asked = {}
    if table == "mentions":
        asked["values"] = Question(
            table, ("entity_id",), "entities", "entity_id", (), pc.field("kind") == "value"
        )
    if table in _ENDS:
        asked["ends"] = Question(
            table,
            _ENDS[table],
            "entities",
            "entity_id",
            (*_VALUE_COLUMNS, "same_as"),
            _TELLING,
        )
    if table == "triples" and filters.too_weak is not None:
        asked["weak"] = Question(
            table, ("relation_id",), "relations", "relation_id", (), filters.too_weak
        )
    return asked


def tables_read(tables: Iterable[str], filters: Filters) -> list[str]:
    """The tables that are read to write some, those that are looked up among them.

    Args:
        tables: those that are written.
        filters: which relations are written.
    """
    tables = list(tables)
    if "sentences" in tables:
        tables += ["mentions", "triples"]
    others = [q.other for table in tables for q in questions(table, filters).values()]
    return [name for name in TABLE_SCHEMAS if name in {*tables, *others}]


def read_rows(
    part: TablePart, answers: Mapping[str, Iterable[bytes]], filters: Filters
) -> pa.Table:
    """The rows of a part that pass the filters, joined with what was looked up for them.

    Args:
        part: the file.
        answers: by `TABLE NAME` of the look-up, its answers as Arrow IPC bytes.
        filters: which relations are written.

    Returns:
        The rows, with `pfn_kg.schemas.joined_columns.JOINED_COLUMNS` where the table is
        `relations` or `triples`, and with SENTENCE_COLUMNS where it is `sentences`.
    """
    rows = read_part(part)
    table = part.table
    if table in _ENDS:
        rows = _with_ends(rows, decode_all(answers.get(f"{table} ends", ())))
        dropped = filters.not_wanted.get(table)
        if table == "relations" and filters.too_weak is not None:
            dropped = filters.too_weak if dropped is None else dropped | filters.too_weak
        weak = decode_all(answers.get(f"{table} weak", ()))
        if weak is not None:
            row = pa.array(range(len(rows)), pa.int32())
            rows = rows.append_column("row", row).filter(
                ~pc.field("row").isin(weak["row"].combine_chunks())
            )
            rows = rows.drop_columns(["row"])
        if dropped is not None:
            rows = rows.filter(~dropped)
    elif table == "sentences":
        rows = with_contents(
            rows, answers.get("sentences mentions", ()), answers.get("sentences triples", ())
        )
    return rows.combine_chunks()


def _with_ends(rows: pa.Table, ends: pa.Table | None) -> pa.Table:
    """The rows with the kinds, values and IRIs of their subjects and objects."""
    for position, end in enumerate(("subject", "object")):
        nothing = pa.nulls(len(rows), pa.string())
        columns = dict.fromkeys((*_VALUE_COLUMNS, "same_as"), nothing)
        if ends is not None:
            columns = {
                name: scatter(len(rows), ends, key=position, column=name) for name in columns
            }
        is_entity = pc.is_null(columns["datatype"])
        columns["type"] = pc.if_else(is_entity, pa.scalar(None, pa.string()), columns["type"])
        rows = rows.append_column(f"{end}_kind", pc.if_else(is_entity, "entity", "value"))
        rows = rows.append_column(f"{end}_same_as", columns["same_as"])
        if end == "object":
            for name in _VALUE_COLUMNS:
                if f"{end}_{name}" not in rows.column_names:
                    rows = rows.append_column(f"{end}_{name}", columns[name])
    names = [name for name in rows.column_names if name not in JOINED_COLUMNS.names]
    return rows.select(list(dict.fromkeys([*names, *JOINED_COLUMNS.names])))
