"""Why the names of an entity are of one thing: what catalogue and homonyms say of it, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.transforms.linking.link_entities import LINKS_FOLDER
from pfn_kg.transforms.linking.split_homonyms import HOMONYMS_FOLDER
from pfn_kg.transforms.plumbing.files import join, read_bytes
from pfn_kg.transforms.plumbing.listing import list_folder

_SHOWN = 8


def entity_origins(run: FinishedRun, entity_id: str) -> tuple[str, ...]:
    """Lines that say which names a catalogue joined, and of how many things the name may be.

    Args:
        run: the graph; one that was built without these options gives no lines.
        entity_id: of the entity.
    """
    options = run.build.options
    lines: list[str] = []
    if options.get("catalogue") is not None:
        lines += _linked(_rows(run, LINKS_FOLDER, "entity_id", entity_id))
    if options.get("homonyms", "keep") != "keep":
        # All senses of the name, whichever of them the entity is.
        olds = [row["old_id"] for row in _rows(run, HOMONYMS_FOLDER, "entity_id", entity_id)]
        for old in sorted(set(olds)):
            lines += _several(_rows(run, HOMONYMS_FOLDER, "old_id", old))
    return tuple(lines)


def _rows(run: FinishedRun, folder: str, column: str, id_: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for metadata in list_folder(join(run.graph, folder), "part-*.parquet"):
        table = pq.read_table(pa.BufferReader(read_bytes(metadata.path)))
        found += table.filter(pc.equal(table[column], id_)).to_pylist()
    return sorted(found, key=lambda row: (row["old_id"], str(row.get("document_id") or "")))


def _linked(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows[:_SHOWN]:
        where = "" if row["document_id"] is None else f" in {row['document_id']}"
        yield (
            f"linked by the catalogue: {', '.join(row['keys'])} ({row['own_type']}){where} "
            f"to {row['iri']}, {row['confidence']:.2f}"
        )
    if len(rows) > _SHOWN:
        yield f"linked by the catalogue: {len(rows) - _SHOWN} more names or documents"


def _several(rows: list[dict[str, Any]]) -> Iterator[str]:
    said = "; ".join(_sense(row) for row in rows)
    is_split = any(row["decision"] == "split" for row in rows)
    yield f"{'one of several of this name' if is_split else 'its documents contradict'}: {said}"


def _sense(row: Mapping[str, Any]) -> str:
    claims = ", ".join(f"{claim['relation']} {claim['object']}" for claim in row["claims"])
    number = row["documents"]
    return f"{claims} ({number} {'document' if number == 1 else 'documents'})"
