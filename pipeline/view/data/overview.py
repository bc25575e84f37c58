"""The overview of a graph: its figures, its best facts, and a sample to judge it by."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

from pfn_kg.pipeline.correction_precision import Precision, precision_line
from pfn_kg.pipeline.view.data.facts import facts, relation_of
from pfn_kg.pipeline.view.data.store import Store

#: The bands of confidence that a sample is drawn from, each with its lower bound.
BANDS = (0.0, 0.25, 0.5, 0.75, 0.9)


def overview(store: Store) -> dict[str, Any]:
    """The figures of the graph, with what the run and the label schema say of them."""
    figures = store.overview()
    run = store.run
    for row in figures["relations"]:
        row["description"] = relation_of(store, row["name"])["description"]
    build = run.build.options
    configuration = run.manifest.configuration
    return figures | {
        "directory": run.directory,
        "made": run.snapshot.made,
        "snapshot": run.snapshot.path,
        "model": run.manifest.model.name,
        "language": run.language,
        "versions": run.snapshot.versions,
        "judged": _judged(run.build.precision),
        "options": {
            name: build.get(name) for name in ("entity_threshold", "relation_threshold", "fuzzy")
        },
        "corpus": [str(part) for part in getattr(configuration, "corpus", None) or ()],
        "inputs": [file.path for file in run.manifest.inputs][:20],
        "types": [
            row | {"description": _type_description(store, row["name"])} for row in figures["types"]
        ],
    }


def _judged(record: dict[str, Any] | None) -> dict[str, Any] | None:
    """How often the model is right by the facts that people judged; None if they judged none."""
    line = precision_line(record or {})
    if record is None or line is None:
        return None
    rows = sorted(record["by_relation"].items(), key=lambda item: (-item[1]["judged"], item[0]))
    fields = Precision._fields
    return {
        "text": line,
        "rows": [
            {"name": name, "text": str(Precision(**{f: row[f] for f in fields})), **row}
            for name, row in rows
        ],
    }


def _type_description(store: Store, name: str) -> str | None:
    try:
        return store.run.label_schema.entity_type(name).description
    except KeyError:
        return None


def rejected_rows(store: Store, *, offset: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """Rows that could not be processed, with their reasons."""
    return store.rows(
        "SELECT stage, document_id, source_file, source_row, sentence_index, error, "
        "left(payload, 300) AS payload FROM rejected "
        "ORDER BY stage, document_id, source_row LIMIT ? OFFSET ?",
        [limit, offset],
    )


def best_facts(store: Store, *, limit: int = 20) -> list[dict[str, Any]]:
    """The most confident facts, at most two of a relation, so that no relation fills the list.

    Args:
        store: the graph.
        limit: most facts.
    """
    rows = store.rows(
        "SELECT one.id AS relation_id FROM (SELECT unnest("
        "min({'less': -confidence, 'id': relation_id}, 2)) AS one "
        "FROM edges WHERE outgoing GROUP BY predicate) ORDER BY one LIMIT ?",
        [limit],
    )
    return facts(store, [row["relation_id"] for row in rows])


def sample_facts(store: Store, *, size: int = 50, seed: int = 0) -> list[dict[str, Any]]:
    """Facts to judge, as many of each band of confidence as of the others.

    The same graph and seed give the same sample. What is wrong in one band says nothing of
    another, so the bands have equal shares, as far as they have facts.

    Args:
        store: the graph.
        size: of the sample.
        seed: another one gives another sample.
    """
    # Ids are hashes, so those from any place on are a random sample.
    start = hashlib.blake2b(str(seed).encode(), digest_size=4).hexdigest()
    band = " + ".join(f"(confidence >= {low})::INTEGER" for low in BANDS)
    rows = store.rows(
        f"SELECT band, min({{'late': relation_id < ?, 'id': relation_id}}, ?) AS best FROM ("
        f"SELECT relation_id, {band} AS band "
        "FROM edges WHERE outgoing) GROUP BY band ORDER BY band",
        [start, size],
    )
    # One of each band in turn, until there are enough.
    turns = itertools.chain.from_iterable(itertools.zip_longest(*(row["best"] for row in rows)))
    chosen = [one["id"] for one in turns if one is not None][:size]
    return sorted(facts(store, chosen), key=lambda found: -found["confidence"])
