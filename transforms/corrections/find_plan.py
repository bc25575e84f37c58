"""The corrections of a build as a collection: one plan, and what became of it.

```
corrections -> names that they speak of -> merged with those of the chunks -> heirs -.
corrections -------------------------------------------------------------------------+-> plan
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.schemas.corrections import AnyCorrection, parse_correction
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules, Rules
from pfn_kg.schemas.shuffled_rows import CHUNK_NAME_SCHEMA, Link, Move
from pfn_kg.transforms.corrections.evidence import decode_evidence
from pfn_kg.transforms.corrections.outcomes import outcomes
from pfn_kg.transforms.corrections.plan import (
    CorrectionOptions,
    CorrectionPlan,
    plan_corrections,
    referenced_names,
)
from pfn_kg.transforms.corrections.references import References
from pfn_kg.transforms.plumbing.files import join, read_bytes, replace
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of
from pfn_kg.transforms.plumbing.shards import split

#: The number of the chunk that stands for the corrections where names are merged.
REFERENCES = -1

#: What became of each correction, beside the graph.
OUTCOMES_FILE = "correction_outcomes.parquet"
#: The texts that corrections judge, likewise.
EVIDENCE_FILE = "correction_evidence.parquet"


class CorrectionFile(NamedTuple):
    """Where workers find the corrections, and how they are read.

    Attributes:
        path: a Parquet file of `pfn_kg.schemas.corrections.CORRECTION_SCHEMA`.
        label_schema: of the graph.
        names: which names count as one name.
        rules: in which of two directions facts are said.
        released: ids of names that stay what they are, whatever is known of them.
    """

    path: str
    label_schema: LabelSchema
    names: NameRules
    rules: Rules
    released: frozenset[bytes] = frozenset()

    def read(self) -> CorrectionOptions:
        """The corrections in it."""
        rows = pq.read_table(pa.BufferReader(read_bytes(self.path))).to_pylist()
        corrections: tuple[AnyCorrection, ...] = tuple(
            parse_correction({name: value for name, value in row.items() if value is not None})
            for row in rows
        )
        return CorrectionOptions(
            corrections, self.label_schema, self.names, self.rules, self.released
        )


def read_references(
    _: object, file: CorrectionFile, shards: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """The names that corrections speak of as rows of a chunk without mentions.

    Args:
        file: the corrections.
        shards: the number of files of each table.

    Yields:
        Part of the ids, and rows of CHUNK_NAME_SCHEMA as Arrow IPC bytes, whose chunk is
        REFERENCES.
    """
    references = References(file.label_schema, file.names, released=file.released)
    rows = []
    for name, type_ in referenced_names(file.read().corrections):
        if references.knows(type_) and not references.is_value(type_):
            entity = references.settled(name, type_)
            rows.append(
                {
                    "entity_id": entity.id,
                    "kind": entity.kind,
                    "type": type_,
                    "name": name,
                    "mentions": 0,
                    "own": 0,
                    "documents": 0,
                    "is_canonical": False,
                    "chunk": REFERENCES,
                }
            )
    table = pa.Table.from_pylist(rows, CHUNK_NAME_SCHEMA)
    parts = shards["entities"]
    yield from split(table, shard_of(from_arrow(table["entity_id"]), parts), parts)


class FindPlan(beam.PTransform):
    """From (chunk, list of `Move`) to the one `CorrectionPlan`.

    Args:
        file: the corrections.
        links: (chunk, list of `Link`); None if nothing is linked.
    """

    def __init__(self, file: CorrectionFile, links: beam.PCollection | None = None):
        super().__init__()
        self._file = file
        self._links = links

    def expand(self, moves: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        heirs = moves | "OfReferences" >> beam.Filter(_is_of_references)
        beside = [beam.pvalue.AsIter(heirs)]
        if self._links is not None:
            links = self._links | "LinksOfReferences" >> beam.Filter(_is_of_references)
            beside.append(beam.pvalue.AsIter(links))
        return (
            moves.pipeline
            | "OnePlan" >> beam.Create([None])
            | "Plan" >> beam.Map(_plan, self._file, *beside)
        )


def _is_of_references(moves: tuple[int, list[Any]]) -> bool:
    return moves[0] == REFERENCES


def _plan(
    _: object,
    file: CorrectionFile,
    moves: Iterable[tuple[int, list[Move]]],
    links: Iterable[tuple[int, list[Link]]] = (),
) -> CorrectionPlan:
    by_id = {move.old: move for _, some in moves for move in some}
    linked = {link.old: link for _, some in links for link in some}
    for old, move in by_id.items():
        link = linked.get(move.heir)
        if link is not None:
            by_id[old] = move._replace(heir=link.heir, type=link.type)
    of_links = {old: Move(old, of.heir, of.rule, of.type) for old, of in linked.items()}
    return plan_corrections(file.read(), of_links | by_id)


def write_outcomes(
    applied: Mapping[tuple[int, int], int],
    file: CorrectionFile,
    plan: CorrectionPlan,
    judged: Iterable[tuple[bytes, bytes]],
    folder: str,
) -> dict[str, int]:
    """Writes what became of corrections and what they judge; returns how many are applied.

    Args:
        applied: by row and side what each concerns, from all chunks.
        file: the corrections.
        plan: what they come to.
        judged: support and evidence of judgements, each as Arrow IPC bytes, from all chunks.
        folder: of the graph.
    """
    support, evidence = zip(*judged, strict=True) if (judged := list(judged)) else ((), ())
    rows = outcomes(file.read().corrections, plan, applied, support)
    for name, table in ((OUTCOMES_FILE, rows), (EVIDENCE_FILE, decode_evidence(evidence))):
        data = BytesIO()
        pq.write_table(table.combine_chunks(), data, compression="zstd")
        replace(join(folder, name), data.getvalue())
    is_applied = rows["is_applied"].to_pylist()
    return {"corrections": len(rows), "corrections_applied": sum(is_applied)}
