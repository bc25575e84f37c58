"""What the documents of one chunk say of the entries that their names may be of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.corrections.find_plan import REFERENCES
from pfn_kg.transforms.linking.candidates import CANDIDATE_SCHEMA, by_home
from pfn_kg.transforms.linking.evidence import (
    Named,
    Support,
    document_supports,
    named_entities,
    prior_units,
    probabilities,
)
from pfn_kg.transforms.linking.occurrences import OCCURRENCE_SCHEMA
from pfn_kg.transforms.plumbing.shards import decode_all

#: An entity of a chunk and an entry that it may be, with what the chunk's documents say.
VOTE_SCHEMA = pa.schema(
    [
        *(CANDIDATE_SCHEMA.field(name) for name in ("entity_id", "own_type")),
        pa.field("chunk", pa.int64()),
        pa.field("keys", pa.list_(pa.string())),
        *(CANDIDATE_SCHEMA.field(name) for name in ("entry", "iri", "name", "type", "popularity")),
        pa.field("documents", pa.int64()),
        pa.field("direct", pa.int64()),  # supports, in parts of UNIT
        pa.field("indirect", pa.int64()),
    ]
)

#: A document that tells by itself which entry an entity is.
TOLD_SCHEMA = pa.schema(
    {
        "entity_id": ID_TYPE,
        "chunk": pa.int64(),
        "document_id": pa.string(),
        "iri": pa.string(),
        "confidence": pa.float64(),
    }
)


def votes_of_chunk(
    number: int, candidates: pa.Table, documents: pa.Table, confidence: float
) -> tuple[pa.Table, pa.Table]:
    """What a chunk says.

    Args:
        number: of the chunk.
        candidates: as in CANDIDATE_SCHEMA.
        documents: as in `pfn_kg.transforms.linking.occurrences.OCCURRENCE_SCHEMA`.
        confidence: from which on a document tells by itself.

    Returns:
        Rows of VOTE_SCHEMA, and rows of TOLD_SCHEMA.
    """
    named = named_entities(candidates)
    units = {id_: prior_units(of) for id_, of in named.items()}
    sums = {id_: [[0, 0] for _ in of.entries] for id_, of in named.items()}
    counts = dict.fromkeys(named, 0)
    told: list[tuple[bytes, int, str, str, float]] = []
    for document_id, ids in _by_document(documents):
        entities = [named[id_] for id_ in ids if id_ in named]
        for of, supports in zip(entities, document_supports(entities, units), strict=True):
            counts[of.id] += 1
            for total, support in zip(sums[of.id], supports, strict=True):
                total[0] += support.direct
                total[1] += support.indirect
            best = _told(of, supports, confidence)
            if best is not None:
                told.append((of.id, number, document_id, *best))
    votes = [
        (
            *(id_, of.type, number, list(of.keys)),
            *(entry.entry, entry.iri, entry.name, entry.type, entry.popularity),
            *(counts[id_], *total),
        )
        for id_, of in named.items()
        for entry, total in zip(of.entries, sums[id_], strict=True)
    ]
    return _table(votes, VOTE_SCHEMA), _table(told, TOLD_SCHEMA)


def _told(of: Named, supports: list[Support], confidence: float) -> tuple[str, float] | None:
    """The entry that one document speaks for directly, and for no other one as much."""
    chances = probabilities(of, supports)
    best = max(range(len(chances)), key=lambda i: (chances[i], -i))
    direct = supports[best].direct
    others = [s.direct for i, s in enumerate(supports) if i != best]
    if chances[best] < confidence or direct <= max(others, default=0):
        return None
    return of.entries[best].iri, chances[best]


def _by_document(documents: pa.Table) -> Iterator[tuple[str, list[bytes]]]:
    ids: dict[str, list[bytes]] = {}
    columns = (documents[name].to_pylist() for name in ("document_id", "entity_id"))
    for document_id, id_ in zip(*columns, strict=True):
        ids.setdefault(document_id, []).append(id_)
    for document_id in sorted(ids):
        yield document_id, sorted(ids[document_id])


def _table(rows: list[Any], schema: pa.Schema) -> pa.Table:
    columns = [[row[number] for row in rows] for number in range(len(schema))]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


class Vote(beam.DoFn):
    """From (chunk, its `candidates` and `documents`) to votes and told documents, by part of ids.

    Args:
        confidence: from which on a document tells by itself.
        homes: as in `pfn_kg.transforms.linking.candidates.by_home`.

    Yields:
        (part of the ids, rows of VOTE_SCHEMA as Arrow IPC bytes); on `told` rows of TOLD_SCHEMA.
    """

    TOLD = "told"

    def __init__(self, confidence: float, homes: Mapping[bytes, bytes]):
        self._confidence = confidence
        self._homes = homes

    def process(
        self, group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
    ) -> Iterator[Any]:
        """Counts the votes of one chunk."""
        number, parts = group
        candidates = decode_all(parts["candidates"])
        documents = decode_all(parts["documents"])
        if candidates is None:
            return
        if documents is None or number == REFERENCES:
            documents = OCCURRENCE_SCHEMA.empty_table()
        votes, told = votes_of_chunk(number, candidates, documents, self._confidence)
        yield from by_home(votes, self._homes, plan)
        for part in by_home(told, self._homes, plan):
            yield beam.pvalue.TaggedOutput(self.TOLD, part)
