"""What differs between two graphs, for people and for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.inspect.two_graphs import CHANGES, Differences
from pfn_kg.pipeline.printable import one_line
from pfn_kg.pipeline.query_results import without_formula
from pfn_kg.pipeline.styled import Line, Styled
from pfn_kg.transforms.tables.parts import read_part

_TABLES = {"documents": "documents", "entities": "entities", "relations": "facts"}
_SIGNS = {"new": ("+", "green"), "gone": ("-", "red"), "changed": ("~", "yellow")}
# So many changes get the names of their entities at once.
_BLOCK_ROWS = 100_000
_SHOWN_DOCUMENTS = 3

_CSV_COLUMNS = (
    "what",
    "change",
    "id",
    "name",
    "type",
    "subject",
    "predicate",
    "object",
    "confidence_before",
    "confidence",
    "documents",
)


def diff_lines(found: Differences, limit: int) -> Iterator[Line]:
    """What differs, for people: the counts, then some of each kind.

    Args:
        found: what differs.
        limit: so many of each kind; of facts those that matter most.
    """
    for label, side in zip(("before", "after"), found.sides, strict=True):
        made = f", made {side.snapshot.made}" if side.snapshot.made else ""
        yield [Styled(f"{label:<11}", "dim"), f"{one_line(side.graph)}{made}"]
    for name, (before, after) in found.options.items():
        yield [Styled(f"{'option':<11}", "dim"), f"{name}: {_json(before)} -> {_json(after)}"]
    for table, called in _TABLES.items():
        counts = ", ".join(f"{found.counts[table][change]} {change}" for change in CHANGES)
        yield [Styled(f"{called:<11}", "dim"), counts]
    for table, called in _TABLES.items():
        of_documents = _document_changes(found) if table == "relations" else {}
        for change in CHANGES:
            count = found.counts[table][change]
            if not count or not limit:
                continue
            rows = _best(found, table, change, limit)
            more = f" ({len(rows)} of {count})" if len(rows) < count else ""
            yield []
            yield [Styled(f"{change} {called}{more}", "bold")]
            sign, style = _SIGNS[change]
            for text in _texts(found, table, rows, of_documents):
                yield [Styled(f"{sign} ", style), text]


def _best(found: Differences, table: str, change: str, limit: int) -> pa.Table:
    """Some rows of one kind: of facts the most confident ones, or those that changed most."""
    best: pa.Table | None = None
    for rows in found.rows(table):
        rows = rows.filter(pc.equal(rows["change"], change))
        if table == "relations":
            before, after = (
                pc.fill_null(rows[name], 0.0) for name in ("confidence_before", "confidence")
            )
            rows = rows.append_column("weight", pc.abs(pc.subtract(after, before)))
        best = rows if best is None else pa.concat_tables([best, rows])
        if table == "relations":
            best = best.sort_by([("weight", "descending"), ("relation_id", "ascending")])
        best = best.slice(0, limit).combine_chunks()
    assert best is not None  # there is at least one part
    return best


def _document_changes(found: Differences) -> dict[str, str]:
    """What happened to each document that is not the same in both graphs."""
    changes: dict[str, str] = {}
    for rows in found.rows("documents"):
        changes.update(
            zip(rows["document_id"].to_pylist(), rows["change"].to_pylist(), strict=True)
        )
    return changes


def _texts(
    found: Differences, table: str, rows: pa.Table, documents: Mapping[str, str]
) -> Iterator[str]:
    names = _names(found, rows) if table == "relations" else {}
    for row in rows.to_pylist():
        if table == "documents":
            title = f"  {one_line(row['title'])}" if row["title"] else ""
            yield f"{one_line(row['document_id'])}{title}"
        elif table == "entities":
            was = [row["name_before"], row["type_before"]]
            was_text = f", was {one_line(was[0])} ({was[1]})" if None not in was else ""
            yield f"{one_line(row['name'])} ({row['type']}){was_text}"
        else:
            subject, object_ = (one_line(names[row[n]]) for n in ("subject_id", "object_id"))
            confidence = " -> ".join(
                f"{row[n]:.2f}" for n in ("confidence_before", "confidence") if row[n] is not None
            )
            fact = f"{confidence}  {subject}  {row['predicate']}  {object_}"
            yield f"{fact}  [{_cause(row['documents'], documents)}]"


def _cause(ids: Sequence[str], changes: Mapping[str, str]) -> str:
    """The documents behind a change, those that are not the same any more first."""
    if not ids:
        return "no document: options, label schema or names"
    ordered = sorted(ids, key=lambda id_: (id_ not in changes, id_))
    shown = [
        one_line(id_) + (f" ({changes[id_]})" if id_ in changes else "")
        for id_ in ordered[:_SHOWN_DOCUMENTS]
    ]
    more = len(ids) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _names(found: Differences, rows: pa.Table) -> dict[str, str]:
    """The names of the entities that some facts are about, the newer graph's first."""
    ids = pa.chunked_array([*rows["subject_id"].chunks, *rows["object_id"].chunks], pa.string())
    names: dict[str, str] = {}
    for side in found.sides:
        names.update(_names_of(side, ids.unique()))
    return names


def _names_of(side: FinishedRun, ids: pa.Array) -> Iterator[tuple[str, str]]:
    where = pc.field("entity_id").isin(ids)
    for part in side.parts(["entities"]):
        rows = read_part(part, ("entity_id", "name"), where)
        yield from zip(rows["entity_id"].to_pylist(), rows["name"].to_pylist(), strict=True)


def diff_json(found: Differences) -> Iterator[str]:
    """What differs as one JSON object, in pieces; each row is on a line of its own."""
    head = {
        label: {"graph": side.graph, "made": side.snapshot.made}
        for label, side in zip(("before", "after"), found.sides, strict=True)
    }
    counts = {called: found.counts[table] for table, called in _TABLES.items()}
    options = {name: list(values) for name, values in found.options.items()}
    yield f'{{"before": {_json(head["before"])},\n"after": {_json(head["after"])},\n'
    yield f'"counts": {_json(counts)},\n"options": {_json(options)}'
    for table, called in _TABLES.items():
        yield f',\n"{called}": ['
        for number, row in enumerate(_rows(found, table)):
            yield (",\n" if number else "\n") + _json(row)
        yield "]"
    yield "}\n"


def diff_csv(found: Differences) -> Iterator[str]:
    """What differs as CSV, line by line, with one table for documents, entities and facts.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    line = io.StringIO()
    writer = csv.DictWriter(line, _CSV_COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    yield line.getvalue()
    for table, called in _TABLES.items():
        id_column = {"documents": "document_id", "entities": "entity_id"}.get(table, "relation_id")
        for row in _rows(found, table):
            cells = {"what": called[:-1] if called != "entities" else "entity", **row}
            cells |= {"id": row[id_column], "name": row.get("name", row.get("title"))}
            if "documents" in row:
                cells["documents"] = _json(row["documents"])
            line.seek(0)
            line.truncate()
            writer.writerow({name: _cell(value) for name, value in cells.items()})
            yield line.getvalue()


def _cell(value: Any) -> Any:
    return without_formula(value) if isinstance(value, str) else value


def _rows(found: Differences, table: str) -> Iterator[dict[str, Any]]:
    """The changes of a table as dictionaries; facts have the names of both ends."""
    for rows in found.rows(table):
        for begin in range(0, len(rows), _BLOCK_ROWS):
            block = rows.slice(begin, _BLOCK_ROWS)
            names = _names(found, block) if table == "relations" else {}
            for row in block.to_pylist():
                if table == "relations":
                    for end in ("subject", "object"):
                        row[end] = names[row[f"{end}_id"]]
                    for name in ("confidence_before", "confidence"):
                        # Without the digits that 64 bits add to a float of 32.
                        row[name] = None if row[name] is None else round(row[name], 6)
                yield row


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
