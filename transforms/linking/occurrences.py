"""The names of a chunk that are looked up in a catalogue, and the documents that they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.shuffled_rows import ID_TYPE, Move
from pfn_kg.transforms.corrections.find_plan import (
    REFERENCES,
    CorrectionFile,
    read_references,
)
from pfn_kg.transforms.documents.deduplicate import Loser
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.chunk_rows import NAME_COLUMNS, rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.kept_rows import KeptRows
from pfn_kg.transforms.graph.make_rows import ReadChunk, moves_of_chunk, of_chunk
from pfn_kg.transforms.linking.catalogue_file import Catalogue, blocks_of, lookup_key
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.shards import decode, encode, split_rows
from pfn_kg.transforms.tables.aggregate import one_array

#: A name that is looked up: `group` is a row group of the catalogue that may have it.
LOOKUP_SCHEMA = pa.schema(
    {
        "group": pa.int32(),
        "block": pa.uint64(),
        "key": pa.string(),
        "entity_id": ID_TYPE,
        "own_type": pa.string(),  # of the entity, as the model says
    }
)

#: An entity in a document.
OCCURRENCE_SCHEMA = pa.schema({"document_id": pa.string(), "entity_id": ID_TYPE})

# Parts of the join for each part of the entities.
_JOIN_SHARDS = 4


class Occurrences(NamedTuple):
    """The output of `FindOccurrences`.

    Attributes:
        lookups: (part of the catalogue, rows of LOOKUP_SCHEMA as Arrow IPC bytes).
        documents: (number of the chunk, rows of OCCURRENCE_SCHEMA as Arrow IPC bytes).
    """

    lookups: beam.PCollection
    documents: beam.PCollection


class FindOccurrences(beam.PTransform):
    """From `ChunkFile` to `Occurrences`.

    Args:
        catalogue: that the names are looked up in.
        label_schema: of the graph.
        options: thresholds and policies.
        losers: side input: by number of the chunk, the rows that are left out.
        plan: side input: the number of files of each table.
        moves: side input: by number of the chunk, where alias table and near names send ids; None
            if nothing is merged.
        kept: where what is looked up is kept for later builds, if it is.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        label_schema: LabelSchema,
        options: FactOptions,
        *,
        losers: beam.pvalue.AsMultiMap,
        plan: beam.pvalue.AsSingleton,
        moves: beam.pvalue.AsMultiMap | None = None,
        kept: KeptRows | None = None,
    ):
        super().__init__()
        self._read = _OccurrencesOfChunk(label_schema, options, catalogue, kept)
        self._beside = (losers, plan) if moves is None else (losers, plan, moves)

    def expand(self, chunks: beam.PCollection) -> Occurrences:
        """Applies the transform."""
        tagged = chunks | "Occurrences" >> beam.ParDo(self._read, *self._beside).with_outputs(
            _OccurrencesOfChunk.DOCUMENTS, main="lookups"
        )
        return Occurrences(
            tagged["lookups"]
            | "LookupTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
            tagged[_OccurrencesOfChunk.DOCUMENTS]
            | "DocumentTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
        )


def _same(element: Any) -> Any:
    return element


def occurrences_of_chunk(
    chunk: pa.Table,
    *,
    losers: Sequence[Loser],
    label_schema: LabelSchema,
    options: FactOptions,
    moves: Mapping[bytes, Move] | None = None,
    dehyphenate: bool = False,
) -> tuple[pa.Table, pa.Table]:
    """The names of entities in a chunk, and the entities of its documents.

    Args:
        chunk: its rows as `rows_of_chunk` takes them; only NAME_COLUMNS need values.
        losers: as in `rows_of_chunk`.
        label_schema: as in `rows_of_chunk`.
        options: as in `rows_of_chunk`.
        moves: as in `rows_of_chunk`.
        dehyphenate: as in `rows_of_chunk`.

    Returns:
        The distinct keys of entities, with the columns `key`, `entity_id` and `own_type`; and rows
        of OCCURRENCE_SCHEMA, each once, sorted.
    """
    tables = rows_of_chunk(
        chunk,
        model_hash="",
        losers=losers,
        label_schema=label_schema,
        options=options._replace(sentences=False),
        moves=moves,
        dehyphenate=dehyphenate,
    ).tables
    names = tables["entities"]
    # A short form says less than the long form that it stands for.
    names = names.filter(pc.and_(pc.equal(names["kind"], "entity"), pc.greater(names["own"], 0)))
    ids = pc.unique(names["entity_id"])
    mentions = tables["mentions"].select(["document_id", "entity_id"])
    mentions = mentions.filter(pc.is_in(mentions["entity_id"], value_set=ids))
    occurrences = mentions.group_by(OCCURRENCE_SCHEMA.names, use_threads=False).aggregate([])
    occurrences = occurrences.select(OCCURRENCE_SCHEMA.names).sort_by(
        [(name, "ascending") for name in OCCURRENCE_SCHEMA.names]
    )
    rows = zip(*(names[c].to_pylist() for c in ("entity_id", "type", "name")), strict=True)
    return keys_of(rows, EntityKeys.of(label_schema, options.names)), occurrences


def keys_of(names: Iterable[tuple[bytes, str, str]], keys: EntityKeys) -> pa.Table:
    """The keys by which entities are looked up, each once.

    Args:
        names: id, type and name of entities.
        keys: say what names of a type are like.
    """
    distinct = sorted(
        {
            (key, id_, type_)
            for id_, type_, name in names
            if (key := lookup_key(name, keys.kinds.get(type_)))
        }
    )
    columns = [[row[i] for row in distinct] for i in range(3)]
    return pa.table(
        {
            "key": pa.array(columns[0], pa.string()),
            "entity_id": pa.array(columns[1], ID_TYPE),
            "own_type": pa.array(columns[2], pa.string()),
        }
    )


def lookups_of(keys: pa.Table, catalogue: Catalogue) -> pa.Table:
    """What is asked of a catalogue.

    Args:
        keys: as from `keys_of`.
        catalogue: that is asked.

    Returns:
        Rows of LOOKUP_SCHEMA; none for a key that lies between two row groups.
    """
    blocks = blocks_of(one_array(keys["key"]))
    # The hash of a key stands in more than one row group where it has too many entries for one.
    rows, groups = [], []
    for row, block in enumerate(blocks.tolist()):
        for group in catalogue.groups_of(block):
            rows.append(row)
            groups.append(group)
    taken = keys.take(pa.array(rows, pa.int64()))
    columns = {
        "group": pa.array(groups, pa.int32()),
        "block": pa.array(blocks[np.array(rows, dtype=np.int64)]),
        **{name: taken[name] for name in ("key", "entity_id", "own_type")},
    }
    return pa.table(columns, schema=LOOKUP_SCHEMA)


class ReferenceOccurrences(beam.DoFn):
    """The names that corrections speak of, as those of the chunk REFERENCES.

    Args:
        corrections: the file of corrections.
        catalogue: that is asked.

    Yields:
        As `FindOccurrences`: lookups, and on `documents` entities of no document.
    """

    DOCUMENTS = "documents"

    def __init__(self, corrections: CorrectionFile, catalogue: Catalogue):
        self._corrections = corrections
        self._catalogue = catalogue

    def process(
        self,
        _: object,
        plan: Mapping[str, int],
        moves: Mapping[int, Iterable[list[Move]]] | None = None,
    ) -> Iterator[Any]:
        """Reads the corrections.

        Args:
            plan: the number of files of each table.
            moves: by number of the chunk, where alias table and near names send ids.
        """
        of = self._corrections
        by_id = {} if moves is None else {m.old: m for some in moves[REFERENCES] for m in some}
        names = []
        for _, data in read_references(None, of, plan):
            for row in decode(data).to_pylist():
                id_, type_ = row["entity_id"], row["type"]
                move = by_id.get(id_, Move(id_, id_, ""))
                names.append((move.heir, move.type or type_, row["name"]))
        keys = keys_of(names, EntityKeys.of(of.label_schema, of.names))
        yield from split_lookups(lookups_of(keys, self._catalogue), self._catalogue, plan)
        ids = pa.array(sorted({id_ for id_, _, _ in names}), ID_TYPE)
        rows = pa.table([pa.nulls(len(ids), pa.string()), ids], schema=OCCURRENCE_SCHEMA)
        yield beam.pvalue.TaggedOutput(self.DOCUMENTS, (REFERENCES, encode(rows)))


def split_lookups(
    lookups: pa.Table, catalogue: Catalogue, plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Cuts lookups by part of the catalogue: so many that each has about as many names.

    Args:
        lookups: as in LOOKUP_SCHEMA.
        catalogue: that is asked.
        plan: the number of files of each table.
    """
    shards = max(1, min(catalogue.groups, _JOIN_SHARDS * plan[SIZE_TABLE]))
    shard = lookups["group"].to_numpy().astype(np.int64) * shards // max(catalogue.groups, 1)
    for number, rows in split_rows(lookups, shard, shards):
        yield number, encode(rows)


class _OccurrencesOfChunk(ReadChunk):
    """Yields the lookups of chunks, and on `documents` the entities of their documents."""

    DOCUMENTS = "documents"

    def __init__(
        self,
        label_schema: LabelSchema,
        options: FactOptions,
        catalogue: Catalogue,
        kept: KeptRows | None,
    ):
        super().__init__(label_schema, options, kept)
        self._catalogue = catalogue

    def process(
        self,
        chunk: ChunkFile,
        losers: Mapping[int, Iterable[list[Loser]]],
        plan: dict[str, int],
        moves: Mapping[int, Iterable[list[Move]]] | None = None,
    ) -> Iterator[Any]:
        # All that is looked up depends on this beside the file, whatever the catalogue.
        beside: dict[str, Any] = {
            "losers": of_chunk(losers, chunk),
            "moves": moves_of_chunk(moves, chunk),
        }

        def make() -> dict[str, pa.Table]:
            rows, dehyphenate = self._read(chunk, NAME_COLUMNS)
            keys, occurrences = occurrences_of_chunk(
                rows,
                label_schema=self._label_schema,
                options=self._options,
                dehyphenate=dehyphenate,
                **beside,
            )
            return {"keys": keys, "occurrences": occurrences}

        found = self._tables("lookups", chunk, beside, make)
        documents = chunk.number, encode(found["occurrences"])
        yield beam.pvalue.TaggedOutput(self.DOCUMENTS, documents)
        yield from self._hold({"lookups": lookups_of(found["keys"], self._catalogue)}, plan)

    def _cut(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[int, bytes]]:
        for lookups in tables.values():
            yield from split_lookups(lookups, self._catalogue, self._plan)
